/**
 * Checkpoints of a tenant's log, as C2SP `tlog-checkpoint` v1 defines them: a signed note over origin, size and root.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import { requireId } from '../../identify/principal.ts';
import { hashBytes, rootOf, sameBytes } from './merkle.ts';
import { canonicalBase64, openNote, signNote, type NoteSigner, type NoteVerifier } from './signed-note.ts';

/** What the log was when it was signed. */
export interface Checkpoint {
  readonly origin: string;
  /** Segments in the log. */
  readonly size: number;
  readonly root: Buffer;
}

/** Each tenant has a log of its own; one key signs them all. */
export function originOf(name: string, tenant: string): string {
  return `${name}/${requireId('tenant', tenant)}`;
}

export function signCheckpoint({ origin, size, root }: Checkpoint, signer: NoteSigner): Promise<string> {
  return signNote(`${origin}\n${size}\n${root.toString('base64')}\n`, signer);
}

/**
 * The checkpoint in a note, once its signature and its origin hold. Extension lines are refused: nothing here writes any.
 * @throws LedgerError saying what to do
 */
export function openCheckpoint(note: string, verifier: NoteVerifier, origin: string): Checkpoint {
  const lines = openNote(note, verifier).split('\n');
  const [found, size = '', encoded = '', end] = lines;
  const root = canonicalBase64(encoded);
  if (lines.length !== 4 || end !== '' || !/^(?:0|[1-9]\d{0,14})$/.test(size) || root?.length !== hashBytes) {
    throw new LedgerError('the signed note is no checkpoint: expected three lines, of origin, size and root');
  }
  if (found !== origin) {
    throw new LedgerError(`the checkpoint is of ${String(found)}, expected one of ${origin}: ask for the right log`);
  }
  if (size === '0' && !sameBytes(root, rootOf([]))) {
    throw new LedgerError('the checkpoint of an empty log has a root that is not that of the empty tree');
  }
  return { origin, size: Number(size), root };
}

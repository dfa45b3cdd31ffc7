/**
 * The notary's word that the records of a segment were removed on purpose: a signed note. Without it, records that are
 * missing at the beginning of a chain are records that somebody deleted.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import type { Segment } from './segment.ts';
import { openNote, signNote, type NoteSigner, type NoteVerifier } from './signed-note.ts';

type Removed = Pick<Segment, 'head'> & { readonly index: number; readonly archived?: string };

function statement(origin: string, { index, head, archived }: Removed): string {
  return `countersign/pruned/1\n${origin}\n${index}\n${head}\n${archived ?? ''}\n`;
}

export function signPruned(origin: string, segment: Removed, signer: NoteSigner): Promise<string> {
  return signNote(statement(origin, segment), signer);
}

export function isPruned(
  segment: Removed & { readonly pruned?: string },
  { verifier, origin }: { readonly verifier: NoteVerifier; readonly origin: string },
): boolean {
  if (segment.pruned === undefined) return false;
  try {
    return openNote(segment.pruned, verifier) === statement(origin, segment);
  } catch (error) {
    if (error instanceof LedgerError) return false;
    throw error;
  }
}

/**
 * A witness keeps the newest checkpoint of each log where the writer of the store cannot reach it, and never goes back.
 *
 * What it does is the `add-checkpoint` of C2SP `tlog-witness`, without a cosignature: it checks the signature, that the
 * old size is the one that it has, and that the new log begins with the old one.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import { openCheckpoint } from './checkpoint.ts';
import { isConsistent, rootOf } from './merkle.ts';
import type { NoteVerifier } from './signed-note.ts';

export interface Submission {
  readonly origin: string;
  /** Size of the checkpoint that the witness is thought to have; 0: none. */
  readonly oldSize: number;
  /** Consistency proof from there (RFC 6962 §2.1.2). */
  readonly path: readonly Uint8Array[];
  /** The signed checkpoint. */
  readonly note: string;
}

export interface Witness {
  /** The note that it keeps for this log. Nobody has to trust it: it is signed. */
  newest(origin: string): Promise<string | undefined>;
  /** The logs that it knows: one whose store is gone must be missed. */
  origins(): Promise<readonly string[]>;
  /** Keeps a newer checkpoint. Rejects with `LedgerError` when the log went back, or is another than it was. */
  add(submission: Submission): Promise<void>;
}

/** @throws LedgerError unless the submission may take the place of the note that is kept */
export function checkSubmission(
  kept: string | undefined,
  { origin, oldSize, path, note }: Submission,
  verifier: NoteVerifier,
): void {
  const empty = { size: 0, root: rootOf([]) };
  const older = kept === undefined ? empty : openCheckpoint(kept, verifier, origin);
  const newer = openCheckpoint(note, verifier, origin);
  if (newer.size < older.size) {
    throw new LedgerError(
      `the log of ${origin} went back from ${older.size} segments to ${newer.size}: its store was rolled back`,
    );
  }
  if (oldSize !== older.size) {
    throw new LedgerError(`the witness has ${older.size} segments of ${origin}, not ${oldSize}: read it again`);
  }
  if (!isConsistent(older, newer, path)) {
    throw new LedgerError(`the log of ${origin} is another than the witness saw: it was forked or rewritten`);
  }
}

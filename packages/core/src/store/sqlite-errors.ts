/**
 * What a failure of SQLite means for the operator: every one becomes a `StoreError` that names the remedy.
 * @module
 */
import { CountersignError, StoreError } from '../errors.ts';

/** By primary result code (https://www.sqlite.org/rescode.html). */
const remedies: Readonly<Record<number, string>> = {
  5: 'is locked: another process holds a write transaction; end it, or raise lockTimeoutMs',
  6: 'is locked by another statement of this process',
  8: 'is read-only: give this process write permission on the file and its directory, or mount it writable',
  10: 'cannot be read or written (I/O error): check the disk',
  11: 'is corrupt: restore it from a backup, then call system.newEpoch()',
  13: 'or its disk is full: free space, prune the ledger, or raise maxBytes',
  14: 'cannot be opened: its directory must exist, and this process must be allowed to write there',
  26: 'is not a SQLite database: give another path',
};

/** The primary result code of an error thrown by `node:sqlite`. */
function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

export function isBusy(error: unknown): boolean {
  return resultCode(error) === 5;
}

export function storeError(path: string, cause: unknown): CountersignError {
  if (cause instanceof CountersignError) return cause;
  const code = resultCode(cause);
  const remedy = code === undefined ? undefined : remedies[code];
  const message = cause instanceof Error ? cause.message : String(cause);
  return new StoreError(remedy === undefined ? `${path}: ${message}` : `${path} ${remedy} (${message})`, { cause });
}

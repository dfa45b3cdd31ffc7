/**
 * A lock on a file that several processes write: an exclusive transaction on an empty SQLite database beside it. The
 * system takes it from a process that dies, so that no lock is ever stale and none has to be broken.
 * @module
 */
import fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { KeyError } from '../errors.ts';
import { writeNewPrivateFile } from '../key-file.ts';

const waitMs = 10_000;
const pauseMs = 15;

/** Runs `task` while no other process or call holds the lock of `file`. Throws `KeyError` after ten seconds of waiting. */
export async function withFileLock<Result>(file: string, task: () => Promise<Result>): Promise<Result> {
  const lock = `${file}.lock`;
  try {
    writeNewPrivateFile(lock, '');
  } catch (error) {
    if (!fs.existsSync(lock)) throw new KeyError(`${lock}: expected to create it`, { cause: error });
  }
  // Loaded here: whoever keeps no secrets in files needs no SQLite.
  const { DatabaseSync } = await import('node:sqlite');
  const database = new DatabaseSync(lock, { timeout: 0 });
  try {
    await acquire(lock, () => database.exec('BEGIN EXCLUSIVE'));
    return await task();
  } finally {
    database.close();
  }
}

async function acquire(lock: string, begin: () => void): Promise<void> {
  for (const until = performance.now() + waitMs; ;) {
    try {
      begin();
      return;
    } catch (error) {
      if (!isBusy(error)) throw new KeyError(`${lock}: expected a lock file, got something else`, { cause: error });
      if (performance.now() > until) throw new KeyError(`${lock}: another process held it for ${waitMs} ms`);
    }
    await sleep(pauseMs + Math.random() * pauseMs);
  }
}

/** SQLITE_BUSY and SQLITE_LOCKED, with their extended codes. */
function isBusy(error: unknown): boolean {
  const code: unknown = typeof error === 'object' && error !== null && 'errcode' in error ? error.errcode : undefined;
  return typeof code === 'number' && [5, 6].includes(code & 0xff);
}

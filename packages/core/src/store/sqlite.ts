/**
 * The embedded default: one SQLite file, shared by any number of processes of one machine.
 *
 * In this mode the agent's process can write to the file, so it defends against the model, the tools' inputs and the
 * client, not against hostile code in the same process.
 * @module
 */
import { realpathSync } from 'node:fs';
import { ConfigurationError } from '../errors.ts';
import { processState } from '../process-state.ts';
import { embeddedStore } from './embedded-store.ts';
import { createCommitter } from './sqlite-commit.ts';
import { openDatabase } from './sqlite-open.ts';
import { sqliteTables } from './sqlite-tables.ts';
import type { Durability, Store } from './store.ts';

export interface SqliteStoreOptions {
  /** The file, on a local disk. Created with mode 0600 when it is missing; its directory must exist. */
  readonly path: string;
  /** What every write survives. Default `process`: a claim that asks for `power` is flushed to the device all the same. */
  readonly durability?: Durability;
  /** How long a write waits for another process to end its own, in milliseconds. Default 5,000. */
  readonly lockTimeoutMs?: number;
  /** Largest size of the file in bytes. Beyond it every write is refused, and so every call. Default: the disk. */
  readonly maxBytes?: number;
}

/** SQLite's own default, which the schema does not change. */
const pageBytes = 4096;

/** Longest time that one write may keep the event loop waiting for a lock. */
const maxBlockingMs = 5;

/** Throws `StoreError` when the file cannot serve: it is newer, foreign, corrupt, locked, or cannot be written. */
export function sqliteStore({
  path,
  durability = 'process',
  lockTimeoutMs = 5_000,
  maxBytes,
}: SqliteStoreOptions): Store {
  if (durability !== 'process' && durability !== 'power') {
    throw new ConfigurationError(`durability must be 'process' or 'power', got ${String(durability satisfies never)}`);
  }
  if (!(lockTimeoutMs >= 0 && lockTimeoutMs <= 600_000)) {
    throw new ConfigurationError(`lockTimeoutMs must be from 0 to 600,000 milliseconds, got ${lockTimeoutMs}`);
  }
  if (maxBytes !== undefined && !(maxBytes > 0 && maxBytes <= Number.MAX_SAFE_INTEGER)) {
    throw new ConfigurationError(`maxBytes must be a number of bytes above 0, got ${maxBytes}`);
  }
  const database = openDatabase(path, Math.ceil(lockTimeoutMs));
  // Never below what the file has already: then nothing more goes in.
  if (maxBytes !== undefined) database.exec(`PRAGMA max_page_count = ${Math.max(1, Math.floor(maxBytes / pageBytes))}`);
  database.exec(`PRAGMA busy_timeout = ${maxBlockingMs}`);
  const store = embeddedStore({
    durability,
    tables: sqliteTables(database),
    changes: processState().approvalChanges,
    place: realpathSync(path),
    createRunner: (undone) => createCommitter({ database, path, durability, lockTimeoutMs, undone }),
  });
  return {
    ...store,
    async eraseSubject(tenant, subject, records) {
      await store.eraseSubject(tenant, subject, records);
      // The log still holds the page with the key. As far as no other process is reading it, it is emptied now.
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    },
  };
}

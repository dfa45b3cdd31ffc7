/**
 * The embedded default: one SQLite file, shared by any number of processes of one machine.
 *
 * In this mode the agent's process can write to the file, so it defends against the model, the tools' inputs and the
 * client, not against hostile code in the same process.
 * @module
 */
import { ConfigurationError } from '../errors.ts';
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
}

/** Longest time that one write may keep the event loop waiting for a lock. */
const maxBlockingMs = 5;

/** Throws `StoreError` when the file cannot serve: it is newer, foreign, corrupt, locked, or cannot be written. */
export function sqliteStore({ path, durability = 'process', lockTimeoutMs = 5_000 }: SqliteStoreOptions): Store {
  if (durability !== 'process' && durability !== 'power') {
    throw new ConfigurationError(`durability must be 'process' or 'power', got ${String(durability satisfies never)}`);
  }
  if (!(lockTimeoutMs >= 0 && lockTimeoutMs <= 600_000)) {
    throw new ConfigurationError(`lockTimeoutMs must be from 0 to 600,000 milliseconds, got ${lockTimeoutMs}`);
  }
  const database = openDatabase(path, Math.ceil(lockTimeoutMs));
  database.exec(`PRAGMA busy_timeout = ${maxBlockingMs}`);
  const store = embeddedStore({
    durability,
    tables: sqliteTables(database),
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

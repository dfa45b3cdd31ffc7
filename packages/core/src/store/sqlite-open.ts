/**
 * Opens the file of a SQLite store, or refuses it.
 * @module
 */
import { closeSync, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';
import { isBusy, storeError } from './sqlite-errors.ts';
import { applicationId, schema, schemaVersion } from './sqlite-schema.ts';

/** Pages in the log before SQLite moves them into the file: fewer, larger moves. 16 MiB. */
const checkpointPages = 4000;
const retryMs = 5;

/** Throws `StoreError` when the file cannot serve as a store. It is created with mode 0600. */
export function openDatabase(path: string, lockTimeoutMs: number): DatabaseSync {
  if (path === '' || path === ':memory:' || path.startsWith('file:')) {
    throw new StoreError(
      `sqliteStore needs the path of a file, got "${path}"; for a store in memory use memoryStore()`,
    );
  }
  createPrivately(path);
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    prepare(database, path, lockTimeoutMs);
    return database;
  } catch (error) {
    database?.close();
    throw storeError(path, error);
  }
}

/** SQLite gives its log the mode of the database, so only this file has to be created by us. */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST') return;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new StoreError(
      `${path} cannot be created: its directory must exist, and this process must be allowed to write there (${reason})`,
      { cause },
    );
  }
}

function prepare(database: DatabaseSync, path: string, lockTimeoutMs: number): void {
  database.exec(`
    PRAGMA busy_timeout = ${lockTimeoutMs};
    PRAGMA trusted_schema = OFF;
    PRAGMA foreign_keys = ON;
    -- Without this, INSERT OR REPLACE deletes a row and no trigger sees it.
    PRAGMA recursive_triggers = ON;
  `);
  // In one snapshot: another process may be creating it right now.
  database.exec('BEGIN');
  try {
    checkKind(database, path);
  } finally {
    rollBack(database);
  }
  const mode = switchToLog(database, lockTimeoutMs);
  if (mode !== 'wal') {
    throw new StoreError(`${path}: write-ahead logging is not possible here (${String(mode)}); use a local disk`);
  }
  database.exec(`
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = ${checkpointPages};
    PRAGMA secure_delete = FAST;
  `);
  database.exec('BEGIN IMMEDIATE');
  try {
    // Under the lock: another process may just have created it.
    if (checkKind(database, path) === 'empty') database.exec(schema);
    database.exec('COMMIT');
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** SQLite does not wait when two processes switch at once, so this does. */
function switchToLog(database: DatabaseSync, lockTimeoutMs: number): unknown {
  const until = performance.now() + lockTimeoutMs;
  for (;;) {
    try {
      return number(database, 'PRAGMA journal_mode = WAL', 'journal_mode');
    } catch (error) {
      if (!isBusy(error) || performance.now() >= until) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, retryMs);
    }
  }
}

function checkKind(database: DatabaseSync, path: string): 'empty' | 'countersign' {
  const application = number(database, 'PRAGMA application_id', 'application_id');
  const version = Number(number(database, 'PRAGMA user_version', 'user_version'));
  const tables = Number(number(database, 'SELECT count(*) AS count FROM sqlite_schema', 'count'));
  if (application === 0 && version === 0 && tables === 0) return 'empty';
  if (application !== applicationId) {
    throw new StoreError(`${path} is a database of another program: give another path`);
  }
  if (version > schemaVersion) {
    throw new StoreError(
      `${path} has schema version ${version}, this version of Countersign knows up to ${schemaVersion}: upgrade it`,
    );
  }
  if (version !== schemaVersion) {
    throw new StoreError(`${path} has schema version ${version}, which never existed: restore it from a backup`);
  }
  return 'countersign';
}

function number(database: DatabaseSync, sql: string, column: string): unknown {
  return database.prepare(sql).get()?.[column];
}

/** Ends the transaction, if SQLite has not done so by itself. */
export function rollBack(database: DatabaseSync): void {
  try {
    database.exec('ROLLBACK');
  } catch (error) {
    if (!(error instanceof Error && error.message.includes('no transaction is active'))) throw error;
  }
}

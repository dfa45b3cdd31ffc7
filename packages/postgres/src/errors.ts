/**
 * What a failure of the server means for the operator: every one becomes a `StoreError` that names the remedy.
 * @module
 */
import { CountersignError, StoreError } from '@countersign/core';

/** By SQLSTATE, or its class of two characters (https://www.postgresql.org/docs/current/errcodes-appendix.html). */
const remedies: Readonly<Record<string, string>> = {
  '08': 'the connection broke: check the network and the server',
  '28': 'the server refused this login: check its name, its password and pg_hba.conf',
  '3D000': 'there is no such database: create it, then run countersign-postgres migrate',
  '3F000': 'the database is not migrated: run countersign-postgres migrate',
  '42P01': 'the database is not migrated: run countersign-postgres migrate',
  '42883': 'the database is not migrated to this version: run countersign-postgres migrate',
  '42703': 'the database is not migrated to this version: run countersign-postgres migrate',
  '42501':
    'this login has not the role for that: GRANT it countersign_runtime, _worker, _approver, _sealer, _maintenance or _reader',
  '25006':
    'the server is read-only (a standby, or default_transaction_read_only): connect to the primary, or make it writable',
  '53100': 'the disk of the server is full: free space',
  '53200': 'the server is out of memory or locks: raise max_locks_per_transaction, or its memory',
  '53300': 'the server has no connection left: raise max_connections, or lower maxConnections of the stores',
  '55P03': 'another process held a lock for too long (a migration, or a long transaction): end it, or raise timeoutMs',
  '57014': 'the server did not answer in time: find what slows it, or raise timeoutMs',
  '57P': 'the server is starting, stopping or ended the connection: try again',
  '40': 'the server gave up because of other transactions: try again',
  '22021': 'a text holds a character that PostgreSQL cannot store',
  '22P05': 'a text holds a character that PostgreSQL cannot store',
  '22P02': 'a text holds a character that PostgreSQL cannot store',
  ECONNREFUSED: 'no server listens there: start it, or check host and port',
  ENOTFOUND: 'the host of the server is not known: check the connection string',
  ETIMEDOUT: 'the server cannot be reached: check the network',
  EHOSTUNREACH: 'the server cannot be reached: check the network',
  ECONNRESET: 'the connection broke: check the network and the server',
  EPIPE: 'the connection broke: check the network and the server',
};

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

function hasSeverity(error: unknown): error is Error & { readonly severity: string } {
  return error instanceof Error && 'severity' in error && typeof error.severity === 'string';
}

/** The connection is of no use any more: the server did not answer, or answered that it ends it. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof CountersignError) return false;
  return !hasSeverity(error) || error.severity === 'FATAL' || error.severity === 'PANIC';
}

/** Nothing changes by trying again: this login, or this database, is not the right one. */
const isHopeless = (error: unknown): boolean => codeOf(error).startsWith('28') || codeOf(error) === '3D000';

/** Another record stands where the next one would: the head of the chain must be read again. */
const isChainConflict = (error: unknown): boolean => codeOf(error) === 'CSG01';

/** It may succeed when it is tried again, on another connection where this one was lost. */
export const isTransient = (error: unknown): boolean =>
  codeOf(error).startsWith('40') || isChainConflict(error) || (isConnectionLost(error) && !isHopeless(error));

export function storeError(cause: unknown): CountersignError {
  if (cause instanceof CountersignError) return cause;
  const code = codeOf(cause);
  const remedy = remedies[code] ?? remedies[code.slice(0, 3)] ?? remedies[code.slice(0, 2)];
  const message = cause instanceof Error ? cause.message : String(cause);
  return new StoreError(`PostgreSQL: ${remedy === undefined ? message : `${remedy} (${message})`}`, { cause });
}

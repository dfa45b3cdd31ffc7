/**
 * Names of advisory locks as the 64-bit keys that PostgreSQL takes. Two names with one key only wait for each other.
 * @module
 */
import { hash } from 'node:crypto';

export function lockKey(...names: readonly string[]): bigint {
  const digest = Buffer.from(hash('sha256', JSON.stringify(['countersign/lock/1', ...names]), 'hex'), 'hex');
  return digest.readBigInt64BE();
}

/** Shared by whoever depends on the epoch, exclusive to who begins a new one. */
export const epochLock: bigint = lockKey('epoch');

/** One migration of a database at a time. */
export const migrationLock: bigint = lockKey('migration');

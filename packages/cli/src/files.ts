/**
 * Files that the user names. One that is missing ends the command before anything would be created in its place.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readKeyFile, readPrivateFile, type Store } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { CommandFailure } from './exit-codes.ts';

const maxTokenFileBytes = 1024;
const maxJsonFileBytes = 262_144;

export function requireFile(kind: string, path: string): string {
  if (existsSync(path)) return path;
  throw new CommandFailure('unreachable', `there is no ${kind} at ${path}`);
}

/** Runs `task` on the store, and closes it whatever happens. */
export async function withStore<Result>(
  path: string,
  task: (store: Store) => Promise<Result>,
  options: { readonly durability?: 'power' } = {},
): Promise<Result> {
  const store = await openStore(path, options);
  try {
    return await task(store);
  } finally {
    await store.close();
  }
}

/** `postgres`: the database of COUNTERSIGN_POSTGRES_URL, so that no password stands in a list of processes. */
async function openStore(path: string, options: { readonly durability?: 'power' }): Promise<Store> {
  if (path !== 'postgres') return sqliteStore({ path: requireFile('store', path), ...options });
  const connectionString = process.env['COUNTERSIGN_POSTGRES_URL'] ?? '';
  if (connectionString === '') {
    throw new CommandFailure('usage', '--store postgres is the database of COUNTERSIGN_POSTGRES_URL, which is not set');
  }
  const { postgresStore } = await import('@countersign/postgres').catch(() => {
    throw new CommandFailure(
      'unreachable',
      '--store postgres needs @countersign/postgres: install it beside this command',
    );
  });
  return postgresStore({ connectionString, maxConnections: 2 });
}

export function keyFrom(path: string): KeyObject {
  return readKeyFile(requireFile('key file', path));
}

/** A bearer token (RFC 6750) in a file of mode 0600. */
export function tokenFrom(path: string): string {
  return readPrivateFile(requireFile('token file', path), maxTokenFileBytes).toString('latin1').trim();
}

export function jsonFrom(kind: string, path: string): unknown {
  return parsed(path, readFileSync(requireFile(kind, path), 'utf8'));
}

/** In a file of mode 0600. */
export function privateJsonFrom(kind: string, path: string): unknown {
  return parsed(path, readPrivateFile(requireFile(kind, path), maxJsonFileBytes).toString('utf8'));
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new CommandFailure('usage', `${path} is not JSON`);
  }
}

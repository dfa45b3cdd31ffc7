/**
 * Brings a database to the schema of this version. Run it as the owner of the database, before the first store is opened
 * and with every upgrade. Safe from any number of processes: one at a time, in one transaction.
 * @module
 */
import { hash } from 'node:crypto';
import { StoreError } from '@countersign/core';
import { Client } from 'pg';
import { storeError } from './errors.ts';
import { migrationLock } from './locks.ts';
import { migrations as released, type Migration } from './migrations.ts';

export interface MigrateOptions {
  /** Of a login that may create a schema, and roles where they are not there yet. It becomes the owner. */
  readonly connectionString: string;
  /** How long it waits for another migration, in milliseconds. Default 60,000. */
  readonly timeoutMs?: number;
}

export interface MigrateResult {
  /** Versions that this call applied, in order. */
  readonly applied: readonly number[];
  readonly version: number;
}

/** Rejects with `StoreError`, and leaves the database as it was, when a step fails or does not belong there. */
export async function migrate(options: MigrateOptions): Promise<MigrateResult> {
  return runMigrations(options, released);
}

/** Apart from `migrate` for tests of later versions. */
export async function runMigrations(
  { connectionString, timeoutMs = 60_000 }: MigrateOptions,
  steps: readonly Migration[],
): Promise<MigrateResult> {
  const client = new Client({
    connectionString,
    connectionTimeoutMillis: timeoutMs,
    application_name: 'countersign migrate',
  });
  // A connection that breaks rejects the query that is running.
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(`SET statement_timeout = ${Math.ceil(timeoutMs)}; SET client_min_messages = warning; BEGIN`);
    await client.query('SELECT pg_advisory_xact_lock($1)', [String(migrationLock)]);
    const result = await applyMissing(client, steps);
    await client.query('COMMIT');
    await client.query('SELECT countersign.enter()');
    return result;
  } catch (error) {
    throw storeError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

const digestOf = ({ sql }: Migration): string => hash('sha256', sql, 'hex');

async function applyMissing(client: Client, steps: readonly Migration[]): Promise<MigrateResult> {
  const done = await readApplied(client);
  const newest = steps.at(-1)?.version ?? 0;
  for (const [index, { version, digest }] of done.entries()) {
    const step = steps[index];
    if (step === undefined || version > newest) {
      throw new StoreError(
        `PostgreSQL: the database has schema version ${version}, this version of Countersign knows up to ${newest}: upgrade it`,
      );
    }
    if (step.version !== version || digestOf(step) !== digest) {
      throw new StoreError(
        `PostgreSQL: step ${version} of the schema is not the one that this version knows: restore the database from a backup`,
      );
    }
  }
  const missing = steps.slice(done.length);
  for (const step of missing) {
    await client.query(step.sql);
    await client.query('INSERT INTO countersign.migrations (version, digest) VALUES ($1, $2)', [
      step.version,
      digestOf(step),
    ]);
  }
  return { applied: missing.map(({ version }) => version), version: newest };
}

async function readApplied(client: Client): Promise<readonly { version: number; digest: string }[]> {
  const { rows } = await client.query<{ schema: boolean; table: boolean; encoding: string }>(`SELECT
    to_regnamespace('countersign') IS NOT NULL AS schema, to_regclass('countersign.migrations') IS NOT NULL AS table,
    current_setting('server_encoding') AS encoding`);
  const [found] = rows;
  if (found?.encoding !== 'UTF8') {
    throw new StoreError(`PostgreSQL: the database must be encoded in UTF8, it is ${found?.encoding ?? 'unknown'}`);
  }
  if (found.table) {
    const applied = await client.query<{ version: number; digest: string }>(
      'SELECT version, digest FROM countersign.migrations ORDER BY version',
    );
    return applied.rows;
  }
  if (found.schema) {
    throw new StoreError(
      'PostgreSQL: there is a schema "countersign" that is not one of Countersign, or that somebody changed: use another database',
    );
  }
  await client.query(`CREATE SCHEMA countersign;
    CREATE TABLE countersign.migrations (
      version integer PRIMARY KEY, digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
  return [];
}

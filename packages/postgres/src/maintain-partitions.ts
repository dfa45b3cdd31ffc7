/**
 * Partitions of the ledger: made some months ahead, dropped when a past month holds no record any more.
 * @module
 */
import { ConfigurationError } from '@countersign/core';
import { Client } from 'pg';
import { storeError } from './errors.ts';

export interface MaintainPartitionsOptions {
  /** Of a login with the role `countersign_maintenance`. */
  readonly connectionString: string;
  /** Milliseconds since the epoch. Default: now. */
  readonly now?: number;
  /** From 0 to 120. Default 3. */
  readonly monthsAhead?: number;
}

export interface MaintainPartitionsResult {
  readonly made: readonly string[];
  readonly dropped: readonly string[];
}

const timeoutMs = 30_000;

/**
 * To be run once a month or more often. Writers wait for it a moment, and it gives up after two seconds when they do not
 * let it in; records of a month without a partition go into the default one. Rejects with `StoreError`.
 */
export async function maintainPartitions({
  connectionString,
  now = Date.now(),
  monthsAhead = 3,
}: MaintainPartitionsOptions): Promise<MaintainPartitionsResult> {
  if (!(Number.isSafeInteger(monthsAhead) && monthsAhead >= 0 && monthsAhead <= 120)) {
    throw new ConfigurationError(`monthsAhead must be a whole number from 0 to 120, got ${monthsAhead}`);
  }
  const client = new Client({ connectionString, connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const run = async (call: string, values: readonly unknown[]): Promise<readonly string[]> =>
      (await client.query<{ names: string[] }>(`SELECT countersign.${call} AS names`, [...values])).rows[0]?.names ??
      [];
    const made = await run('make_partitions($1, $2)', [Math.floor(now), monthsAhead + 1]);
    const dropped = await run('drop_empty_partitions($1)', [Math.floor(now)]);
    return { made, dropped };
  } catch (error) {
    throw storeError(error);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/**
 * Connections to the server: opened on demand, bounded in number and time, dropped when they broke.
 * @module
 */
import { StoreError } from '@countersign/core';
import { Pool, types, type PoolClient } from 'pg';
import { isConnectionLost } from './errors.ts';
import { latestVersion } from './migrations.ts';
import { beginTransaction, type Begun, type Scope, type Transaction } from './transaction.ts';

export interface Connections {
  begin(scope: Scope, purpose: 'read' | 'write'): Promise<Begun>;
  /** Reads in a transaction of its own; once more on a new connection when the first broke. */
  read<Result>(scope: Scope, run: (transaction: Transaction) => Promise<Result>): Promise<Result>;
  close(): Promise<void>;
}

export interface ConnectionOptions {
  readonly connectionString: string;
  readonly maxConnections: number;
  readonly timeoutMs: number;
}

const int8 = 20;
/** `bigint` columns hold milliseconds and counters, which a number holds exactly. */
const getTypeParser: typeof types.getTypeParser = ((oid: number, format: 'text' | 'binary') =>
  oid === int8 ? Number : types.getTypeParser(oid, format as 'text')) as never;

/** What the client waits beyond the server's own time-out, for a server that does not answer at all. */
const graceMs = 1_000;

export function openConnections({ connectionString, maxConnections, timeoutMs }: ConnectionOptions): Connections {
  /** Those that may write: `countersign.enter()` has compared the server with the one of the current epoch. */
  const entered = new WeakSet<PoolClient>();
  const pool = new Pool({
    connectionString,
    max: maxConnections,
    connectionTimeoutMillis: timeoutMs,
    query_timeout: timeoutMs + graceMs,
    pipeline: true,
    allowExitOnIdle: true,
    application_name: 'countersign',
    types: { getTypeParser },
  });
  // An idle connection that breaks is dropped by the pool; the next query opens another.
  pool.on('error', () => undefined);
  // One that breaks while it is in use rejects its queries; without a listener it would also end the process.
  pool.on('connect', (client) => void client.on('error', () => undefined));

  async function connect(purpose: 'read' | 'write'): Promise<PoolClient> {
    const client = await pool.connect().catch((error: unknown) => {
      if (error instanceof Error && error.message.startsWith('timeout exceeded when trying to connect')) {
        throw pool.totalCount >= maxConnections && pool.idleCount === 0 ? exhausted(maxConnections) : unreachable();
      }
      throw error;
    });
    try {
      if (purpose === 'write' && !entered.has(client) && (await enter(client))) entered.add(client);
      return client;
    } catch (error) {
      client.release(isConnectionLost(error));
      throw error;
    }
  }

  const begin: Connections['begin'] = async (scope, purpose) =>
    beginTransaction(await connect(purpose), scope, purpose, timeoutMs);

  async function readOnce<Result>(scope: Scope, run: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    const transaction = await begin(scope, 'read');
    try {
      return await run(transaction);
    } finally {
      await transaction.rollBack();
    }
  }

  return {
    begin,
    async read(scope, run) {
      try {
        return await readOnce(scope, run);
      } catch (error) {
        if (!isConnectionLost(error)) throw error;
        return readOnce(scope, run);
      }
    },
    close: () => pool.end(),
  };
}

/** Whether it may write. Void grants of another server's time before the first write that could use one. */
async function enter(client: PoolClient): Promise<boolean> {
  const { rows } = await client.query<{ entered: boolean; version: number }>(
    'SELECT countersign.enter() AS entered, (SELECT max(version) FROM countersign.migrations) AS version',
  );
  const [{ entered, version } = { entered: false, version: 0 }] = rows;
  checkVersion(version);
  return entered;
}

export function checkVersion(version: number): void {
  if (version === latestVersion) return;
  throw new StoreError(
    version > latestVersion
      ? `PostgreSQL: the database has schema version ${version}, this version of Countersign knows up to ${latestVersion}: upgrade it`
      : `PostgreSQL: the database has schema version ${version}, ${latestVersion} is needed: run countersign-postgres migrate`,
  );
}

function exhausted(maxConnections: number): StoreError {
  return new StoreError(
    `PostgreSQL: all ${maxConnections} connections of this store were busy for too long: raise maxConnections, or find what is slow`,
  );
}

function unreachable(): StoreError {
  return new StoreError('PostgreSQL: the server did not accept a connection in time: check the network and the server');
}

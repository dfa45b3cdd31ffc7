/**
 * Connections to the server: opened on demand, bounded in number and time, dropped when they broke.
 * @module
 */
import { StoreError } from '@countersign/core';
import { Pool, types, type PoolClient } from 'pg';
import { isConnectionLost } from './errors.ts';
import { latestVersion } from './migrations.ts';

/** In which rows a transaction works: those of one tenant, or of all, as far as the role allows it. */
export type Scope = { readonly tenant: string } | 'across tenants';

export interface Transaction {
  /** Sent at once, behind what was sent before, without waiting for its answer. Prepared under `name` when it has one. */
  query(statement: Statement): Promise<readonly Row[]>;
}

export interface Statement {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
}

export type Row = Readonly<Record<string, unknown>>;

/** A transaction that has begun, and holds a connection until it ends. */
export interface Begun extends Transaction {
  /** Sends the commit. Answers `unknown` when the connection broke before the answer came. */
  commit(last?: Statement): Promise<'committed' | 'unknown'>;
  /** Harmless after the commit. */
  rollBack(): Promise<void>;
}

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

const setScope = `SELECT set_config('countersign.tenant', $1, true), set_config('countersign.across_tenants', $2, true),
  set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true),
  set_config('idle_in_transaction_session_timeout', $3, true),
  set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
    ELSE current_setting('synchronous_commit') END, true)`;

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

  async function begin(scope: Scope, purpose: 'read' | 'write'): Promise<Begun> {
    const client = await connect(purpose);
    let ended = false;
    const end = (broken: boolean): void => {
      if (!ended) client.release(broken);
      ended = true;
    };
    const send = async ({ text, values = [], name }: Statement): Promise<{ command: string; rows: Row[] }> => {
      const query = { text, values: [...values], ...(name === undefined ? {} : { name }) };
      const { command, rows } = await client.query<Record<string, unknown>>(query);
      return { command, rows };
    };
    const tenant = scope === 'across tenants' ? '' : scope.tenant;
    const across = scope === 'across tenants' ? 'on' : 'off';
    // The shorter of the two names what was waited for.
    const timeouts = [timeoutMs, Math.ceil(timeoutMs * 0.9)].map(String);
    const started = Promise.all([
      send({ text: purpose === 'read' ? 'BEGIN READ ONLY' : 'BEGIN' }),
      send({ text: setScope, values: [tenant, across, ...timeouts], name: 'scope' }),
    ]);
    // Whoever asks next sees the failure, as the failure of what was sent behind it.
    started.catch(() => undefined);
    return {
      async query(statement) {
        const [, { rows }] = await Promise.all([started, send(statement)]);
        return rows;
      },
      async commit(last) {
        const wrote = last === undefined ? undefined : send(last);
        const [written, commit] = await Promise.allSettled([wrote, send({ text: 'COMMIT' })]);
        const failure = [written, commit].find((result) => result.status === 'rejected');
        const lost = failure !== undefined && isConnectionLost(failure.reason);
        end(lost);
        if (lost) return 'unknown';
        if (failure !== undefined) throw failure.reason;
        // A transaction that failed before ends with ROLLBACK, without an error.
        if (commit.status === 'fulfilled' && commit.value.command === 'COMMIT') return 'committed';
        throw new StoreError('PostgreSQL: the transaction was rolled back');
      },
      async rollBack() {
        if (ended) return;
        const broken = await send({ text: 'ROLLBACK' }).then(
          () => false,
          () => true,
        );
        end(broken);
      },
    };
  }

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

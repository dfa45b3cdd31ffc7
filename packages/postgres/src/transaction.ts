/**
 * A transaction whose statements are sent without waiting for the answers of those before, so that locking and loading
 * are one round trip, and writing and committing another.
 * @module
 */
import { StoreError } from '@countersign/core';
import type { PoolClient } from 'pg';
import { isConnectionLost } from './errors.ts';

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

const setScope = `SELECT set_config('countersign.tenant', $1, true), set_config('countersign.across_tenants', $2, true),
  set_config('statement_timeout', $3, true), set_config('lock_timeout', $4, true),
  set_config('idle_in_transaction_session_timeout', $3, true), set_config('jit', 'off', true),
  set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
    ELSE current_setting('synchronous_commit') END, true)`;

/** Gives the client back to its pool when the transaction has ended. */
export function beginTransaction(
  client: PoolClient,
  scope: Scope,
  purpose: 'read' | 'write',
  timeoutMs: number,
): Begun {
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

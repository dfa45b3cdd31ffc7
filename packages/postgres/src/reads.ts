/**
 * The queries of a store, each in a transaction of its own that reads only.
 * @module
 */
import { maxRows } from '@countersign/core/store-kit';
import type {
  ApprovalFilter,
  Store,
  StoredApproval,
  StoredCall,
  StoredEntry,
  StoredLease,
  StoredRecord,
  SystemStore,
} from '@countersign/core/store-kit';
import type { Connections } from './connections.ts';
import type { Row, Scope } from './transaction.ts';
import { storeError } from './errors.ts';
import { approvalJson, approvalsWithCalls, callJson, entryJson, leaseJson } from './rows.ts';

type Reads = Pick<
  Store,
  'call' | 'settledAsynchronous' | 'approval' | 'approvals' | 'records' | 'heads' | 'writers' | 'entry' | 'entries'
>;

interface SubjectReads {
  readonly subjectKey: (tenant: string, subject: string) => Promise<string | undefined>;
}

type Query = (text: string, values: readonly unknown[]) => Promise<readonly Row[]>;
type Read = <Result>(scope: Scope, run: (query: Query) => Promise<Result>) => Promise<Result>;

export function createRead(connections: Connections, checkOpen: () => void): Read {
  return async (scope, run) => {
    checkOpen();
    try {
      return await connections.read(scope, (transaction) => run((text, values) => transaction.query({ text, values })));
    } catch (error) {
      throw storeError(error);
    }
  };
}

/** The column `value` of each row. */
const values = <Value>(rows: readonly Row[]): readonly Value[] => rows.map(({ value }) => value as Value);

const selectRecords = `SELECT tenant, writer, seq, time, kind, event, call, body, hash FROM countersign.records`;

export function createReads(read: Read): Reads & SubjectReads {
  return {
    call: ({ tenant, run, slot, key }) =>
      read({ tenant }, async (query) => {
        const rows = await query(
          `SELECT ${callJson} AS value FROM countersign.calls c WHERE tenant = $1 AND run = $2 AND slot = $3 AND key = $4`,
          [tenant, run, slot, key],
        );
        return values<StoredCall>(rows)[0];
      }),
    settledAsynchronous: (tenant, run) =>
      read({ tenant }, async (query) =>
        values<StoredCall>(
          await query(
            `SELECT ${callJson} AS value FROM countersign.calls c
             JOIN countersign.approvals a ON a.tenant = c.tenant AND a.id = c.approval
             WHERE c.tenant = $1 AND c.run = $2 AND c.state = 'settled' AND a.mode = 'asynchronous'
             ORDER BY c.settled_at, c.place`,
            [tenant, run],
          ),
        ),
      ),
    approval: (tenant, id) =>
      read({ tenant }, async (query) => {
        const text = `SELECT ${approvalJson} AS value FROM ${approvalsWithCalls} WHERE a.tenant = $1 AND a.id = $2`;
        return values<StoredApproval>(await query(text, [tenant, id]))[0];
      }),
    approvals: (tenant, filter) => read({ tenant }, (query) => listApprovals(query, tenant, filter)),
    records: (tenant, filter) => read({ tenant }, (query) => listRecords(query, tenant, filter)),
    heads: (tenant) =>
      read({ tenant }, async (query) => {
        const text = 'SELECT tenant, writer, seq, hash FROM countersign.writers WHERE tenant = $1 ORDER BY writer';
        return (await query(text, [tenant])) as unknown as Awaited<ReturnType<Store['heads']>>;
      }),
    writers: (tenant) => read({ tenant }, async (query) => values<string>(await query(selectWriters, [tenant]))),
    entry: (tenant, kind, id) =>
      read({ tenant }, async (query) => {
        const text = `SELECT ${entryJson} AS value FROM countersign.entries e WHERE tenant = $1 AND kind = $2 AND id = $3`;
        return values<StoredEntry>(await query(text, [tenant, kind, id]))[0];
      }),
    entries: (tenant, kind, { after, limit } = {}) =>
      read({ tenant }, async (query) => {
        const text = `SELECT ${entryJson} AS value FROM countersign.entries e WHERE tenant = $1 AND kind = $2
          AND ($3::text IS NULL OR id > $3::text COLLATE "C") ORDER BY id LIMIT $4`;
        return values<StoredEntry>(await query(text, [tenant, kind, after ?? null, maxRows(limit ?? 100)]));
      }),
    subjectKey: (tenant, subject) =>
      read({ tenant }, async (query) => {
        const text = 'SELECT key AS value FROM countersign.subjects WHERE tenant = $1 AND subject = $2';
        return values<string>(await query(text, [tenant, subject]))[0];
      }),
  };
}

/** The writers that have a record, by one look into the key of each partition for each. */
const selectWriters = `WITH RECURSIVE found (writer) AS (
  SELECT min(writer) FROM countersign.records WHERE tenant = $1 UNION ALL
  SELECT (SELECT min(writer) FROM countersign.records WHERE tenant = $1 AND writer > found.writer)
  FROM found WHERE found.writer IS NOT NULL)
  SELECT writer AS value FROM found WHERE writer IS NOT NULL`;

async function listApprovals(
  query: Query,
  tenant: string,
  { state, run, mode, consumed, before, after, newestFirst = false, limit }: ApprovalFilter,
): Promise<readonly StoredApproval[]> {
  const order = newestFirst ? 'DESC' : 'ASC';
  const text = `SELECT ${approvalJson} AS value FROM ${approvalsWithCalls} WHERE a.tenant = $1
    AND ($2::text IS NULL OR a.state = $2) AND ($3::text IS NULL OR a.run = $3) AND ($4::text IS NULL OR a.mode = $4)
    AND ($5::boolean IS NULL OR (a.consumed_at IS NOT NULL) = $5)
    AND ($6::text IS NULL OR (a.created_at, a.place) < (
      SELECT created_at, place FROM countersign.approvals WHERE tenant = $1 AND id = $6))
    AND ($7::text IS NULL OR (a.created_at, a.place) > (
      SELECT created_at, place FROM countersign.approvals WHERE tenant = $1 AND id = $7))
    ORDER BY a.created_at ${order}, a.place ${order} LIMIT $8`;
  const given = [state ?? null, run ?? null, mode ?? null, consumed ?? null, before ?? null, after ?? null];
  return values<StoredApproval>(await query(text, [tenant, ...given, maxRows(limit ?? 100)]));
}

async function listRecords(
  query: Query,
  tenant: string,
  { writer, afterSeq, call, kind, since, until, limit }: Parameters<Store['records']>[1],
): Promise<readonly StoredRecord[]> {
  const text = `${selectRecords} WHERE tenant = $1 AND ($2::text IS NULL OR writer = $2)
    AND ($3::float8 IS NULL OR seq > $3::float8) AND ($4::text IS NULL OR call = $4) AND ($5::text IS NULL OR kind = $5)
    AND ($6::float8 IS NULL OR time >= $6::float8) AND ($7::float8 IS NULL OR time <= $7::float8)
    ORDER BY writer, seq LIMIT $8`;
  const given = [writer, afterSeq, call, kind, since, until].map((each) => each ?? null);
  const rows = await query(text, [tenant, ...given, limit === undefined ? null : maxRows(limit)]);
  return rows.map((row) => ({ ...row, call: row['call'] ?? undefined }) as StoredRecord);
}

type SystemReads = Omit<SystemStore, 'newEpoch' | 'prune'>;

/** Across tenants, as far as the role of this login allows it. */
export function createSystemReads(read: Read): SystemReads {
  const across: Scope = 'across tenants';
  type Places = readonly { tenant: string; id: string }[];
  return {
    tenants: () =>
      read(across, async (query) => {
        return values<string>(await query('SELECT countersign.tenants() AS value', []));
      }),
    expiredApprovals: (now, limit) =>
      read(across, async (query) => {
        const text = `SELECT tenant, id FROM countersign.approvals WHERE expires_at <= $1 AND ${isOpen}
          ORDER BY expires_at, place LIMIT $2`;
        return (await query(text, [now, maxRows(limit)])) as Places;
      }),
    runnableApprovals: ({ now, limit, offset }) =>
      read(across, async (query) => {
        const text = `SELECT tenant, id FROM countersign.approvals WHERE expires_at > $1 AND ${isOpen}
          AND state = 'approved' AND mode = 'asynchronous'
          AND epoch = (SELECT epoch FROM countersign.installation) ORDER BY created_at, place LIMIT $2 OFFSET $3`;
        return (await query(text, [now, maxRows(limit), offset])) as Places;
      }),
    openLeases: (before, limit) =>
      read(across, async (query) => {
        const text = `SELECT ${leaseJson} AS value FROM countersign.leases l
          WHERE state <> 'closed' AND expires_at < $1 ORDER BY expires_at, place LIMIT $2`;
        return values<StoredLease>(await query(text, [before, maxRows(limit)]));
      }),
    epoch: () =>
      read(across, async (query) => {
        return values<number>(await query('SELECT epoch AS value FROM countersign.installation', []))[0] ?? 0;
      }),
    latestTime: () =>
      read(
        across,
        async (query) => values<number>(await query('SELECT countersign.latest_time() AS value', []))[0] ?? 0,
      ),
  };
}

const isOpen = `state IN ('pending', 'approved') AND consumed_at IS NULL`;

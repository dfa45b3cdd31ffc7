/**
 * The ledger in SQLite. A record's key is `chain << 32 | seq`: see `sqlite-schema.ts`.
 * @module
 */
import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';
import type { RecordKind, StoredRecord } from '../record/record.ts';
import { maxRows } from './row-limit.ts';
import { integer, optionalText, text, type Row } from './sqlite-rows.ts';
import type { RecordFilter } from './store.ts';
import type { RecordTable } from './tables.ts';

const maxSeq = 0xffff_ffff;
/** How many chains are remembered. */
const maxChains = 10_000;
const lastOfChain = `SELECT max(id) FROM records WHERE id BETWEEN chain << 32 AND (chain << 32) + ${maxSeq}`;
/** The first record of each chain, by one look into the key for each. */
const firstRecords = `WITH RECURSIVE firsts (id) AS (
  SELECT min(id) FROM records UNION ALL
  SELECT (SELECT min(id) FROM records WHERE id >= ((firsts.id >> 32) + 1) << 32) FROM firsts WHERE firsts.id IS NOT NULL)`;
/** Whoever deletes a writer does not hide its records. */
const writerOfRecord = `coalesce(writer, 'unregistered_' || (records.id >> 32))`;

type Statements = ReturnType<typeof prepareStatements>;

function prepareStatements(database: DatabaseSync) {
  return {
    chain: database.prepare('SELECT chain FROM writers WHERE tenant = ? AND writer = ?'),
    // Past the records too: a chain whose writer somebody deleted must not be continued under another name.
    register: database.prepare(`INSERT INTO writers (tenant, writer, chain) SELECT ?, ?, 1 + max(
      coalesce((SELECT max(chain) FROM writers), 0), coalesce((SELECT max(id) >> 32 FROM records), 0))`),
    append: database.prepare(
      'INSERT INTO records (id, tenant, time, kind, event, call, body, hash) VALUES ((? << 32) | ?, ?, ?, ?, ?, ?, ?, ?)',
    ),
    heads: database.prepare(`SELECT writer, id & ${maxSeq} AS seq, hash FROM writers
      JOIN records ON records.id = (${lastOfChain}) WHERE writers.tenant = ? ORDER BY writer`),
    head: database.prepare(`SELECT writer, id & ${maxSeq} AS seq, hash FROM writers
      JOIN records ON records.id = (${lastOfChain}) WHERE writers.tenant = ? AND writer = ?`),
    writers: database.prepare(`${firstRecords} SELECT ${writerOfRecord} AS writer, records.id >> 32 AS chain FROM firsts
      CROSS JOIN records USING (id) LEFT JOIN writers ON chain = records.id >> 32 AND writers.tenant = records.tenant
      WHERE records.tenant = ? ORDER BY 1`),
    list: database.prepare(`SELECT tenant, id & ${maxSeq} AS seq, time, kind, event, call, body, hash FROM records
      WHERE id BETWEEN (:chain << 32) + :from AND (:chain << 32) + ${maxSeq} AND tenant = :tenant
      AND (:call IS NULL OR call = :call) AND (:kind IS NULL OR kind = :kind)
      AND (:since IS NULL OR time >= :since) AND (:until IS NULL OR time <= :until) ORDER BY id LIMIT :limit`),
    latestTime: database.prepare(`SELECT max(time) AS time FROM writers JOIN records ON records.id = (${lastOfChain})`),
    allowPruning: database.prepare('INSERT INTO pruning (chain, through) VALUES (?, ?)'),
    endPruning: database.prepare('DELETE FROM pruning'),
    prune: database.prepare('DELETE FROM records WHERE id BETWEEN ? << 32 AND (? << 32) + ?'),
    latestTimeOf: database.prepare(
      `SELECT max(time) AS time FROM writers JOIN records ON records.id = (${lastOfChain}) WHERE writers.tenant = ?`,
    ),
  };
}

export function sqliteRecords(database: DatabaseSync): RecordTable {
  const statements = prepareStatements(database);
  /** By tenant and writer. Wrong only after a first record was undone, and then the next is a first one again. */
  const chains = new Map<string, number>();

  return {
    append(record) {
      const { tenant, writer, seq, time, kind, event, call, body, hash } = record;
      if (seq > maxSeq) throw new StoreError('this chain is full: open the store anew');
      const name = `${tenant}\n${writer}`;
      const known = seq === 1 ? register(statements, tenant, writer) : chains.get(name);
      const chain = known ?? chainOf(statements, tenant, writer);
      if (chains.size >= maxChains) chains.clear();
      chains.set(name, chain);
      statements.append.run(chain, seq, tenant, time, kind, event, call ?? null, body, hash);
    },
    list: (tenant, filter) => list(statements, tenant, filter),
    head(tenant, writer) {
      const row = statements.head.get(tenant, writer);
      return row && headFrom(tenant, row);
    },
    heads: (tenant) => statements.heads.all(tenant).map((row) => headFrom(tenant, row)),
    writers: (tenant) => statements.writers.all(tenant).map((row) => text(row, 'writer')),
    prune(tenant, writer, through) {
      const chain = chainOf(statements, tenant, writer);
      statements.allowPruning.run(chain, through);
      const { changes } = statements.prune.run(chain, chain, through);
      statements.endPruning.run();
      return Number(changes);
    },
    latestTime(tenant) {
      const row = tenant === undefined ? statements.latestTime.get() : statements.latestTimeOf.get(tenant);
      return row === undefined || row['time'] === null ? 0 : integer(row, 'time');
    },
  };
}

function register({ register: insert }: Statements, tenant: string, writer: string): number {
  return Number(insert.run(tenant, writer).lastInsertRowid);
}

function chainOf({ chain }: Statements, tenant: string, writer: string): number {
  const row = chain.get(tenant, writer);
  if (row === undefined) throw new StoreError(`writer ${writer} is not registered: the store is damaged`);
  return integer(row, 'chain');
}

function list(statements: Statements, tenant: string, filter: RecordFilter): readonly StoredRecord[] {
  const { writer, call, kind, since, until, afterSeq } = filter;
  const limit = filter.limit === undefined ? Number.MAX_SAFE_INTEGER : maxRows(filter.limit);
  const found: StoredRecord[] = [];
  for (const { name, chain } of chainsOf(statements, tenant, writer)) {
    const rows = statements.list.all({
      chain,
      from: afterSeq === undefined ? 0 : Math.min(Math.max(Math.floor(afterSeq), -1), maxSeq) + 1,
      tenant,
      call: call ?? null,
      kind: kind ?? null,
      since: since ?? null,
      until: until ?? null,
      limit: limit - found.length,
    });
    for (const each of rows) found.push(recordFrom(name, each));
    if (found.length >= limit) break;
  }
  return found;
}

function chainsOf(
  statements: Statements,
  tenant: string,
  writer: string | undefined,
): readonly { name: string; chain: number }[] {
  const registered = writer === undefined ? undefined : statements.chain.get(tenant, writer);
  if (writer !== undefined && registered !== undefined) return [{ name: writer, chain: integer(registered, 'chain') }];
  const chains = statements.writers
    .all(tenant)
    .map((row) => ({ name: text(row, 'writer'), chain: integer(row, 'chain') }));
  return chains.filter(({ name }) => writer === undefined || name === writer);
}

function headFrom(tenant: string, row: Row) {
  return { tenant, writer: text(row, 'writer'), seq: integer(row, 'seq'), hash: text(row, 'hash') };
}

function recordFrom(writer: string, row: Row): StoredRecord {
  return {
    tenant: text(row, 'tenant'),
    writer,
    seq: integer(row, 'seq'),
    time: integer(row, 'time'),
    kind: text(row, 'kind') as RecordKind,
    event: text(row, 'event'),
    call: optionalText(row, 'call'),
    body: text(row, 'body'),
    hash: text(row, 'hash'),
  };
}

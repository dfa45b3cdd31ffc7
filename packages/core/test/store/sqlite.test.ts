import { chmodSync, mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { StoreError } from '../../src/errors.ts';
import { hashRecord } from '../../src/record/chain.ts';
import { embeddedStore } from '../../src/store/embedded-store.ts';
import { createCommitter } from '../../src/store/sqlite-commit.ts';
import { openDatabase } from '../../src/store/sqlite-open.ts';
import { createTopics } from '../../src/store/topics.ts';
import { sqliteTables } from '../../src/store/sqlite-tables.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import type { Durability, Store } from '../../src/store/store.ts';
import { storeContract } from '../../src/testing/index.ts';
import { expectChained } from '../../src/testing/store-contract-ledger.ts';
import {
  claimInput,
  newApproval,
  newCall,
  newDraft,
  reviewInput,
  tenant,
  voteInput,
} from '../../src/testing/store-fixtures.ts';
import { startProcess } from './child-process.ts';
import { sqliteStorage } from './sqlite-storage.ts';

const storages: ReturnType<typeof sqliteStorage>[] = [];

afterEach(async () => {
  for (const storage of storages.splice(0)) await storage.remove();
});

function newStorage(options: Parameters<typeof sqliteStorage>[0] = {}): ReturnType<typeof sqliteStorage> {
  const storage = sqliteStorage(options);
  storages.push(storage);
  return storage;
}

/** A file with some content, closed. */
async function newFile(calls = 20): Promise<string> {
  const storage = newStorage();
  const store = await storage.open();
  for (let index = 0; index < calls; index += 1) await store.claim(claimInput(newCall()));
  await store.close();
  return storage.path;
}

/** The store and the connection below it. */
function openBare(path: string, durability: Durability = 'process'): { store: Store; database: DatabaseSync } {
  const database = openDatabase(path, 1000);
  const createRunner = (undone: () => void) =>
    createCommitter({ database, path, durability, lockTimeoutMs: 1000, undone });
  const where = { changes: createTopics(), place: path };
  return { database, store: embeddedStore({ durability, tables: sqliteTables(database), ...where, createRunner }) };
}

function refusal(path: string): string {
  try {
    sqliteStore({ path });
  } catch (error) {
    if (error instanceof StoreError) return error.message;
    throw error;
  }
  throw new Error('the store was opened');
}

function edit(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

describe('a file that cannot serve is refused with its remedy', () => {
  test('a newer schema', async () => {
    const path = await newFile();
    edit(path, 'PRAGMA user_version = 2');
    expect(refusal(path)).toMatch(/schema version 2.*upgrade/);
    edit(path, 'PRAGMA user_version = 0');
    expect(refusal(path)).toMatch(/schema version 0/);
  });

  test('the database of another program, which is left as it was', () => {
    const { path } = newStorage();
    edit(path, 'CREATE TABLE calls (id INTEGER)');
    const before = readFileSync(path);
    expect(refusal(path)).toMatch(/another program/);
    expect(readFileSync(path)).toEqual(before);
  });

  test('what is not a database', () => {
    const { path } = newStorage();
    writeFileSync(path, 'x'.repeat(10_000));
    expect(refusal(path)).toMatch(/not a SQLite database/);
  });

  test('a truncated file', async () => {
    const path = await newFile();
    truncateSync(path, Math.floor(statSync(path).size / 2 / 4096) * 4096);
    expect(refusal(path)).toMatch(/corrupt: restore it/);
  });

  test('a missing directory, a directory, and no file at all', () => {
    const { path } = newStorage();
    expect(refusal(`${path}/none/store.db`)).toMatch(/directory must exist/);
    mkdirSync(`${path}.d`);
    expect(refusal(`${path}.d`)).toMatch(/cannot be opened/);
    for (const none of ['', ':memory:', 'file:x?mode=memory']) expect(refusal(none)).toMatch(/path of a file/);
  });

  test('a read-only file and directory', async () => {
    const path = await newFile();
    chmodSync(path, 0o444);
    chmodSync(path.replace(/\/[^/]*$/, ''), 0o555);
    const child = startProcess('open-unprivileged', path);
    expect(await child.ended).toMatch(/^StoreError .*(is read-only|cannot be opened)/);
    chmodSync(path.replace(/\/[^/]*$/, ''), 0o755);
  });

  test('an option out of range', () => {
    const { path } = newStorage();
    for (const lockTimeoutMs of [-1, Number.NaN, 1e9])
      expect(() => sqliteStore({ path, lockTimeoutMs })).toThrow(/lockTimeoutMs/);
    expect(() => sqliteStore({ path, durability: 'none' as never })).toThrow(/durability/);
  });
});

test('nobody else can read the file, its log and its index', async () => {
  const storage = newStorage();
  const store = await storage.open();
  await store.claim(claimInput(newCall()));
  for (const suffix of ['', '-wal', '-shm']) expect(statSync(storage.path + suffix).mode & 0o777).toBe(0o600);
});

test('damage found while reading is a StoreError', async () => {
  const path = await newFile(200);
  const bytes = readFileSync(path);
  bytes.fill(0xff, 4096 * 3);
  writeFileSync(path, bytes);
  // Where it is noticed depends on the page; that it is noticed does not.
  await expect(async () => {
    const store = sqliteStore({ path });
    try {
      await store.records(tenant, {});
      await store.claim(claimInput(newCall()));
    } finally {
      await store.close();
    }
  }).rejects.toThrow(StoreError);
});

describe('when a write fails', () => {
  verifies(
    ['AUD-3'],
    'a full disk: the claim is refused, nothing of it stays, and work goes on when there is room',
    async () => {
      const { path } = newStorage();
      const { store, database } = openBare(path);
      await store.claim(claimInput(newCall()));
      const { page_count: pages } = database.prepare('PRAGMA page_count').get() ?? {};
      database.exec(`PRAGMA max_page_count = ${Number(pages)}`);
      const large = newDraft({ body: JSON.stringify('x'.repeat(100_000)) });
      const call = newCall();
      const results = await Promise.allSettled([
        store.claim(claimInput(call, { records: [large] })),
        store.append(tenant, [large]),
        store.append(tenant, [newDraft({ event: 'small' })]),
      ]);
      expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
      await expect(store.append(tenant, [large])).rejects.toThrow(/disk is full: free space/);
      expect(await store.call(call)).toBeUndefined();
      database.exec('PRAGMA max_page_count = 4294967294');
      expect(await store.claim(claimInput(call, { records: [large] }))).toEqual({ status: 'claimed' });
      const records = await store.records(tenant, {});
      expect(records.map(({ event }) => event)).toEqual(['claimed', 'small', 'claimed']);
      expectChained(records, 'ledger');
      await store.close();
    },
  );

  test('a lock that another process holds: the event loop goes on, and so does work once it ends', async () => {
    const storage = newStorage({ lockTimeoutMs: 300 });
    const store = await storage.open();
    const other = new DatabaseSync(storage.path);
    other.exec('BEGIN IMMEDIATE');
    let ticks = 0;
    const ticking = setInterval(() => (ticks += 1), 5);
    await expect(store.claim(claimInput(newCall()))).rejects.toThrow(/locked: another process held it for 300 ms/);
    clearInterval(ticking);
    expect(ticks).toBeGreaterThan(3);
    const waiting = [store.claim(claimInput(newCall())), store.append(tenant, [newDraft()])];
    await sleep(50);
    other.exec('COMMIT');
    expect(await waiting[0]).toEqual({ status: 'claimed' });
    await waiting[1];
    other.close();
    expectChained(await store.records(tenant, {}), 'ledger');
  });

  test('a store that is closed while it waits for a lock still answers', async () => {
    const storage = newStorage({ lockTimeoutMs: 50 });
    const store = await storage.open();
    const other = new DatabaseSync(storage.path);
    other.exec('BEGIN IMMEDIATE');
    const claim = store.claim(claimInput(newCall()));
    const closed = store.close();
    await expect(claim).rejects.toThrow(/locked/);
    await closed;
    other.close();
  });
});

describe('durability', () => {
  const level = (database: DatabaseSync) => database.prepare('PRAGMA synchronous').get()?.['synchronous'];
  const [normal, full] = [1, 2];

  test('a claim that must survive power loss is flushed on a store that otherwise is not', async () => {
    const { store, database } = openBare(newStorage().path);
    await store.claim(claimInput(newCall()));
    expect(level(database)).toBe(normal);
    await Promise.all([
      store.claim(claimInput(newCall(), { durability: 'power' })),
      store.append(tenant, [newDraft()]),
    ]);
    expect(level(database)).toBe(full);
    await store.append(tenant, [newDraft()]);
    expect(level(database)).toBe(normal);
    await store.close();
  });

  test('a store for power loss flushes every write', async () => {
    const { store, database } = openBare(newStorage().path, 'power');
    await store.claim(claimInput(newCall()));
    expect(level(database)).toBe(full);
    await store.close();
  });
});

describe('the ledger of a SQLite store', () => {
  verifies(['AUD-4'], 'refuses to change or delete a record, a vote, or how an approval ended', async () => {
    const { store, database } = openBare(newStorage().path);
    const call = newCall();
    const approval = newApproval();
    await store.observe(reviewInput(call, approval));
    await store.vote(voteInput(call, approval, { verdict: 'reject' }));
    const refused: readonly (readonly [string, RegExp])[] = [
      ["UPDATE records SET body = 'forged'", /append-only/],
      ['DELETE FROM records', /append-only/],
      [
        "INSERT OR REPLACE INTO records SELECT id, tenant, time, kind, event, call, 'forged', hash FROM records",
        /append-only/,
      ],
      [
        "INSERT OR REPLACE INTO votes SELECT tenant, approval, approver, 'approve', time, signature, key_id, '' FROM votes",
        /never deleted/,
      ],
      ["UPDATE votes SET verdict = 'approve'", /never changes/],
      ['DELETE FROM votes', /never deleted/],
      ["UPDATE approvals SET state = 'approved'", /never reopens/],
      ["UPDATE approvals SET state = 'pending'", /never reopens/],
    ];
    for (const [sql, message] of refused) expect(() => database.exec(sql)).toThrow(message);
    await store.close();
  });

  verifies(['AUD-4'], 'shows by its hashes what an attacker with the file changed behind the triggers', async () => {
    const path = await newFile();
    edit(path, `DROP TRIGGER records_update; UPDATE records SET body = '{"forged":true}' WHERE id & 4294967295 = 7`);
    const store = sqliteStore({ path });
    const records = await store.records(tenant, {});
    expect(() => expectChained(records, 'ledger')).toThrow(/hash 7/);
    const [writer = ''] = await store.writers(tenant);
    const forged = records[6] ?? expect.fail();
    expect(forged.hash).not.toBe(
      hashRecord({ tenant, writer, seq: 7, previous: records[5]?.hash ?? '', body: forged.body }),
    );
    await store.close();
  });

  test('still lists the records of a writer whose name was deleted', async () => {
    const path = await newFile();
    edit(path, 'DELETE FROM writers');
    const store = sqliteStore({ path });
    const [writer = ''] = await store.writers(tenant);
    expect(writer).toBe('unregistered_1');
    expect(await store.records(tenant, { writer })).toHaveLength(20);
    expect(await store.heads(tenant)).toEqual([]);
    await store.append(tenant, [newDraft()]);
    expect(await store.heads(tenant)).toHaveLength(1);
    await store.close();
  });

  test('does not hide a record that was smuggled in before the first', async () => {
    const path = await newFile(1);
    edit(path, `INSERT INTO records SELECT id - 1, tenant, time, kind, event, call, 'smuggled', hash FROM records`);
    const store = sqliteStore({ path });
    const [writer = ''] = await store.writers(tenant);
    expect((await store.records(tenant, { writer })).map(({ seq }) => seq)).toEqual([0, 1]);
    expect((await store.records(tenant, { writer, afterSeq: 0 })).map(({ seq }) => seq)).toEqual([1]);
    await store.close();
  });
});

test('an erased key is in none of the files', async () => {
  const storage = newStorage();
  const store = await storage.open();
  const secret = 'wrapped-key-that-must-go';
  const holds = () => ['', '-wal'].some((suffix) => readFileSync(storage.path + suffix).includes(secret));
  await store.subjectKey(tenant, 'alice', secret);
  expect(holds()).toBe(true);
  await store.eraseSubject(tenant, 'alice', [newDraft()]);
  expect(holds()).toBe(false);
});

verifies(['APR-4'], 'a consumed grant stays consumed, even if its call is put back to what it was', async () => {
  const storage = newStorage();
  const store = await storage.open();
  const call = newCall();
  const approval = newApproval();
  await store.observe(reviewInput(call, approval));
  await store.vote(voteInput(call, approval));
  const input = claimInput(call, { now: 3000, approval: { id: approval.id, digest: approval.digest } });
  expect(await store.claim(input)).toEqual({ status: 'claimed' });
  edit(storage.path, "UPDATE calls SET state = 'review', claimed_at = NULL");
  expect(await store.claim(input)).toEqual({ status: 'refused', code: 'approval_consumed' });
});

verifies(['CAP-8'], 'the tenant is the first column of every index', async () => {
  const path = await newFile(1);
  const database = new DatabaseSync(path);
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  const names = tables.map((row) => String(row['name']));
  expect(names).toEqual([
    'installation',
    'calls',
    'approvals',
    'votes',
    'leases',
    'subjects',
    'writers',
    'records',
    'pruning',
    'entries',
  ]);
  const indexes = database
    .prepare(
      "SELECT i.name, x.name AS first FROM sqlite_schema s, pragma_index_list(s.name) i, pragma_index_info(i.name) x WHERE s.type = 'table' AND x.seqno = 0",
    )
    .all();
  expect(indexes.length).toBeGreaterThanOrEqual(names.length - 1);
  for (const index of indexes) expect(index).toEqual({ name: index['name'], first: 'tenant' });
  database.close();
});

verifies(
  ['CAP-8'],
  'operations of random tenants with the same ids: each tenant gets the answers that it gets alone',
  async () => {
    const cases = storeContract({ createStorage: async () => sqliteStorage() });
    await (cases.find(({ name }) => name.startsWith('a tenant gets the same answers')) ?? expect.fail()).run();
  },
);

test('the search for an earlier claim with the same arguments does not read the whole run', async () => {
  const path = await newFile(1);
  const database = new DatabaseSync(path);
  const plan = (sql: string) =>
    database
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .all()
      .map((row) => row['detail'])
      .join();
  expect(
    plan(
      "SELECT key FROM calls INDEXED BY calls_claimed WHERE tenant = '' AND run = '' AND arguments_digest = '' AND state = 'claimed'",
    ),
  ).toContain('SEARCH calls USING INDEX calls_claimed');
  database.close();
});

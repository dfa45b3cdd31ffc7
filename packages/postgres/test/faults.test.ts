import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect } from 'vitest';
import { StoreError, type Store } from '@countersign/core';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { claimInput, newCall, newDraft, tenant } from '../../core/src/testing/store-fixtures.ts';
import { expectChained } from '../../core/src/testing/store-contract-ledger.ts';
import { postgresStore } from '../src/index.ts';
import { postgresStorage } from './support/databases.ts';
import { startProxy, type Cut, type Proxy } from './support/proxy.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };
const append = (store: Store): Promise<void> => store.append(tenant, [newDraft()]);

/** Rejects with `StoreError` and a message that says what to do, within a generous bound. */
async function expectClearError(operation: Promise<unknown>, message: RegExp): Promise<void> {
  const late = sleep(30_000, 'hangs', { ref: false });
  const said = await Promise.race([operation.then(() => 'succeeded').catch((error: unknown) => error), late]);
  expect(said).toBeInstanceOf(StoreError);
  expect((said as Error).message).toMatch(message);
}

describe('a server that goes away', () => {
  for (const how of ['fast', 'crash'] as const) {
    verifies(
      ['REL-3', 'REL-1'],
      `${how}: stopped in the middle of the work it denies, and the same store goes on when it is back`,
      async () => {
        const storage = await postgresStorage(used().databases, 'everything', { timeoutMs: 1_500 });
        const store = await storage.open();
        const claimed = new Set<string>();
        let working = true;
        const worker = async (): Promise<void> => {
          while (working) {
            const call = newCall();
            const records = [newDraft({ event: 'claimed', call: call.key })];
            await store.claim(claimInput(call, { records })).then(
              ({ status }) => status === 'claimed' && claimed.add(call.key),
              () => sleep(20),
            );
          }
        };
        const workers = Array.from({ length: 8 }, worker);
        await sleep(300);
        await used().server.halt(how);
        await expectClearError(append(store), /no server listens|starting, stopping|connection broke|may or may not/);
        await used().server.start();
        await append(store);
        await sleep(300);
        working = false;
        await Promise.all(workers);
        const records = await store.records(tenant, {});
        expectChained(records, 'ledger');
        const durable = new Set(records.map(({ call }) => call));
        for (const key of claimed) expect(durable).toContain(key);
        await storage.remove();
      },
      options,
    );
  }

  verifies(
    'REL-3',
    'a server that was never there, or a wrong host, password or database, is named when the store is opened',
    async () => {
      const database = await used().databases.create();
      const url = new URL(database.url('runtime'));
      const changed = (change: (url: URL) => void): string => {
        const other = new URL(url);
        change(other);
        return other.href;
      };
      const open = (connectionString: string) => postgresStore({ connectionString, timeoutMs: 1_000 });
      await expectClearError(open(changed((other) => (other.port = '1'))), /no server listens there/);
      await expectClearError(open(changed((other) => (other.username = 'mallory'))), /refused this login/);
      await expectClearError(open(changed((other) => (other.pathname = '/none'))), /no such database/);
    },
    options,
  );
});

/** A store that reaches the server through a proxy. */
async function throughProxy(
  timeoutMs = 2_000,
): Promise<{ proxy: Proxy; store: Store; direct: Store; readonly close: () => Promise<void> }> {
  const proxy = await startProxy(used().server.port);
  const storage = await postgresStorage(used().databases);
  const url = new URL(storage.url);
  url.port = String(proxy.port);
  const store = await postgresStore({ connectionString: url.href, timeoutMs });
  const direct = await storage.open();
  const close = async (): Promise<void> => {
    await store.close();
    await storage.remove();
    await proxy.close();
  };
  return { proxy, store, direct, close };
}

describe('a connection that breaks at the commit', () => {
  for (const cut of ['before commit', 'after commit'] satisfies Cut[]) {
    verifies(
      ['REL-3', 'AUD-4'],
      `${cut}: the caller is told that nobody knows, nothing is written twice, and the chain does not fork`,
      async () => {
        const { proxy, store, direct, close } = await throughProxy();
        await append(store);
        for (let round = 0; round < 5; round += 1) {
          const call = newCall();
          proxy.cut = cut;
          await expectClearError(store.claim(claimInput(call)), /may or may not have been written/);
          // A claim that was written is not given a second time.
          const again = await store.claim(claimInput(call));
          expect(again.status).toBe(cut === 'after commit' ? 'unsettled' : 'claimed');
        }
        expect(proxy.cuts).toBe(5);
        const records = await direct.records(tenant, {});
        expect(records).toHaveLength(6);
        expectChained(records, 'ledger');
        await close();
      },
      options,
    );
  }

  verifies(
    'AUD-4',
    'a commit that comes through after the next one was asked for does not fork the chain',
    async () => {
      const storage = await postgresStorage(used().databases);
      const store = await storage.open();
      await append(store);
      // What such a commit looks like to the next write: a transaction that holds the same place of the same chain.
      const [{ writer, seq, hash } = { writer: '', seq: 0, hash: '' }] = await store.heads(tenant);
      const late = new Client({ connectionString: storage.url });
      await late.connect();
      await late.query(`BEGIN; SET LOCAL countersign.tenant = '${tenant}'`);
      await late.query(`INSERT INTO countersign.records VALUES ($1, $2, $3, 1, 'claim', 'late', NULL, '{}', $4)`, [
        tenant,
        writer,
        seq + 1,
        hash,
      ]);
      const waiting = append(store);
      await sleep(200);
      await late.query('COMMIT');
      await late.end();
      await waiting;
      const records = await store.records(tenant, {});
      expect(records.map((record) => [record.seq, record.event])).toEqual([
        [1, 'claimed'],
        [2, 'late'],
        [3, 'claimed'],
      ]);
      await storage.remove();
    },
    options,
  );

  verifies(
    'REL-3',
    'a server that takes a statement and never answers is given up in time, and found again',
    async () => {
      const { proxy, store, close } = await throughProxy(500);
      await append(store);
      proxy.cut = 'hang';
      await expectClearError(append(store), /PostgreSQL:/);
      await expectClearError(store.call(newCall()), /PostgreSQL:/);
      proxy.cut = 'none';
      await append(store);
      await close();
    },
    options,
  );
});

describe('a server that cannot write', () => {
  verifies(
    'REL-3',
    'default_transaction_read_only: writes are denied with the remedy, reads answer, and it recovers',
    async () => {
      const storage = await postgresStorage(used().databases, 'everything', { timeoutMs: 1_000 });
      const store = await storage.open();
      await append(store);
      const set = (value: string) =>
        storage.database.sql(
          'superuser',
          `COMMIT; ALTER DATABASE ${storage.database.name} SET default_transaction_read_only = ${value};
           SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'test_everything'; BEGIN; SELECT 1`,
        );
      await set('on');
      await expectClearError(append(store), /read-only/);
      await expectClearError(store.claim(claimInput(newCall())), /read-only/);
      expect(await store.records(tenant, {})).toHaveLength(1);
      await storage.database.sql('superuser', 'SELECT 1');
      const url = used().server.url.replace(/postgres$/, 'postgres');
      const admin = new Client({ connectionString: url });
      await admin.connect();
      await admin.query(`ALTER DATABASE ${storage.database.name} RESET default_transaction_read_only`);
      await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'test_everything'`);
      await admin.end();
      await append(store);
      await storage.remove();
    },
    options,
  );

  verifies(
    'REL-3',
    'a lock that another session holds, and connections that are all busy, deny in time and name the remedy',
    async () => {
      const storage = await postgresStorage(used().databases, 'everything', { timeoutMs: 600, maxConnections: 2 });
      const store = await storage.open();
      await append(store);
      const migration = new Client({ connectionString: storage.database.url('owner') });
      await migration.connect();
      await migration.query('BEGIN; LOCK TABLE countersign.records IN ACCESS EXCLUSIVE MODE');
      await expectClearError(append(store), /held a lock for too long|did not answer in time/);
      const busy = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((of) => store.append(of, [newDraft({ tenant: of })]));
      const said = await Promise.all(busy.map((each) => each.catch((error: unknown) => String(error))));
      expect(said.join('\n')).toMatch(/all 2 connections of this store were busy/);
      await migration.query('ROLLBACK');
      await migration.end();
      await append(store);
      expectChained(await store.records(tenant, {}), 'ledger');
      await storage.remove();
    },
    options,
  );

  verifies(
    'REL-3',
    'a server without a free connection is named, and used again when one is free',
    async () => {
      const database = await used().databases.create();
      const limit = (count: number) => database.sql('superuser', `ALTER ROLE test_runtime CONNECTION LIMIT ${count}`);
      await limit(0);
      const open = () => postgresStore({ connectionString: database.url('runtime'), timeoutMs: 1_000 });
      await expectClearError(open(), /no connection left/);
      await limit(-1);
      const store = await open();
      await append(store);
      await store.close();
    },
    options,
  );

  verifies(
    ['REL-4', 'REL-3'],
    'text that PostgreSQL cannot store denies that operation and no other',
    async () => {
      const storage = await postgresStorage(used().databases);
      const store = await storage.open();
      const call = newCall();
      const bad = ['\u0000', 'a\u0000b'].map((key) => store.claim(claimInput(newCall({ key }))));
      const good = store.claim(claimInput(call));
      for (const each of bad) await expectClearError(each, /cannot store/);
      expect(await good).toEqual({ status: 'claimed' });
      await expectClearError(store.append('te\u0000nant', [newDraft({ tenant: 'te\u0000nant' })]), /PostgreSQL:/);
      await append(store);
      expectChained(await store.records(tenant, {}), 'ledger');
      await storage.remove();
    },
    options,
  );
});

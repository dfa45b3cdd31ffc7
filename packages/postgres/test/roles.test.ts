import { describe, expect } from 'vitest';
import type { EntryKind } from '@countersign/core/store-kit';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import {
  claimInput,
  newApproval,
  newCall,
  newDraft,
  reviewInput,
  tenant,
  voteInput,
} from '../../core/src/testing/store-fixtures.ts';
import { expectChained } from '../../core/src/testing/store-contract-ledger.ts';
import { postgresStore } from '../src/index.ts';
import { roles, type Role } from '../src/roles.ts';
import type { Database, Login } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };

/** A database with a row in every table, written by the roles that write it. */
async function filled(): Promise<Database> {
  const database = await used().databases.create();
  const open = (login: Login) => postgresStore({ connectionString: database.url(login), maxConnections: 2 });
  const [runtime, approver, maintenance] = [await open('runtime'), await open('approver'), await open('maintenance')];
  const call = newCall();
  const approval = newApproval({ id: 'apr-1' });
  await runtime.observe(reviewInput(call, approval));
  await approver.vote(voteInput(call, approval));
  const { id, digest } = approval;
  const leases = [{ id: 'lse-1', service: 's', provider: 'p', expiresAt: 1 }];
  await runtime.claim(claimInput(call, { now: 3000, approval: { id, digest }, leases }));
  await runtime.subjectKey(tenant, 'alice', 'key');
  for (const kind of ['hold', 'cursor', 'segment'] as const) {
    const put = { tenant, kind, id: kind, expected: undefined, value: 'v', now: 1, records: [] };
    await (kind === 'hold' ? runtime : maintenance).putEntry(put);
  }
  const sealer = await open('sealer');
  const checkpoint = { tenant, kind: 'checkpoint', id: 'checkpoint', expected: undefined, value: 'v', now: 1 } as const;
  await sealer.putEntry({ ...checkpoint, records: [newDraft()] });
  for (const store of [runtime, approver, maintenance, sealer]) await store.close();
  return database;
}

/** Named after what an attacker who has the login would do. */
const forbidden: Readonly<Record<string, { readonly sql: string; readonly allowed?: readonly Role[] }>> = {
  'edit the ledger': { sql: `UPDATE countersign.records SET body = '{}'` },
  'delete from the ledger': { sql: 'DELETE FROM countersign.records WHERE seq = 1', allowed: ['maintenance'] },
  'empty the ledger': { sql: 'TRUNCATE countersign.records' },
  'empty a partition': { sql: 'TRUNCATE countersign.records_default' },
  'edit a partition past the ledger': { sql: `UPDATE countersign.records_default SET body = '{}'` },
  'insert into a partition past the trigger': {
    sql: `INSERT INTO countersign.records_default VALUES ('acme', 'w', 9, 1, 'claim', 'x', NULL, '{}', 'h')`,
  },
  'move the head of a chain back': { sql: 'UPDATE countersign.writers SET seq = 0' },
  'hide a chain': { sql: 'DELETE FROM countersign.writers' },
  'invent a chain': { sql: `INSERT INTO countersign.writers VALUES ('acme', 'w', 1, 'h', 1)` },
  'write a vote': {
    sql: `INSERT INTO countersign.votes VALUES ('acme', 'apr-1', 'mallory', 'approve', 1, 's', 'k', NULL)`,
    allowed: ['approver'],
  },
  'change a vote': { sql: `UPDATE countersign.votes SET verdict = 'approve'` },
  'delete a vote': { sql: 'DELETE FROM countersign.votes' },
  'give a used grant back': {
    sql: 'UPDATE countersign.approvals SET consumed_at = NULL',
    // Releasing a claim does this; the verified votes and the claimed call still stand in the way of a second run.
    allowed: ['runtime', 'worker'],
  },
  'show people other arguments': { sql: `UPDATE countersign.approvals SET sealed_arguments = 'other'` },
  'show people another provenance': { sql: `UPDATE countersign.approvals SET sealed_provenance = 'other'` },
  'edit what was asked for': {
    sql: `UPDATE countersign.approvals SET digest = 'd', edited_digest = 'e', edited_arguments = 'a'`,
    allowed: ['approver'],
  },
  'change who may decide': { sql: `UPDATE countersign.approvals SET rule = '{}'` },
  'let an approval live longer': { sql: 'UPDATE countersign.approvals SET expires_at = 9e15' },
  'bring an approval into a new epoch': { sql: 'UPDATE countersign.approvals SET epoch = 9' },
  'delete an approval': { sql: 'DELETE FROM countersign.approvals' },
  'make a call another call': { sql: `UPDATE countersign.calls SET arguments_digest = 'other'` },
  'forget a call': { sql: 'DELETE FROM countersign.calls' },
  'forget a lease': { sql: 'DELETE FROM countersign.leases' },
  'replace a key': { sql: `UPDATE countersign.subjects SET key = 'other'` },
  'destroy a key': { sql: 'DELETE FROM countersign.subjects', allowed: ['maintenance'] },
  'go back to an old epoch': { sql: 'UPDATE countersign.installation SET epoch = 1', allowed: ['maintenance'] },
  'pretend to be another server': { sql: `UPDATE countersign.installation SET server = 'other'` },
  'take a migration back': { sql: 'DELETE FROM countersign.migrations' },
  'drop the triggers': { sql: 'DROP TRIGGER records_extend_chains ON countersign.records' },
  'drop the policies': { sql: 'ALTER TABLE countersign.records DISABLE ROW LEVEL SECURITY' },
  'drop the ledger': { sql: 'DROP TABLE countersign.records' },
  'detach a partition': { sql: 'ALTER TABLE countersign.records DETACH PARTITION countersign.records_default' },
  'drop partitions': { sql: 'SELECT countersign.drop_empty_partitions(0)', allowed: ['maintenance'] },
  'make partitions': { sql: 'SELECT countersign.make_partitions(0, 1)', allowed: ['maintenance'] },
  'put a function of one’s own into the schema': {
    sql: 'CREATE FUNCTION countersign.mine() RETURNS int LANGUAGE sql AS $f$ SELECT 1 $f$',
  },
};

describe('what a role may not do', () => {
  for (const role of roles) {
    verifies(
      'AUD-4',
      `${role}: every forbidden statement fails, and every allowed one does not`,
      async () => {
        const database = await filled();
        const wrong: string[] = [];
        for (const [name, { sql, allowed = [] }] of Object.entries(forbidden)) {
          // Rolled back, so that what is allowed changes nothing for the statements behind it.
          const said = await database
            .sql(role, `${sql}; ROLLBACK; BEGIN`)
            .then(() => 'allowed')
            .catch((error: Error & { code?: string }) => error.code ?? error.message);
          const expected = allowed.includes(role) ? 'allowed' : '42501';
          if (said !== expected) wrong.push(`${name}: ${said}, not ${expected}`);
        }
        expect(wrong).toEqual([]);
        const rest = await database.sql('reader', 'SELECT count(*)::int AS n FROM countersign.records');
        expect(rest[0]).toMatchObject({ n: 5 });
      },
      options,
    );
  }
});

describe('attacks by an agent process with the runtime role', () => {
  verifies(
    ['AUD-4', 'APR-6'],
    'approving its own request is refused at the commit: there is no vote',
    async () => {
      const database = await used().databases.create();
      const store = await postgresStore({ connectionString: database.url('runtime') });
      const call = newCall();
      await store.observe(reviewInput(call, newApproval({ id: 'apr-1' })));
      const approve = `UPDATE countersign.approvals SET state = 'approved'`;
      await expect(database.sql('runtime', approve)).rejects.toThrow(/without a vote/);
      const ended = `UPDATE countersign.approvals SET state = 'cancelled'`;
      await database.sql('runtime', ended);
      await expect(database.sql('runtime', `UPDATE countersign.approvals SET state = 'pending'`)).rejects.toThrow(
        /never reopens/,
      );
      await store.close();
    },
    options,
  );

  verifies(
    'AUD-4',
    'it can only append the next record of a chain, never beside it, before it or further on',
    async () => {
      const database = await filled();
      const [head] = await database.sql(
        'reader',
        'SELECT writer, seq FROM countersign.writers ORDER BY seq DESC LIMIT 1',
      );
      const insert = (seq: number, time = 1000) =>
        database.sql(
          'runtime',
          `INSERT INTO countersign.records VALUES ('acme', '${String(head?.['writer'])}', ${seq}, ${time}, 'claim', 'x', NULL, '{}', 'h')`,
        );
      const seq = Number(head?.['seq']);
      await expect(insert(seq)).rejects.toThrow(/another record stands|duplicate key/);
      await expect(insert(seq, 1_800_000_000_000)).rejects.toThrow(/another record stands/);
      await expect(insert(1, 1_800_000_000_000)).rejects.toThrow(/another record stands/);
      await expect(insert(seq + 2)).rejects.toThrow(/another record stands/);
      await insert(seq + 1);
    },
    options,
  );

  verifies(
    'AUD-4',
    'it can write no checkpoint and no segment, and cannot lift a hold',
    async () => {
      const database = await filled();
      const store = await postgresStore({ connectionString: database.url('runtime') });
      const put = (kind: EntryKind, id: string, value: string | undefined, expected?: string) =>
        store.putEntry({ tenant, kind, id, expected, value, now: 1, records: [] });
      for (const kind of ['checkpoint', 'segment'] as const) {
        await expect(put(kind, 'new', 'forged')).rejects.toThrow(/has not the role/);
        const stored = await store.entry(tenant, kind, kind);
        await expect(put(kind, kind, 'forged', stored?.version)).rejects.toThrow(/has not the role/);
        await expect(put(kind, kind, undefined, stored?.version)).rejects.toThrow(/has not the role/);
      }
      const hold = await store.entry(tenant, 'hold', 'hold');
      await expect(put('hold', 'hold', undefined, hold?.version)).rejects.toThrow(/has not the role/);
      await expect(put('hold', 'another', 'stop')).resolves.toEqual(expect.any(String));
      await store.close();
    },
    options,
  );

  verifies(
    ['AUD-4', 'CAP-8'],
    'it reads no record, finds no work of other tenants, and cannot begin an epoch, prune or erase',
    async () => {
      const database = await filled();
      const store = await postgresStore({ connectionString: database.url('runtime') });
      const denied = /has not the role/;
      await expect(store.records(tenant, {})).rejects.toThrow(denied);
      await expect(store.system.newEpoch()).rejects.toThrow(denied);
      const entry = { id: 's', value: 'v' };
      const prune = { tenant, writer: store.writer, through: 1, entry, now: 1, records: [] };
      await expect(store.system.prune(prune)).rejects.toThrow(denied);
      await expect(store.eraseSubject(tenant, 'alice', [])).rejects.toThrow(denied);
      expect(await store.system.expiredApprovals(9e15, 10)).toEqual([]);
      expect(await store.system.openLeases(9e15, 10)).toEqual([]);
      await expect(store.system.tenants()).rejects.toThrow(denied);
      expect(await store.system.latestTime()).toBe(2000);
      await store.close();
    },
    options,
  );
});

verifies(
  ['AUD-4', 'REL-1'],
  'each part of the work is done with its own role alone',
  async () => {
    const database = await used().databases.create();
    const open = (login: Login) => postgresStore({ connectionString: database.url(login), maxConnections: 2 });
    const stores = {
      runtime: await open('runtime'),
      worker: await open('worker'),
      approver: await open('approver'),
      maintenance: await open('maintenance'),
      reader: await open('reader'),
    };
    const { runtime, worker, approver, maintenance, reader } = stores;
    const [call, late] = [newCall(), newCall()];
    const [approval, expired] = [newApproval(), newApproval({ expiresAt: 2500 })];
    await runtime.observe(reviewInput(call, approval));
    await runtime.observe(reviewInput(late, expired));
    await approver.vote(voteInput(call, approval));
    const { id, digest } = approval;
    expect(await worker.system.runnableApprovals({ now: 2100, limit: 9, offset: 0 })).toEqual([{ tenant, id }]);
    const leases = [{ id: 'lse-1', service: 's', provider: 'p', expiresAt: 4000 }];
    const claim = claimInput(call, { now: 3000, approval: { id, digest }, leases });
    expect(await worker.claim(claim)).toEqual({ status: 'claimed' });
    await worker.leaseIssued({ tenant, id: 'lse-1', sealedHandle: 'h', expiresAt: 4000, records: [] });
    const outcome = { status: 'completed' } as const;
    await worker.settle({ call, claim: 'attempt', now: 3100, outcome, closedLeases: [], records: [newDraft()] });
    for (const place of await maintenance.system.expiredApprovals(5000, 9)) {
      await maintenance.transition({
        tenant: place.tenant,
        approval: place.id,
        to: 'expired',
        now: 5000,
        records: [newDraft()],
      });
    }
    expect(await runtime.approval(tenant, expired.id)).toMatchObject({ state: 'expired' });
    for (const lease of await maintenance.system.openLeases(5000, 9)) {
      await maintenance.leaseClosed({ tenant: lease.tenant, id: lease.id, records: [] });
    }
    await runtime.subjectKey(tenant, 'alice', 'key');
    await maintenance.eraseSubject(tenant, 'alice', [newDraft()]);
    expect(await reader.subjectKey(tenant, 'alice', undefined)).toBeUndefined();
    expect(await reader.system.tenants()).toEqual([tenant]);
    const records = await reader.records(tenant, {});
    expectChained(records, 'ledger');
    expect(new Set(await reader.writers(tenant))).toEqual(
      new Set([runtime, worker, approver, maintenance].map(({ writer }) => writer)),
    );
    await expect(reader.append(tenant, [newDraft()])).rejects.toThrow(/has not the role/);
    const entry = { id: 'segment-1', value: 'proof' };
    const [head] = (await reader.heads(tenant)).filter(({ writer }) => writer === runtime.writer);
    const through = (head?.seq ?? 0) - 1;
    expect(
      await maintenance.system.prune({ tenant, writer: runtime.writer, through, entry, now: 1, records: [newDraft()] }),
    ).toBe(through);
    const epoch = await reader.system.epoch();
    expect(await maintenance.system.newEpoch()).toBe(epoch + 1);
    for (const store of Object.values(stores)) await store.close();
  },
  options,
);

verifies(
  ['AUD-4', 'AUD-5'],
  'an agent cannot say of its own records that a receiver has them: it may write no cursor',
  async () => {
    const database = await filled();
    for (const login of ['runtime', 'worker', 'approver'] as const) {
      const store = await postgresStore({ connectionString: database.url(login), maxConnections: 1 });
      const put = { tenant, kind: 'cursor', id: `otlp/${login}`, value: '{"seq":9}', now: 1, records: [] } as const;
      await expect(store.putEntry({ ...put, expected: undefined })).rejects.toMatchObject({ code: 'ERR_STORE' });
      const known = await store.entry(tenant, 'cursor', 'cursor').catch(() => undefined);
      const move = { ...put, id: 'cursor', expected: known?.version ?? 'v' };
      expect(await store.putEntry(move).catch(() => 'refused')).not.toMatch(/^[\w-]{16}$/);
      await store.close();
    }
  },
  options,
);

describe('a login that cannot be', () => {
  const refused: Readonly<Record<string, readonly [Login | 'superuser', RegExp]>> = {
    'a superuser': ['superuser', /superuser or has BYPASSRLS/],
    'the owner': ['owner', /owner of the tables/],
    'a login without a role': ['nobody', /has none of the roles|has not the role/],
  };
  for (const [name, [login, message]] of Object.entries(refused)) {
    verifies(
      'AUD-4',
      `${name} is refused when the store is opened, with the remedy`,
      async () => {
        const database = await used().databases.create();
        await expect(postgresStore({ connectionString: database.url(login) })).rejects.toThrow(message);
      },
      options,
    );
  }
});

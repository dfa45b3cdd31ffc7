/** Somebody who can write to the store, and holds no key. Rows are changed as an attacker would: in the tables. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createApprovals, createCountersign } from '../../src/index.ts';
import { digestApproval } from '../../src/execute/digest.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { callTo, fixture, type Fixture } from '../support/fixture.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function onDisk(): { readonly f: Fixture; readonly database: DatabaseSync } {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-hostile-'));
  folders.push(folder);
  const path = join(folder, 'store.sqlite');
  const f = fixture({ store: sqliteStore({ path }) });
  return { f, database: new DatabaseSync(path) };
}

async function file(f: Fixture, args: object): Promise<{ id: string; call: ReturnType<typeof callTo> }> {
  const call = callTo('deploy', args);
  const outcome = await f.gate.execute(call, () => args);
  if (outcome.status !== 'pending') throw new Error(outcome.status);
  return { id: outcome.approval, call };
}

verifies(
  ['APR-5', 'APR-9'],
  'the digest of another call put under a harmless request: nobody is shown it, nobody can approve it',
  async () => {
    const { f, database } = onDisk();
    const harmless = await file(f, { target: 'staging' });
    const harmful = await file(f, { target: 'production', wipe: true });
    const [shown, hidden] = [await f.store.approval('acme', harmless.id), await f.store.approval('acme', harmful.id)];
    if (shown === undefined || hidden === undefined) throw new Error('not filed');
    const forged = digestApproval(hidden.call, { ...hidden, id: shown.id, expiresAt: shown.expiresAt });
    database.prepare('UPDATE approvals SET digest = ? WHERE id = ?').run(forged, harmless.id);
    await expect(f.approvals.show(f.carol, harmless.id)).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    const vote = { id: harmless.id, verdict: 'approve', digest: forged } as const;
    await expect(f.approvals.decide(f.carol, vote)).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    const list = await f.approvals.list(f.carol);
    expect(list.map(({ id, digest }) => [id, digest === ''])).toEqual([
      [harmless.id, true],
      [harmful.id, false],
    ]);
    expect((await f.store.approval('acme', harmless.id))?.votes).toEqual([]);
  },
);

verifies('APR-6', 'the requester cannot approve their own request by changing who made it', async () => {
  const { f, database } = onDisk();
  const { id, call } = await file(f, { target: 'own' });
  const { digest } = await f.approvals.show(f.carol, id);
  database.exec(`UPDATE calls SET subject = 'zed'`);
  await expect(f.approvals.decide(f.aliceApproves, { id, verdict: 'approve', digest })).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_/),
  });
  expect((await f.store.approval('acme', id))?.state).toBe('pending');
  expect(await f.gate.execute({ ...call, origin: 'resume' }, () => 1)).not.toMatchObject({ status: 'completed' });
});

test('one request that cannot be read does not hide the others from the approvers', async () => {
  const { f } = onDisk();
  await file(f, { n: 1 });
  const bob = f.countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-2' });
  await bob.execute(callTo('deploy', { n: 2 }), () => 1);
  await f.countersign.ledger.eraseSubject({ tenant: 'acme', user: 'alice', by: 'dpo' });
  const fresh = createApprovals({
    store: f.store,
    signingKey: generateKeyPairSync('ed25519').privateKey,
    approvers: { authenticate: () => ({ tenant: 'acme', id: 'carol' }) },
    audit: { key: f.key },
  });
  const list = await fresh.list('x');
  expect(list.map((view) => view.arguments)).toEqual(['[unreadable]', '{"n":2}']);
});

verifies(
  'REL-3',
  'one tenant whose keys are lost keeps neither the approvals nor the leases of the others from expiring',
  async () => {
    let now = Date.now();
    const store = sqliteStore({ path: join(mkdtempSync(join(tmpdir(), 'countersign-hostile-')), 's.sqlite') });
    const lost = fixture({ store, key: randomBytes(32), now: () => now });
    const globex = lost.countersign.gate({ tenant: 'globex', user: 'alice', agent: 'support', run: 'r' });
    await globex.execute(callTo('deploy'), () => 1);
    const f = fixture({ store, now: () => now });
    const { id } = await file(f, {});
    now += 16 * 60_000;
    expect(await f.countersign.maintain()).toMatchObject({ expiredApprovals: 1, openLeases: 0 });
    expect((await f.store.approval('acme', id))?.state).toBe('expired');
  },
);

verifies(
  'APR-1',
  'fifty approved calls that no worker can run do not keep the next one from running, and nobody is told they ended',
  async () => {
    const g = fixture();
    const countersign = createCountersign({
      ...g.options,
      approvals: { ...g.options.approvals, keys: g.options.approvals?.keys ?? [], maxPendingPerRun: 100 },
    });
    const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
    const old = { name: 'note', source: 'local', schemaDigest: 'old' };
    for (let n = 0; n < 51; n += 1) {
      const outcome = await gate.execute(callTo('note', { n }, n < 50 ? { tool: old } : {}), () => 1);
      if (outcome.status === 'pending') await g.decide(outcome.approval, 'approve');
    }
    const settled: string[] = [];
    const ran: unknown[] = [];
    const tools = { note: { identity: { name: 'note', source: 'local' }, run: (args: unknown) => ran.push(args) } };
    const worker = countersign.worker({ tools, onSettled: ({ outcome }) => void settled.push(outcome.status) });
    expect(await worker.tick()).toBe(1);
    expect(ran).toEqual([{ n: 50 }]);
    expect(settled).toEqual(['completed']);
  },
);

test('a worker whose principalFor refuses runs nothing; one body that hangs does not hold up the others', async () => {
  const f = fixture();
  for (const n of [1, 2]) {
    const outcome = await f.gate.execute(callTo('note', { n }), () => 1);
    if (outcome.status === 'pending') await f.decide(outcome.approval, 'approve');
  }
  const ran: unknown[] = [];
  const body = (args: unknown): unknown => {
    ran.push(args);
    return (args as { n: number }).n === 1 ? new Promise(() => undefined) : 'done';
  };
  const tools = { note: { identity: { name: 'note', source: 'local' }, run: body } };
  expect(await f.countersign.worker({ tools, principalFor: () => undefined }).tick()).toBe(0);
  expect(ran).toEqual([]);
  const stop = new AbortController();
  const settled: string[] = [];
  void f.countersign
    .worker({ tools, pollMs: 10, onSettled: ({ outcome }) => void settled.push(outcome.status) })
    .start(stop.signal);
  await expect.poll(() => settled).toEqual(['completed']);
  stop.abort();
});

verifies(
  'APR-4',
  'each field of a filed approval is under the signature: changing any one in the store voids it',
  async () => {
    const changes = ['rule_digest', 'capability', 'risk', 'mode', 'expires_at'] as const;
    const values = {
      rule_digest: 'x',
      capability: 'tickets:ticket:read',
      risk: 'medium',
      mode: 'asynchronous',
      expires_at: 9_999_999_999_999,
    };
    for (const column of changes) {
      const { f, database } = onDisk();
      const { id, call } = await file(f, { n: 1 });
      await f.decide(id, 'approve');
      database.prepare(`UPDATE approvals SET ${column} = ? WHERE id = ?`).run(values[column], id);
      const outcome = await f.gate.execute({ ...call, origin: 'resume' }, () => 1);
      expect([column, outcome.status]).toEqual([column, 'denied']);
    }
  },
);

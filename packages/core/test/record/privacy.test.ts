import { createHash, hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { argumentsDigest } from '../../src/execute/arguments-digest.ts';
import { digestCall, digestSlot } from '../../src/execute/digest.ts';
import { createNotary } from '../../src/record/notary/notary.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, fixture, type Fixture } from '../support/fixture.ts';
import { signer } from './notary/support.ts';

let folder: string;
let path: string;
let installation: Fixture;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'countersign-privacy-'));
  path = join(folder, 'store.db');
  installation = fixture({ store: sqliteStore({ path }) });
});
afterEach(async () => {
  await installation.countersign.close();
  await rm(folder, { recursive: true, force: true });
});

/** Everything on the disk: the file and its log. */
function onDisk(): Buffer {
  const files = [path, `${path}-wal`, `${path}-shm`].filter((file) => existsSync(file));
  return Buffer.concat(files.map((file) => readFileSync(file)));
}

const call = { callId: 'call_1', step: '#0' } as const;
const tool = { name: 'read', source: 'local' };

verifies(['AUD-1', 'CRD-7'], 'who reads the store cannot find out a short argument by trying all of them', async () => {
  const { gate } = installation;
  await gate.execute(callTo('read', { pin: 4711 }, call), () => 'done');
  await gate.check(callTo('deploy', { pin: 4711 }, { ...call, callId: 'call_2' }));
  const stored = onDisk().toString('latin1');
  const database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare('SELECT subject, slot FROM calls').all();
  database.close();
  expect(rows).toHaveLength(2);
  for (const { subject, slot } of rows) {
    for (let pin = 4700; pin < 4720; pin += 1) {
      const guess = argumentsDigest({ pin });
      const caller = { tenant: 'acme', subject: String(subject) };
      expect(stored).not.toContain(guess);
      for (const name of ['read', 'deploy']) {
        expect(stored).not.toContain(digestCall(caller, String(slot), { ...tool, name }, guess));
      }
      expect(stored).not.toContain(hash('sha256', JSON.stringify({ pin }), 'base64url'));
    }
  }
});

verifies('AUD-1', 'nor the user, from the digest of where a call stands', async () => {
  const { gate } = installation;
  await gate.execute(callTo('read', {}, call), () => 'done');
  const stored = onDisk().toString('latin1');
  expect(stored).not.toContain('alice');
  for (const subject of ['alice', createHash('sha256').update('alice').digest('base64url')]) {
    const caller = { tenant: 'acme', subject, agent: 'support', delegation: [] };
    expect(stored).not.toContain(digestSlot(caller, 'run-1', call));
  }
});

test('the same arguments of two users do not look alike', async () => {
  const bob = installation.countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-2' });
  await installation.gate.execute(callTo('read', { pin: 1 }), () => 'done');
  await bob.execute(callTo('read', { pin: 1 }), () => 'done');
  const database = new DatabaseSync(path, { readOnly: true });
  expect(database.prepare('SELECT DISTINCT arguments_digest FROM calls').all()).toHaveLength(2);
  database.close();
});

const canaries = ['canary-user', 'canary-argument', 'canary-reason', 'canary-result'];

verifies(
  ['AUD-4', 'AUD-6', 'AUD-7'],
  'a user who was erased is gone from answers and from the disk, and the sealed ledger verifies as before',
  async () => {
    const { countersign, approvals, store, carol } = installation;
    const policyUser = 'bob';
    const gate = countersign.gate({ tenant: 'acme', user: policyUser, agent: 'support', run: 'run-1' });
    await gate.execute(callTo('read', { note: 'canary-argument' }), () => 'canary-result');
    const pending = await gate.execute(callTo('deploy', { note: 'canary-argument' }), () => 'canary-result');
    const id = pending.status === 'pending' ? pending.approval : '';
    const { digest } = await approvals.show(carol, id);
    await approvals.decide(carol, { id, verdict: 'reject', digest, reason: 'canary-reason' });
    await store.putEntry({
      ...{ tenant: 'acme', kind: 'token', id: `oauth.${await subjectOf(policyUser)}.github`, expected: undefined },
      ...{ value: 'sealed-token', now: 1, records: [] },
    });
    await createNotary({ store, signer }).seal('acme');
    const wrapped = await store.subjectKey('acme', await subjectOf(policyUser), undefined);
    expect(onDisk().toString('latin1')).toContain(wrapped);

    await countersign.ledger.eraseSubject({ tenant: 'acme', user: policyUser, by: 'olga', reason: 'asked for it' });

    for (const canary of [...canaries, policyUser]) expect(onDisk().toString('latin1')).not.toContain(canary);
    // The key itself: with it and the audit key everything could be read again.
    expect(onDisk().toString('latin1')).not.toContain(wrapped);
    const found = [];
    for await (const record of countersign.ledger.query({ tenant: 'acme', user: policyUser })) {
      if (record.kind !== 'administration') found.push(record);
    }
    expect(found.length).toBeGreaterThan(3);
    const readable = found.filter((record) => record.sealedState === 'open');
    expect(readable).toEqual([]);
    expect(JSON.stringify(found)).not.toMatch(/canary|bob|"arguments"|"detail"|"approver"/);
    expect(await store.entries('acme', 'token')).toEqual([]);

    const seals = { verifier: signer, kept: [] };
    expect(await countersign.ledger.verify('acme', { seals })).toMatchObject({ ok: true, problems: [] });
    const acts = [];
    for await (const record of countersign.ledger.query({ tenant: 'acme', kind: 'administration' })) acts.push(record);
    expect(acts).toMatchObject([{ event: 'subject_erased', approver: 'olga', detail: 'asked for it' }]);
  },
);

async function subjectOf(user: string): Promise<string> {
  const { createSealer } = await import('../../src/record/sealing.ts');
  const { key, store } = installation;
  return createSealer({ masterKey: key, keys: store }).pseudonym('acme', user);
}

verifies('AUD-6', 'the erasure of one user leaves the others as they were', async () => {
  const { countersign, gate } = installation;
  await gate.execute(callTo('read', { note: 'mine' }), () => 'done');
  const bob = countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-2' });
  await bob.execute(callTo('read', { note: 'his' }), () => 'done');
  await countersign.ledger.eraseSubject({ tenant: 'acme', user: 'bob', by: 'olga' });
  const mine = [];
  for await (const record of countersign.ledger.query({ tenant: 'acme', user: 'alice' })) mine.push(record);
  expect(mine).toContainEqual(expect.objectContaining({ arguments: { note: 'mine' }, user: 'alice' }));
});

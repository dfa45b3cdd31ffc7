/**
 * What approvers are refused: it changes nothing, and it leaves exactly one record.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  createApprovals,
  definePolicy,
  memoryStore,
  type Approver,
  type PolicyDocument,
  type RefusalCode,
  type Store,
} from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { refusedRecords } from '../../../../test/support/refused-records.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, document, fixture, type Fixture } from '../support/fixture.ts';

type Rule = NonNullable<PolicyDocument['tools'][string]['approval']>;

/** Monday 2026-11-23, 12:00 in Berlin. */
const monday = Date.UTC(2026, 10, 23, 11);
const schema = { type: 'object', properties: { amount: { type: 'number', maximum: 100 } }, required: ['amount'] };

interface Setting {
  readonly f: Fixture;
  readonly id: string;
  readonly digest: string;
  readonly now: () => number;
  readonly pass: (ms: number) => void;
  readonly act: (approver: Partial<Approver>, input: Partial<Input>) => Promise<unknown>;
}

interface Input {
  readonly verdict: 'approve' | 'reject' | 'edit';
  readonly id: string;
  readonly digest: string;
  readonly reason: string;
  readonly arguments: string;
}

async function filed(rule: Rule = {}, store: Store = memoryStore(), policyOfService = true): Promise<Setting> {
  let time = monday;
  const now = (): number => time;
  const pay = { capability: 'deploy:staging:create', risk: 'high', arguments: schema, approval: rule } as const;
  const policy = definePolicy({ ...document, tools: { ...document.tools, pay } });
  const f = fixture({ policy, now, store });
  const outcome = await f.gate.execute(callTo('pay', { amount: 40 }), () => 1);
  if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
  const id = outcome.approval;
  const { digest } = await f.approvals.show(f.carol, id);
  const bare = createApprovals({
    store,
    now,
    signingKey: new Uint8Array(32).fill(7),
    approvers: { authenticate: () => undefined },
    audit: { key: f.key },
  });
  const approvals = policyOfService ? f.approvals : bare;
  return {
    ...{ f, id, digest, now, pass: (ms) => void (time += ms) },
    async act(approver, { verdict = 'approve', reason, arguments: text = '{"amount":41}', ...more }) {
      const session = approvals.as({ tenant: 'acme', id: 'carol', ...approver });
      if (verdict === 'edit') return session.edit({ id, digest, arguments: text, ...more });
      return session.decide({ id, digest, verdict, ...more, ...(reason === undefined ? {} : { reason }) });
    },
  };
}

const refused = (f: Fixture, tenant?: string) => refusedRecords(f.countersign.ledger, tenant);

/** A store on which one operation does as it is told. */
function failing(store: Store, more: Partial<Store>): Store {
  return new Proxy(store, {
    get: (target, name) => Reflect.get(more, name) ?? Reflect.get(target, name),
  });
}

interface Attack {
  readonly code: RefusalCode;
  readonly rule?: Rule;
  readonly who?: Partial<Approver>;
  readonly input?: Partial<Input>;
  readonly before?: (setting: Setting) => unknown;
  readonly policy?: false;
  /** Whose ledger has it. */
  readonly tenant?: string;
  /** Nothing was found, so nothing of the call is known. */
  readonly unfound?: true;
}

const minute = 60_000;
const edit = { edit: true };
const attacks: Readonly<Record<string, Attack>> = {
  'their own request': { code: 'own_request', who: { id: 'alice' } },
  'their own request, under another spelling': { code: 'own_request', who: { id: 'ALICE' } },
  'an edit of their own request': { code: 'own_request', who: { id: 'alice' }, rule: edit, input: { verdict: 'edit' } },
  'another digest than was shown': { code: 'digest_mismatch', input: { digest: 'x' } },
  'a rejection of another digest': { code: 'digest_mismatch', input: { digest: '', verdict: 'reject' } },
  'a request that their groups have no say in': { code: 'not_eligible', rule: { groups: ['releases'] } },
  'a decision at night': {
    code: 'outside_hours',
    rule: { hours: { zone: 'Europe/Berlin', days: ['mon'], from: '08:00', to: '11:00' } },
  },
  'a second vote': {
    code: 'already_voted',
    rule: { quorum: 2 },
    before: ({ act }) => act({}, {}),
  },
  'an edit after a vote': {
    code: 'already_voted',
    rule: { quorum: 2, edit: true },
    before: ({ act }) => act({ id: 'dora' }, {}),
    input: { verdict: 'edit' },
  },
  'a decision that comes too late': { code: 'expired', before: ({ pass }) => pass(16 * minute) },
  'an edit that comes too late': {
    code: 'expired',
    rule: edit,
    input: { verdict: 'edit' },
    before: ({ pass }) => pass(16 * minute),
  },
  'a grant of an older epoch': { code: 'expired', before: ({ f }) => f.store.system.newEpoch() },
  'what another approver has decided': { code: 'not_pending', before: ({ act }) => act({ id: 'dora' }, {}) },
  'an edit of what was decided': {
    code: 'not_pending',
    rule: edit,
    input: { verdict: 'edit' },
    before: ({ act }) => act({ id: 'dora' }, { verdict: 'reject' }),
  },
  'a decision without the reason that the rule asks for': { code: 'reason_missing', rule: { reason: 'required' } },
  'a reason of blanks': { code: 'reason_missing', rule: { reason: 'required' }, input: { reason: ' \t\n' } },
  'a verdict that is none': { code: 'verdict_invalid', input: { verdict: 'yes' as 'approve' }, unfound: true },
  'an edit that the rule does not permit': { code: 'edit_not_permitted', input: { verdict: 'edit' } },
  'an edit where nothing can check it': {
    code: 'edit_not_permitted',
    rule: edit,
    policy: false,
    input: { verdict: 'edit' },
  },
  'an edit that is not JSON': {
    code: 'edit_invalid',
    rule: edit,
    input: { verdict: 'edit', arguments: '{"amount":1' },
  },
  'an edit with a member twice': {
    code: 'edit_invalid',
    rule: edit,
    input: { verdict: 'edit', arguments: '{"amount":1,"amount":99}' },
  },
  'an edit that the schema does not permit': {
    code: 'edit_denied',
    rule: edit,
    input: { verdict: 'edit', arguments: '{"amount":"40"}' },
  },
  'an edit that the policy denies': {
    code: 'edit_denied',
    rule: edit,
    input: { verdict: 'edit', arguments: '{"amount":101}' },
  },
  'an id that does not exist': { code: 'not_found', input: { id: 'apr.acme.AAAAAAAAAAAAAAAAAAAAAA' }, unfound: true },
  'an id that is none': { code: 'not_found', input: { id: '../../acme' }, unfound: true },
  'the request of another tenant': { code: 'not_found', who: { tenant: 'globex', id: 'gus' }, unfound: true },
  'a request whose user was erased': {
    code: 'unreadable',
    before: ({ f }) => f.countersign.ledger.eraseSubject({ tenant: 'acme', user: 'alice', by: 'dpo' }),
  },
};

const stores: Readonly<Record<string, () => Store>> = {
  memory: memoryStore,
  SQLite: () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-refusals-'));
    const store = sqliteStore({ path: join(folder, 'store.sqlite') });
    onTestFinished(async () => {
      await store.close();
      rmSync(folder, { recursive: true });
    });
    return store;
  },
};

describe.each(Object.entries(stores))(
  'on %s an approver is refused, and exactly one record says so:',
  (_name, open) => {
    for (const [name, attack] of Object.entries(attacks)) {
      verifies(['APR-6', 'AUD-1'], name, async () => {
        const setting = await filed(attack.rule, open(), attack.policy ?? true);
        await attack.before?.(setting);
        const { f, id } = setting;
        const tenant = attack.who?.tenant ?? 'acme';
        const before = await f.store.approval('acme', id);
        const records = (await f.store.records(tenant, {})).length;
        const error = await setting.act(attack.who ?? {}, attack.input ?? {}).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toMatchObject({ code: expect.stringMatching(/^ERR_(APPROV|ARGUMENTS|KEY)/) });
        expect(await f.store.approval('acme', id)).toEqual(before);
        expect(await f.store.records(tenant, {})).toHaveLength(records + 1);
        const [record, ...more] = await refused(f, tenant);
        expect(more).toEqual([]);
        const verdict = attack.input?.verdict ?? 'approve';
        expect(record).toMatchObject({
          code: attack.code,
          approver: attack.who?.id ?? 'carol',
          detail: expect.stringMatching(new RegExp(`^${attack.code === 'verdict_invalid' ? 'decide' : verdict}: `)),
          ...(attack.unfound === true ? {} : { approval: id, tool: 'pay', risk: 'high', run: 'run-1' }),
        });
        expect((await f.countersign.ledger.verify(tenant)).ok).toBe(true);
      });
    }
  },
);

verifies('AUD-1', 'who was refused, and what they typed, stand in no record in the clear', async () => {
  const { f, act, id } = await filed({ groups: ['releases'] });
  await expect(act({}, { reason: 'because I say so' })).rejects.toThrow('none of the groups');
  await expect(act({}, { id: 'carol-token-as-id' })).rejects.toThrow('form');
  const text = JSON.stringify(await f.store.records('acme', {}));
  for (const word of ['carol', 'because', 'releases']) expect(text).not.toContain(word);
  expect(await refused(f)).toMatchObject([{ approval: id }, { code: 'not_found' }]);
  expect(Object.hasOwn((await refused(f))[1] ?? {}, 'approval')).toBe(false);
});

describe('a refusal stays one', () => {
  const down = () => Promise.reject(new Error('disk full'));
  verifies('APR-6', 'when the ledger cannot be written', async () => {
    const { f, id, digest } = await filed();
    const approvals = createApprovals({
      store: failing(f.store, { append: down }),
      signingKey: new Uint8Array(32).fill(7),
      approvers: { authenticate: () => undefined },
      audit: { key: f.key },
      now: () => monday,
    });
    const session = approvals.as({ tenant: 'acme', id: 'alice' });
    await expect(session.decide({ id, digest, verdict: 'approve' })).rejects.toMatchObject({ reason: 'own_request' });
    expect(await f.store.approval('acme', id)).toMatchObject({ state: 'pending', votes: [] });
    expect(await refused(f)).toEqual([]);
  });

  verifies('APR-6', 'when the row was changed so that no full record of it can be made', async () => {
    const { f, id, digest } = await filed();
    const lying = failing(f.store, {
      approval: async (tenant, approval) => {
        const row = await f.store.approval(tenant, approval);
        return row && ({ ...row, capability: 7 } as never);
      },
    });
    const approvals = createApprovals({
      store: lying,
      signingKey: new Uint8Array(32).fill(7),
      approvers: { authenticate: () => undefined },
      audit: { key: f.key },
      now: () => monday,
    });
    const session = approvals.as({ tenant: 'acme', id: 'carol' });
    await expect(session.decide({ id, digest, verdict: 'approve' })).rejects.toThrow('changed in the store');
    expect(await refused(f)).toMatchObject([{ approver: 'carol', approval: id }]);
  });

  test('a vote that stands is not called refused when it cannot be shown afterwards', async () => {
    const { f, id, digest } = await filed();
    const lying = failing(f.store, {
      vote: async (input) => {
        const result = await f.store.vote(input);
        return result.status === 'recorded' ? { ...result, approval: { ...result.approval, digest: 'x' } } : result;
      },
    });
    const approvals = createApprovals({
      store: lying,
      signingKey: new Uint8Array(32).fill(7),
      approvers: { authenticate: () => undefined },
      audit: { key: f.key },
      now: () => monday,
    });
    const session = approvals.as({ tenant: 'acme', id: 'carol' });
    await expect(session.decide({ id, digest, verdict: 'approve' })).rejects.toThrow('changed in the store');
    expect((await f.store.approval('acme', id))?.state).toBe('approved');
    expect(await refused(f)).toEqual([]);
  });
});

describe('requests that are refused before anybody was authenticated', () => {
  afterEach(() => void vi.useRealTimers());
  const forged = { tenant: 'acme', channel: 'chat', reason: 'signature' };

  verifies('AUD-1', 'leave one record each, with the word of the channel and the request that they name', async () => {
    const { f, id } = await filed();
    await f.approvals.recordRefused({ ...forged, approval: id });
    await f.approvals.recordRefused({ ...forged, reason: 'stale', approval: "apr'; DROP TABLE records" });
    expect(await refused(f)).toMatchObject([
      { channel: 'chat', code: 'signature', approval: id, sealedState: 'none' },
      { channel: 'chat', code: 'stale' },
    ]);
    expect(JSON.stringify(await refused(f))).not.toContain('DROP');
  });

  verifies(
    'AUD-1',
    'a flood of forged requests does not flood the ledger, and is counted to the last one',
    async () => {
      const { f } = await filed();
      vi.useFakeTimers();
      for (let count = 0; count < 5_000; count += 1) await f.approvals.recordRefused(forged);
      await f.approvals.recordRefused({ ...forged, reason: 'stale' });
      expect(await refused(f)).toHaveLength(11);
      await vi.advanceTimersByTimeAsync(61_000);
      expect((await refused(f)).filter(({ count }) => count !== undefined)).toMatchObject([
        { code: 'signature', count: 4_990 },
      ]);
      for (let count = 0; count < 20; count += 1) await f.approvals.recordRefused(forged);
      await f.approvals.flush();
      await f.approvals.flush();
      const records = (await refused(f)).filter(({ code }) => code === 'signature');
      expect(records.reduce((sum, { count = 1 }) => sum + count, 0)).toBe(5_020);
      expect(records).toHaveLength(22);
      await vi.advanceTimersByTimeAsync(120_000);
      expect(vi.getTimerCount()).toBe(0);
    },
  );

  verifies('AUD-1', 'are counted while the store is down or hangs, and written when it is back', async () => {
    for (const broken of [() => Promise.reject(new Error('down')), () => new Promise<never>(() => undefined)]) {
      vi.useRealTimers();
      const { f } = await filed();
      let down = true;
      const store = failing(f.store, {
        append: (tenant, records) => (down ? broken() : f.store.append(tenant, records)),
      });
      const approvals = createApprovals({
        store,
        signingKey: new Uint8Array(32).fill(7),
        approvers: { authenticate: () => undefined },
        audit: { key: f.key },
      });
      vi.useFakeTimers();
      const all = Promise.all(Array.from({ length: 500 }, () => approvals.recordRefused(forged)));
      await vi.advanceTimersByTimeAsync(10_000);
      await all;
      await vi.advanceTimersByTimeAsync(180_000);
      expect(await refused(f)).toEqual([]);
      down = false;
      await vi.advanceTimersByTimeAsync(130_000);
      expect(await refused(f)).toMatchObject([{ count: 500 }]);
    }
  });

  test('a hostile channel, reason or tenant is written down as no text of its own, and never throws', async () => {
    const { f } = await filed();
    const hostile = { get tenant(): string { throw new Error('boo'); }, channel: '', reason: '' }; // prettier-ignore
    await f.approvals.recordRefused(hostile);
    await f.approvals.recordRefused(null as never);
    await f.approvals.recordRefused({ ...forged, tenant: '../globex' });
    await f.approvals.recordRefused({ ...forged, channel: '<script>', reason: 'x'.repeat(9_999) });
    expect(await refused(f)).toMatchObject([{ channel: 'other', code: 'other' }]);
  });

  test('a channel that makes up reasons without end costs bounded memory, and is counted all the same', async () => {
    const { f } = await filed();
    vi.useFakeTimers();
    for (let count = 0; count < 3_000; count += 1) await f.approvals.recordRefused({ ...forged, reason: `r${count}` });
    await f.approvals.flush();
    const records = await refused(f);
    expect(records).toHaveLength(1_001);
    expect(records.at(-1)).toMatchObject({ channel: 'other', code: 'other', count: 2_000 });
  });
});

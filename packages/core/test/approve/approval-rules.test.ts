/**
 * Who may decide, how many must agree, and when: as the policy says, and nobody can lower it afterwards.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { sqliteStore } from '../../src/store/sqlite.ts';
import {
  definePolicy,
  type Approver,
  type ApprovalView,
  type Outcome,
  type PolicyDocument,
  type ToolCall,
} from '../../src/index.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, counted, document, fixture, type Fixture } from '../support/fixture.ts';

type Rule = NonNullable<PolicyDocument['tools'][string]['approval']>;

/** Monday 2026-11-23, 12:00 in Berlin. */
const monday = Date.UTC(2026, 10, 23, 11);
const minute = 60_000;

function policyWith(rule: Rule, more: Partial<PolicyDocument> = {}): PolicyDocument {
  const { deploy = { capability: 'deploy:staging:create' } } = document.tools;
  return { ...document, ...more, tools: { ...document.tools, deploy: { ...deploy, approval: rule } } };
}

interface Setting {
  readonly f: Fixture;
  readonly call: ToolCall;
  readonly id: string;
  readonly runs: readonly unknown[];
  readonly run: (args?: unknown) => Promise<Outcome>;
  readonly decide: (id: string, groups: readonly string[], more?: Partial<Vote>) => Promise<ApprovalView>;
  readonly pass: (ms: number) => void;
}

interface Vote {
  readonly verdict: 'approve' | 'reject';
  readonly reason: string;
}

async function filed(
  rule: Rule,
  options: { at?: number; path?: string; more?: Partial<PolicyDocument> } = {},
): Promise<Setting> {
  let now = options.at ?? monday;
  const policy = definePolicy(policyWith(rule, options.more));
  const store = options.path === undefined ? {} : { store: sqliteStore({ path: options.path }) };
  const f = fixture({ policy, now: () => now, ...store });
  const call = callTo('deploy', { version: '1' });
  const { body, runs } = counted('deployed');
  const outcome = await f.gate.execute(call, body);
  if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
  const id = outcome.approval;
  return {
    ...{ f, call, id, runs },
    run: () => f.gate.execute({ ...call, origin: 'resume' }, body),
    async decide(approver, groups, { verdict = 'approve', reason } = {}) {
      const session = f.approvals.as({ tenant: 'acme', id: approver, groups } satisfies Approver);
      const { digest } = await session.show(id);
      return session.decide({ id, verdict, digest, ...(reason === undefined ? {} : { reason }) });
    },
    pass: (ms) => void (now += ms),
  };
}

describe('groups', () => {
  verifies('APR-6', 'an approver who is in none of the groups decides nothing', async () => {
    const { decide, run, runs, f, id } = await filed({ groups: ['releases'] });
    for (const groups of [[], ['finance'], ['Releases'], ['releases ']]) {
      await expect(decide('carol', groups)).rejects.toMatchObject({ code: 'ERR_APPROVER' });
      await expect(decide('carol', groups, { verdict: 'reject' })).rejects.toMatchObject({ code: 'ERR_APPROVER' });
    }
    expect((await f.store.approval('acme', id))?.votes).toEqual([]);
    expect(await run()).toMatchObject({ status: 'pending' });
    await decide('carol', ['finance', 'releases']);
    expect(await run()).toMatchObject({ status: 'completed' });
    expect(runs).toHaveLength(1);
  });

  verifies('APR-6', 'the requester cannot decide, whatever groups they are in', async () => {
    const { decide, f, id } = await filed({ groups: ['releases'] });
    await expect(decide('alice', ['releases'])).rejects.toMatchObject({ code: 'ERR_APPROVER' });
    expect((await f.store.approval('acme', id))?.state).toBe('pending');
  });
});

describe('quorum', () => {
  verifies('APR-6', 'as many people must agree as the rule says; one of them twice is one', async () => {
    const { decide, run, runs } = await filed({ quorum: 2 });
    expect(await decide('carol', [])).toMatchObject({ state: 'pending', votes: [{ approver: 'carol' }] });
    expect(await run()).toMatchObject({ status: 'pending' });
    await expect(decide('carol', [])).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    expect(await run()).toMatchObject({ status: 'pending' });
    expect(await decide('dave', [])).toMatchObject({ state: 'approved' });
    expect(await run()).toMatchObject({ status: 'completed' });
    expect(runs).toHaveLength(1);
  });

  verifies('APR-6', 'a name in other letters is the same person', async () => {
    const { decide, f, id } = await filed({ quorum: 2 });
    await expect(decide('ALICE', [])).rejects.toMatchObject({ code: 'ERR_APPROVER' });
    await decide('carol', []);
    await expect(decide('Carol', [])).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    expect((await f.store.approval('acme', id))?.state).toBe('pending');
  });

  verifies('APR-6', 'one rejection rejects, also after somebody agreed', async () => {
    const { decide, run, runs } = await filed({ quorum: 2 });
    await decide('carol', []);
    await decide('dave', [], { verdict: 'reject' });
    expect(await run()).toMatchObject({ status: 'denied', reason: 'approval_rejected' });
    expect(runs).toEqual([]);
  });

  verifies('APR-4', 'a quorum that is lowered in the store, or a state set to approved, lets nothing run', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'countersign-rules-')), 's.sqlite');
    const { decide, run, runs, f, id } = await filed({ quorum: 2 }, { path });
    await decide('carol', []);
    const database = new DatabaseSync(path);
    database.prepare("UPDATE approvals SET state = 'approved' WHERE id = ?").run(id);
    expect(await run()).toMatchObject({ status: 'denied', reason: 'approval_unverified' });
    const rule = JSON.stringify({ ...JSON.parse((await f.store.approval('acme', id))?.rule ?? ''), quorum: 1 });
    database.prepare('UPDATE approvals SET rule = ? WHERE id = ?').run(rule, id);
    expect(await run()).toMatchObject({ status: 'denied', reason: 'approval_unverified' });
    expect(runs).toEqual([]);
    database.close();
  });

  verifies('APR-4', 'one vote copied under another name counts once', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'countersign-rules-')), 's.sqlite');
    const { decide, run, runs, id } = await filed({ quorum: 2 }, { path });
    await decide('carol', []);
    const database = new DatabaseSync(path);
    database.exec(
      `INSERT INTO votes SELECT tenant, approval, 'dave', verdict, time, signature, key_id, sealed_reason FROM votes`,
    );
    database.prepare("UPDATE approvals SET state = 'approved' WHERE id = ?").run(id);
    expect(await run()).toMatchObject({ status: 'denied', reason: 'approval_unverified' });
    expect(runs).toEqual([]);
    database.close();
  });
});

describe('escalation', () => {
  verifies(
    'APR-6',
    'the next group may decide once its time has come, and not before; the first one still may',
    async () => {
      const rule: Rule = { groups: ['on-call'], expires: '1h', escalate: [{ after: '10m', groups: ['directors'] }] };
      const { decide, pass } = await filed(rule);
      pass(10 * minute - 1);
      await expect(decide('dora', ['directors'])).rejects.toMatchObject({ code: 'ERR_APPROVER' });
      pass(1);
      expect(await decide('dora', ['directors'])).toMatchObject({ state: 'approved' });
      const second = await filed(rule);
      second.pass(20 * minute);
      expect(await second.decide('carol', ['on-call'])).toMatchObject({ state: 'approved' });
    },
  );
});

describe('hours and reasons', () => {
  const hours = { zone: 'Europe/Berlin', from: '09:00', to: '17:00' } as const;

  verifies('APR-6', 'outside working hours nobody decides', async () => {
    const night = await filed({ hours, expires: '2d' }, { at: monday + 6 * 60 * minute });
    await expect(night.decide('carol', [])).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    night.pass(14 * 60 * minute + 59 * minute);
    await expect(night.decide('carol', [])).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    night.pass(minute);
    expect(await night.decide('carol', [])).toMatchObject({ state: 'approved' });
    const sunday = await filed({ hours }, { at: monday - 24 * 60 * minute });
    await expect(sunday.decide('carol', [])).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
  });

  test('hours follow the clock of their zone, summer time included', async () => {
    const july = Date.UTC(2026, 6, 20, 7);
    expect(await (await filed({ hours }, { at: july })).decide('carol', [])).toMatchObject({ state: 'approved' });
    const tooEarly = await filed({ hours }, { at: july - minute });
    await expect(tooEarly.decide('carol', [])).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
  });

  verifies('APR-6', 'where a reason is required, a decision without one is none', async () => {
    const { decide } = await filed({ reason: 'required' });
    await expect(decide('carol', [])).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    await expect(decide('carol', [], { reason: '  ' })).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    expect(await decide('carol', [], { reason: 'planned' })).toMatchObject({
      state: 'approved',
      votes: [{ reason: 'planned' }],
    });
  });
});

describe('where a rule comes from', () => {
  test('a tool over its capability over the level of risk over the default, member by member', async () => {
    const more: Partial<PolicyDocument> = {
      capabilities: { 'deploy:staging:create': { risk: 'high', approval: { quorum: 3, groups: ['releases'] } } },
      approvals: { high: { quorum: 4, reason: 'required' }, medium: { quorum: 5 } },
    };
    const { f, id } = await filed({ groups: ['ops'] }, { more });
    const view = await f.approvals.show(f.carol, id);
    expect(view.rule).toMatchObject({ groups: ['ops'], quorum: 3, reasonRequired: true, ttlMs: 900_000, edit: false });
  });

  test.each([
    ['a quorum of nobody', { quorum: 0 }],
    ['an empty group list', { groups: [] }],
    ['a ladder without groups', { escalate: [{ after: '5m', groups: ['x'] }] }],
    [
      'a ladder that goes down',
      {
        groups: ['a'],
        escalate: [
          { after: '5m', groups: ['x'] },
          { after: '4m', groups: ['y'] },
        ],
      },
    ],
    ['a step after the end', { groups: ['a'], escalate: [{ after: '15m', groups: ['x'] }] }],
    ['an unknown time zone', { hours: { zone: 'Mars/Base', from: '09:00', to: '17:00' } }],
    ['hours that end before they begin', { hours: { zone: 'UTC', from: '17:00', to: '09:00' } }],
    ['a time that is none', { hours: { zone: 'UTC', from: '9:00', to: '24:00' } }],
  ] as const)('%s is refused when the policy is loaded', (_, rule) => {
    expect(() => definePolicy(policyWith(rule as Rule))).toThrow(/policy/i);
  });

  verifies('APR-4', 'an approval given under other rules for approvers is stale', async () => {
    const { f, decide, call } = await filed({ quorum: 1 });
    await decide('carol', []);
    const stricter = fixture({
      ...f,
      policy: definePolicy(policyWith({ quorum: 2 })),
      now: () => monday,
      options: { approvals: { keys: [f.approvals.publicKey] } },
    });
    const { body, runs } = counted('deployed');
    expect(await stricter.gate.execute({ ...call, origin: 'resume' }, body)).toMatchObject({
      reason: 'approval_stale',
    });
    expect(runs).toEqual([]);
  });
});

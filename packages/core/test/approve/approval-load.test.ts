/**
 * The load of approvals, against numbers computed by hand under a clock that the test sets.
 */
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createApprovals, definePolicy, type ApprovalLoad, type ApproverSession, type Store } from '../../src/index.ts';
import { callTo, document, fixture } from '../support/fixture.ts';

const start = 1_800_000_000_000;
const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const { deploy = { capability: 'deploy:staging:create' }, note = { capability: 'tickets:note:create' } } =
  document.tools;
const policy = definePolicy({
  ...document,
  tools: {
    ...document.tools,
    deploy: { ...deploy, approval: { edit: true, expires: '1h' } },
    note: { ...note, approval: { quorum: 2, expires: '2h' } },
  },
});

interface World {
  readonly store: Store;
  /** Milliseconds after the start. */
  readonly at: (ms: number) => void;
  readonly file: (tool: string, args?: unknown) => Promise<string>;
  readonly vote: (id: string, approver: string, verdict?: 'approve' | 'reject') => Promise<void>;
  readonly edit: (id: string, approver: string) => Promise<void>;
  as(id: string): ApproverSession;
  load(windowMs?: number): Promise<ApprovalLoad>;
}

function createWorld(ledger?: Store): World {
  let now = start;
  const f = fixture({ policy, now: () => now });
  // Another process, with a clock of its own: it may be behind.
  const service = createApprovals({
    ...{ store: f.store, policy, audit: { key: f.key }, signingKey: new Uint8Array(32).fill(9) },
    approvers: { authenticate: () => undefined },
    now: () => now,
    ...(ledger === undefined ? {} : { ledger: { store: ledger } }),
  });
  let current = service;
  const as = (id: string): ApproverSession => current.as({ tenant: 'acme', id });
  return {
    store: f.store,
    at(ms) {
      if (start + ms < now) {
        const behind = start + ms;
        now = behind;
        current = createApprovals({
          ...{ store: f.store, policy, audit: { key: f.key }, signingKey: new Uint8Array(32).fill(9) },
          approvers: { authenticate: () => undefined },
          now: () => now,
        });
      }
      now = start + ms;
    },
    async file(tool, args = {}) {
      const outcome = await f.gate.execute(callTo(tool, args), () => 'never');
      if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
      return outcome.approval;
    },
    async vote(id, approver, verdict = 'approve') {
      const { digest } = await as(approver).show(id);
      await as(approver).decide({ id, verdict, digest });
    },
    async edit(id, approver) {
      const { digest } = await as(approver).show(id);
      await as(approver).edit({ id, digest, arguments: JSON.stringify({ edited: now }) });
    },
    as,
    load: (windowMs = day) => as('carol').load({ windowMs, until: start + day }),
  };
}

describe('the load of approvals', () => {
  verifies('APR-11', 'is what was computed by hand: prompts, rates, delays, rubber-stamping, no answer', async () => {
    const world = createWorld();
    const { at, file, vote } = world;
    at(0);
    const a = await file('deploy');
    at(1.5 * second);
    await vote(a, 'carol'); // 1.5 s: quick
    at(10 * minute);
    const b = await file('deploy');
    at(10 * minute + 2 * second);
    await vote(b, 'carol'); // 2 s: not quick any more
    at(20 * minute);
    const c = await file('deploy');
    at(20 * minute + 30 * second);
    await vote(c, 'dave', 'reject'); // 30 s
    at(2 * hour);
    const d = await file('note');
    at(2 * hour + minute);
    await vote(d, 'carol'); // 60 s, one of two
    at(2 * hour + 3 * minute);
    await vote(d, 'dave'); // 180 s: decided
    at(3 * hour);
    await file('note'); // expires: nobody
    const f = await file('note'); // expires: one of two
    at(3 * hour + 10 * minute);
    await vote(f, 'dave'); // 600 s
    at(day - 30 * minute);
    await file('deploy'); // still pending at the end
    at(day);

    const load = await world.load();
    expect(load).toMatchObject({
      ...{ tenant: 'acme', since: start, until: start + day, complete: true, stepMs: hour, unreadEdits: 0 },
      ...{ requests: 7, approved: 3, rejected: 1, expired: 2, cancelled: 0, pending: 1, perHour: 7 / 24 },
      // 1.5, 2, 30, 180 seconds to the decision
      toDecision: { count: 4, median: 16 * second, p95: 180 * second },
      ...{ votes: 6, approvals: 5, quick: 1, backwards: 0 },
      // 1.5, 2, 30, 60, 180, 600 seconds to a vote
      delay: { count: 6, median: 45 * second, p95: 600 * second },
    });
    expect(load.approvers).toEqual([
      {
        ...{ approver: 'carol', votes: 3, approvals: 3, quick: 1, backwards: 0 },
        delay: { count: 3, median: 2 * second, p95: minute },
      },
      {
        ...{ approver: 'dave', votes: 3, approvals: 2, quick: 0, backwards: 0 },
        delay: { count: 3, median: 180 * second, p95: 600 * second },
      },
    ]);
    expect(load.tools).toMatchObject([
      {
        ...{ tool: 'deploy', source: 'local', requests: 4, approved: 2, rejected: 1, expired: 0, pending: 1 },
        ...{ votes: 3, quick: 1, toDecision: { count: 3, median: 2 * second, p95: 30 * second } },
      },
      {
        ...{ tool: 'note', source: 'local', requests: 3, approved: 1, rejected: 0, expired: 2, pending: 0 },
        ...{ votes: 3, quick: 0, toDecision: { count: 1, median: 180 * second, p95: 180 * second } },
      },
    ]);
    expect(load.buckets).toHaveLength(24);
    const filled = load.buckets.filter(({ requests }) => requests > 0);
    expect(filled.map(({ from, requests, approved }) => [(from - start) / hour, requests, approved])).toEqual([
      [0, 3, 2],
      [2, 1, 1],
      [3, 2, 0],
      [23, 1, 0],
    ]);
  });

  verifies('APR-11', 'without data counts nothing and divides by nothing', async () => {
    const world = createWorld();
    world.at(day);
    const load = await world.load(30 * day);
    expect(load).toMatchObject({ requests: 0, votes: 0, perHour: 0, approvers: [], tools: [], complete: true });
    expect(load).not.toHaveProperty('toDecision');
    expect(load).not.toHaveProperty('delay');
    expect(load.buckets).toHaveLength(30);
    expect(JSON.stringify(load)).not.toMatch(/NaN|null|Infinity/);
  });

  verifies('APR-11', 'of a window counts what was opened in it, and of the tenant alone', async () => {
    const world = createWorld();
    for (const ms of [0, day - hour, day]) {
      world.at(ms);
      await world.file('deploy');
    }
    const counted = async (windowMs: number) => (await world.load(windowMs)).requests;
    expect([await counted(hour), await counted(hour - 1), await counted(day), await counted(7 * day)]).toEqual([
      1, 0, 2, 2,
    ]);
    const gus = createApprovals({
      ...{ store: world.store, audit: { key: new Uint8Array(32).fill(3) }, signingKey: new Uint8Array(32).fill(9) },
      approvers: { authenticate: () => undefined },
    }).as({ tenant: 'globex', id: 'gus' });
    expect((await gus.load({ windowMs: day, until: start + 2 * day })).requests).toBe(0);
    for (const windowMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY, 367 * day]) {
      await expect(world.as('carol').load({ windowMs })).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' });
    }
    const endless = world.as('carol').load({ windowMs: day, until: Number.NaN });
    await expect(endless).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' });
  });

  verifies('APR-11', 'a clock that was set back makes no decision quick, and no delay negative', async () => {
    const world = createWorld();
    world.at(hour);
    const id = await world.file('deploy');
    world.at(10 * minute);
    await world.vote(id, 'carol');
    const load = await world.load();
    expect(load).toMatchObject({ requests: 1, approved: 1, votes: 1, quick: 0, backwards: 1 });
    expect(load).not.toHaveProperty('delay');
    expect(load).not.toHaveProperty('toDecision');
  });

  verifies(
    'APR-11',
    'a vote right after somebody else changed the arguments is quick, however old the request',
    async () => {
      const world = createWorld();
      const { at, file, edit, vote } = world;
      at(0);
      const [byOther, bySelf, later] = [
        await file('deploy', { n: 1 }),
        await file('deploy', { n: 2 }),
        await file('deploy', { n: 3 }),
      ];
      at(10 * minute);
      for (const id of [byOther, later]) await edit(id, 'dave');
      await edit(bySelf, 'carol');
      at(10 * minute + second);
      await vote(byOther, 'carol');
      await vote(bySelf, 'carol');
      at(10 * minute + 5 * second);
      await vote(later, 'carol');
      expect(await world.load()).toMatchObject({
        votes: 3,
        quick: 1,
        unreadEdits: 0,
        toDecision: { median: 601 * second },
      });
    },
  );

  verifies('APR-11', 'a ledger that cannot be read takes away the edits and no other number', async () => {
    const broken = { records: async () => Promise.reject(new Error('permission denied')) } as unknown as Store;
    const world = createWorld(broken);
    const id = await world.file('deploy');
    world.at(minute);
    await world.edit(id, 'dave');
    await world.vote(id, 'carol');
    expect(await world.load()).toMatchObject({ votes: 1, quick: 0, unreadEdits: 1, approved: 1 });
  });

  test('a state, a vote or a rule that somebody wrote into the store makes no approval', async () => {
    const world = createWorld();
    const id = await world.file('note');
    await world.file('deploy');
    await world.vote(id, 'carol');
    const forged: Store = {
      ...world.store,
      async approvals(tenant, filter) {
        const found = await world.store.approvals(tenant, filter);
        return found.map((approval) => ({
          ...approval,
          state: 'approved',
          ...(approval.call.tool.name === 'deploy' ? { rule: '{"quorum":0}' } : {}),
        }));
      },
    };
    const session = createApprovals({
      ...{ store: forged, audit: { key: new Uint8Array(32).fill(3) }, signingKey: new Uint8Array(32).fill(9) },
      approvers: { authenticate: () => undefined },
    }).as({ tenant: 'acme', id: 'carol' });
    const load = await session.load({ windowMs: day, until: start + day });
    expect(load).toMatchObject({ requests: 2, approved: 0, pending: 2, votes: 1 });
  });

  verifies('APR-11', 'looks at no more than the newest requests, and says so', async () => {
    const world = createWorld();
    const id = await world.file('deploy');
    const stored = await world.store.approval('acme', id);
    if (stored === undefined) throw new Error('no approval');
    let pages = 0;
    const endless: Store = {
      ...world.store,
      async approvals(_tenant, { limit = 100 }) {
        pages += 1;
        return Array.from({ length: limit }, () => stored);
      },
    };
    const session = createApprovals({
      ...{ store: endless, audit: { key: new Uint8Array(32).fill(3) }, signingKey: new Uint8Array(32).fill(9) },
      approvers: { authenticate: () => undefined },
    }).as({ tenant: 'acme', id: 'carol' });
    const load = await session.load({ windowMs: day, until: start + day });
    expect([load.requests, load.complete, pages]).toEqual([10_000, false, 21]);
  });
});

verifies(
  'APR-11',
  'a window in the distant past does not make the service read every request that ever was',
  async () => {
    const world = createWorld();
    const { store } = world;
    await world.file('deploy');
    const [filed] = await store.approvals('acme', { limit: 1 });
    if (filed === undefined) throw new Error('nothing was filed');
    let looks = 0;
    store.approvals = async () => {
      looks += 1;
      if (looks > 1_000) throw new Error('it reads on and on');
      return Array.from({ length: 500 }, () => filed);
    };
    const load = await world.as('carol').load({ windowMs: day, until: start - day });
    expect(load).toMatchObject({ complete: false, requests: 0 });
    expect(looks).toBe(100);
  },
);

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import {
  ConfigurationError,
  CountersignError,
  createCountersign,
  currentLease,
  definePolicy,
  memoryStore,
  type Countersign,
  type Outcome,
  type RevokeAllInput,
  type RevokeAllResult,
  type RotationOptions,
  type Store,
} from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { callTo, document } from '../support/fixture.ts';
import { fakeProvider, type Fake, type FakeOptions } from './fake-provider.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const key = new Uint8Array(32).fill(7);
const why = { by: 'carol', reason: 'its key was on a paste site' } as const;

interface World {
  readonly countersign: Countersign;
  readonly fake: Fake;
  readonly store: Store;
  /** Starts a call that holds its lease until it is ended; answers when its body runs. */
  hold(agent?: string, user?: string, through?: string): Promise<{ readonly end: () => Promise<Outcome> }>;
  call(agent?: string, user?: string): Promise<Outcome>;
}

function world(options: Partial<FakeOptions> & { store?: Store; rotation?: RotationOptions } = {}): World {
  const { store = memoryStore(), rotation, ...more } = options;
  const fake = fakeProvider({ now: Date.now, services: ['tickets'], maxLifetimeMs: 300_000, ...more });
  const residual = {
    ...document.tools['secret'],
    credentials: [{ service: 'tickets', ttl: '1m', acceptResidual: true }],
  };
  const countersign = createCountersign({
    policy: definePolicy({ ...document, tools: { ...document.tools, secret: residual } } as typeof document),
    ...{ store, audit: { key }, credentials: [fake], timeouts: { credentialMs: 100, settleMs: 50 } },
    ...(rotation && { rotation }),
  });
  const gateOf = (agent: string, user: string, through?: string) => {
    const gate = countersign.gate({ tenant: 'acme', user, agent: through ?? agent, run: 'run-1' });
    return through === undefined ? gate : gate.delegate(agent);
  };
  return {
    ...{ countersign, fake, store },
    async hold(agent = 'support', user = 'alice', through) {
      const entered = Promise.withResolvers<void>();
      const finish = Promise.withResolvers<void>();
      const outcome = gateOf(agent, user, through).execute(callTo('secret', { n: Math.random() }), async () => {
        currentLease('tickets');
        entered.resolve();
        await finish.promise;
      });
      await Promise.race([entered.promise, outcome]);
      return {
        end() {
          finish.resolve();
          return outcome;
        },
      };
    },
    call: (agent = 'support', user = 'alice') =>
      gateOf(agent, user).execute(callTo('secret', { n: Math.random() }), () => 'done'),
  };
}

describe('revoking everything', () => {
  verifies(
    'CRD-6',
    'of an agent ends its open leases at the provider and stops its next calls, and nobody else',
    async () => {
      const w = world();
      const [mine, other] = [await w.hold('support'), await w.hold('helper')];
      expect(w.fake.live.size).toBe(2);
      const result = await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why });
      expect(result).toMatchObject({ hold: 'agent:support', open: [], residual: [], rotated: [] });
      expect(result.revoked).toHaveLength(1);
      expect(w.fake.live.size).toBe(1);
      expect(await w.call('support')).toMatchObject({ status: 'denied', reason: 'held' });
      expect(await w.call('helper')).toMatchObject({ status: 'completed' });
      expect(await mine.end()).toMatchObject({ status: 'completed' });
      expect(await other.end()).toMatchObject({ status: 'completed' });
      expect(w.fake.live.size).toBe(0);
      expect(await w.store.system.openLeases(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    },
  );

  verifies('CRD-6', 'of an agent includes what its sub-agents hold', async () => {
    const w = world();
    const below = await w.hold('helper', 'alice', 'support');
    expect(
      (await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why })).revoked,
    ).toHaveLength(1);
    await below.end();
  });

  verifies('CRD-6', 'of a user, of a tenant', async () => {
    const w = world();
    const held = [await w.hold('support', 'alice'), await w.hold('support', 'bob'), await w.hold('support', 'bob')];
    const ofBob = await w.countersign.credentials.revokeAll({ tenant: 'acme', user: 'bob', ...why });
    expect(ofBob.revoked).toHaveLength(2);
    expect(ofBob.hold).toMatch(/^subject:/);
    expect(ofBob.hold).not.toContain('bob');
    expect(await w.call('support', 'bob')).toMatchObject({ reason: 'held' });
    expect(await w.call('support', 'alice')).toMatchObject({ status: 'completed' });
    expect((await w.countersign.credentials.revokeAll({ tenant: 'globex', all: true, ...why })).revoked).toEqual([]);
    const all = await w.countersign.credentials.revokeAll({ tenant: 'acme', all: true, ...why });
    expect([all.hold, all.revoked.length]).toEqual(['tenant', 1]);
    expect(await w.call('helper', 'alice')).toMatchObject({ reason: 'held' });
    await Promise.all(held.map(({ end }) => end()));
    expect(w.fake.live.size).toBe(0);
  });

  verifies('CRD-6', 'takes effect in other processes at once: they share the store and nothing else', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-revoke-'));
    folders.push(folder);
    const open = () => sqliteStore({ path: join(folder, 'store.sqlite') });
    const [here, there] = [world({ store: open() }), world({ store: open() })];
    const lease = await there.hold();
    expect(there.fake.live.size).toBe(1);
    const { revoked } = await here.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why });
    expect(revoked).toHaveLength(1);
    // Revoked through the provider of this process, by the handle in the store.
    expect(here.fake.revocations).toMatchObject([{ credentialId: 'credential-1-tickets' }]);
    expect(await there.call()).toMatchObject({ status: 'denied', reason: 'held' });
    await lease.end();
    await here.countersign.close();
    await there.countersign.close();
  });

  verifies(
    ['CRD-6', 'CRD-2'],
    'attack: a lease that is being issued meanwhile is ended when it comes, and its body does not run',
    async () => {
      let answer: RevokeAllResult | undefined;
      const w: World = world({
        before: async () => {
          answer = await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why });
        },
      });
      let ran = false;
      const gate = w.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
      const outcome = await gate.execute(callTo('secret'), () => (ran = true));
      expect(outcome).toMatchObject({ status: 'denied', reason: 'held' });
      expect([ran, w.fake.requests.length, w.fake.live.size]).toEqual([false, 1, 0]);
      expect(answer?.open).toMatchObject([
        { service: 'tickets', reason: expect.stringContaining('being issued') as string },
      ]);
      expect(await w.store.system.openLeases(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    },
  );

  verifies('CRD-6', 'says what it could not end, until when that may work, and leaves it to the sweeper', async () => {
    let down = true;
    const w = world({ revoke: () => (down ? Promise.reject(new Error('canary of the vendor')) : undefined) });
    const held = await w.hold();
    const result = await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why });
    expect(result.revoked).toEqual([]);
    expect(result.open).toHaveLength(1);
    expect(result.open[0]?.validUntil).toBeGreaterThan(Date.now());
    expect(JSON.stringify(result)).not.toContain('canary');
    expect(await w.store.system.openLeases(Number.MAX_SAFE_INTEGER, 10)).toHaveLength(1);
    down = false;
    await held.end();
    expect(w.fake.live.size).toBe(0);
  });

  verifies('CRD-6', 'says which credentials nobody can revoke, those of calls that have ended too', async () => {
    const w = world({
      revocable: false,
      maxLifetimeMs: 900_000,
      answer: (credential) => ({ ...credential, expiresAt: Date.now() + 900_000 }),
    });
    await w.call('helper');
    await w.call('support');
    await w.call('support');
    const held = await w.hold('support');
    const { revoked, open, residual } = await w.countersign.credentials.revokeAll({
      ...{ tenant: 'acme', agent: 'support', ...why },
    });
    expect([revoked, open]).toEqual([[], []]);
    expect(residual).toMatchObject([{ service: 'tickets', leases: 3 }]);
    expect(residual[0]?.validUntil).toBeGreaterThan(Date.now() + 890_000);
    await held.end();
  });

  verifies(
    ['CRD-6', 'CRD-2'],
    'attack: a credential that outlived a crash is not forgotten because the sweeper closed its lease',
    async () => {
      const later = Date.now() + 900_000;
      const folder = mkdtempSync(join(tmpdir(), 'countersign-swept-'));
      folders.push(folder);
      const store = sqliteStore({ path: join(folder, 'store.sqlite') });
      const lasting: Partial<FakeOptions> = {
        revocable: false,
        maxLifetimeMs: 900_000,
        answer: (credential) => ({ ...credential, expiresAt: later }),
      };
      const crashed = world({ store, ...lasting });
      const held = [await crashed.hold('support'), await crashed.hold('helper')];
      const past = {
        ...store.system,
        openLeases: (_before: number, limit: number) => store.system.openLeases(later, limit),
      };
      const w = world({ store: { ...store, system: past }, ...lasting });
      expect((await w.countersign.maintain()).closedLeases).toBe(2);
      const { residual } = await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why });
      expect(residual).toMatchObject([{ service: 'tickets', leases: 1 }]);
      const ofBob = await w.countersign.credentials.revokeAll({ tenant: 'acme', user: 'bob', ...why });
      expect(ofBob.residual).toEqual([]);
      await Promise.all(held.map(({ end }) => end()));
    },
  );

  test('takes a lease whose owner the ledger does not name for theirs', async () => {
    const w = world();
    const held = await w.hold('helper');
    const blind = { ...w.store, records: async () => [] };
    const countersign = createCountersign({
      policy: definePolicy(document),
      store: blind,
      audit: { key },
      credentials: [w.fake],
    });
    expect(
      (await countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why })).revoked,
    ).toHaveLength(1);
    await held.end();
  });

  test('finds the leases of a tenant behind many of another', async () => {
    const w = world();
    const many = Array.from({ length: 700 }, (_, index) => ({
      ...{ tenant: 'globex', id: `x${index}`, callKey: 'k', service: 'tickets', provider: 'fake' },
      ...{ expiresAt: index, state: 'issued' as const },
    }));
    const held = await w.hold();
    const crowded: Store = {
      ...w.store,
      system: {
        ...w.store.system,
        openLeases: async (before, limit) =>
          [...many, ...(await w.store.system.openLeases(before, limit))].slice(0, limit),
      },
    };
    const countersign = createCountersign({
      policy: definePolicy(document),
      store: crowded,
      audit: { key },
      credentials: [w.fake],
    });
    expect((await countersign.credentials.revokeAll({ tenant: 'acme', all: true, ...why })).revoked).toHaveLength(1);
    await held.end();
  });

  verifies(
    'CRD-6',
    'is recorded as administration, and again beside an earlier hold that it leaves alone',
    async () => {
      const w = world();
      await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why });
      const [before] = await w.store.entries('acme', 'hold');
      expect(await w.countersign.holds('acme')).toEqual([
        { tenant: 'acme', agent: 'support', by: 'carol', reason: why.reason, since: before?.updatedAt },
      ]);
      await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', by: 'dave', reason: 'once more' });
      expect(await w.store.entries('acme', 'hold')).toEqual([before]);
      const records = [];
      for await (const record of w.countersign.ledger.query({ tenant: 'acme', kind: 'administration' }))
        records.push(record);
      expect(records.map(({ event, approver, agent }) => [event, approver, agent])).toEqual([
        ['held', 'carol', 'support'],
        ['credentials_revoked', 'carol', 'support'],
        ['credentials_revoked', 'dave', 'support'],
      ]);
      expect(records[0]?.detail).toBe(why.reason);
    },
  );

  test('is refused unless it says whose, by whom and why: a slip neither stops everybody nor nobody', async () => {
    const w = world();
    const wrong: readonly Partial<Record<keyof RevokeAllInput, unknown>>[] = [
      {},
      { agent: 'support', all: true },
      { agent: 'support', user: 'alice' },
      { all: false },
      { all: 'yes' },
      { agent: '' },
      { user: '../x' },
      { agent: 'support', by: '' },
      { agent: 'support', reason: '' },
      { agent: 'support', tenant: '*' },
    ];
    for (const input of wrong) {
      const whole = { tenant: 'acme', ...why, ...input } as RevokeAllInput;
      await expect(w.countersign.credentials.revokeAll(whole)).rejects.toThrow(CountersignError);
    }
    await expect(w.countersign.credentials.revokeAll({ tenant: 'acme', ...why })).rejects.toThrow(ConfigurationError);
    for (const tenant of ['acme', 'globex']) expect(await w.store.entries(tenant, 'hold')).toEqual([]);
  });

  verifies('CRD-6', 'replaces long-lived credentials of theirs at once', async () => {
    const rotations: unknown[] = [];
    const w = world({
      rotation: {
        credentials: [
          { tenant: 'acme', service: 'tickets', agent: 'support' },
          { tenant: 'acme', service: 'tickets', agent: 'helper' },
          { tenant: 'acme', service: 'tickets' },
        ],
      },
    });
    Object.assign(w.fake, {
      async rotate(input: object) {
        rotations.push(input);
        return { superseded: ['old-key'] };
      },
      async retire(input: object) {
        rotations.push(input);
      },
    });
    const { rotated } = await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why });
    expect(rotated).toMatchObject([{ id: 'tickets/support', status: 'rotated', retired: 1, unretired: 0 }]);
    expect(rotations).toMatchObject([{ agent: 'support' }, { agent: 'support', credentialId: 'old-key' }]);
    const all = await w.countersign.credentials.revokeAll({ tenant: 'acme', all: true, ...why });
    expect(all.rotated.map(({ id }) => id)).toEqual(['tickets/support', 'tickets/helper', 'tickets']);
  });

  verifies(
    'CRD-6',
    'replaces the own keys of sub-agents that may have been used for the one that is compromised',
    async () => {
      const rotated: unknown[] = [];
      const w = world({
        ...{ revocable: false, maxLifetimeMs: 900_000 },
        rotation: {
          credentials: ['helper', 'support'].map((agent) => ({ tenant: 'acme', service: 'tickets', agent })),
        },
      });
      Object.assign(w.fake, { rotate: async (input: { agent?: string }) => void rotated.push(input.agent) });
      const below = await w.hold('helper', 'alice', 'support');
      await w.countersign.credentials.revokeAll({ tenant: 'acme', agent: 'support', ...why });
      expect(new Set(rotated)).toEqual(new Set(['helper', 'support']));
      await below.end();
    },
  );

  verifies('CRD-6', 'one lease by its id', async () => {
    const w = world();
    const held = await w.hold();
    const { leases } = await w.countersign.credentials.list('acme');
    expect(leases).toMatchObject([{ service: 'tickets', provider: 'fake', agent: 'support', state: 'issued' }]);
    const id = leases[0]?.id ?? '';
    await expect(w.countersign.credentials.revoke({ tenant: 'globex', id, ...why })).rejects.toThrow('no open lease');
    await w.countersign.credentials.revoke({ tenant: 'acme', id, ...why });
    expect(w.fake.live.size).toBe(0);
    await expect(w.countersign.credentials.revoke({ tenant: 'acme', id, ...why })).rejects.toThrow('no open lease');
    await held.end();
  });
});

import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import {
  createCountersign,
  currentLease,
  definePolicy,
  LeaseError,
  memoryStore,
  Secret,
  type CredentialProvider,
  type LeaseRequest,
} from '../../src/index.ts';
import { callTo, document, fixture, type Fixture } from '../support/fixture.ts';

const canary = 'CANARY-7f3a9c51-do-not-leak';

interface Recorded {
  readonly asked: LeaseRequest[];
  readonly revoked: string[];
}

function provider(recorded: Recorded, more: Partial<CredentialProvider> = {}): CredentialProvider {
  return {
    name: 'recorder',
    services: ['tickets'],
    maxLifetimeMs: 300_000,
    revocable: true,
    findable: true,
    async get(request) {
      recorded.asked.push(request);
      return {
        credentialId: `cred-${request.leaseId}`,
        secret: new Secret(canary),
        expiresAt: Date.now() + request.ttlMs,
      };
    },
    async provision() {},
    async revoke({ credentialId }) {
      recorded.revoked.push(String(credentialId));
    },
    async rotate() {},
    ...more,
  };
}

function leased(more: Partial<CredentialProvider> = {}, timeouts = {}): { f: Fixture; recorded: Recorded } {
  const recorded: Recorded = { asked: [], revoked: [] };
  const f = fixture({
    options: { credentials: [provider(recorded, more)], timeouts: { settleMs: 50, credentialMs: 100, ...timeouts } },
  });
  return { f, recorded };
}

const events = async (f: Fixture): Promise<string[]> =>
  (await f.store.records('acme', { limit: 100 })).map(({ kind, event }) => `${kind}:${event}`);

describe('a call whose tool has a credential', () => {
  verifies(
    ['CRD-2', 'CRD-8', 'AUD-1'],
    'gets one lease for this call, bound to its digest, and it is revoked when the call ends',
    async () => {
      const { f, recorded } = leased();
      let held: ReturnType<typeof currentLease> | undefined;
      const outcome = await f.gate.execute(callTo('secret', { id: 1 }), () => {
        held = currentLease('tickets');
        expect(recorded.revoked).toEqual([]);
        return 'done';
      });
      expect(outcome).toMatchObject({ status: 'completed' });
      expect(held?.secret.reveal()).toBe(canary);
      expect(recorded.asked).toMatchObject([
        { tenant: 'acme', user: 'alice', agent: 'support', tool: 'secret', service: 'tickets', scope: { read: true } },
      ]);
      expect(recorded.asked[0]?.ttlMs).toBeLessThanOrEqual(60_000);
      expect(recorded.revoked).toEqual([`cred-${recorded.asked[0]?.leaseId}`]);
      expect(await events(f)).toEqual([
        'decision:allow',
        'claim:claimed',
        'credential:issued',
        'credential:revoked',
        'outcome:completed',
      ]);
    },
  );

  verifies(
    'CRD-7',
    'a body that returns, throws or yields the secret gives away a placeholder, in every listed encoding',
    async () => {
      const { f } = leased();
      const forms = (secret: string): string[] => [
        secret,
        Buffer.from(secret).toString('base64'),
        Buffer.from(`x${secret}`).toString('base64url'),
        Buffer.from(secret).toString('hex'),
        encodeURIComponent(`${secret} &`),
      ];
      const returned = await f.gate.execute(callTo('secret'), () => ({
        nested: [forms(currentLease('tickets').secret.reveal())],
      }));
      const thrown = await f.gate.execute(callTo('secret'), () => {
        const secret = currentLease('tickets').secret.reveal();
        throw Object.assign(new Error(`refused: ${secret}`, { cause: { header: `Bearer ${secret}` } }), {
          body: forms(secret),
        });
      });
      const yielded = [];
      for await (const value of f.gate.stream(callTo('secret'), async function* () {
        yield forms(currentLease('tickets').secret.reveal());
      }))
        yielded.push(value);
      const error = thrown.status === 'failed' ? (thrown.error as Error & { body: unknown }) : undefined;
      const seen = JSON.stringify([returned, thrown, yielded, error?.message, error?.stack, error?.cause, error?.body]);
      for (const form of forms(canary)) expect(seen).not.toContain(form.slice(0, 24));
      expect(seen).toContain('[secret:tickets]');
      const stored = JSON.stringify([
        await f.store.records('acme', { limit: 100 }),
        await f.store.approvals('acme', {}),
      ]);
      expect(stored).not.toContain(canary);
    },
  );

  verifies('CAP-3', 'no provider is asked for a denied, pending, malformed or replayed call', async () => {
    const risky = {
      ...document,
      tools: { ...document.tools, secret: { ...document.tools['secret'], risk: 'high' } },
    } as typeof document;
    const recorded: Recorded = { asked: [], revoked: [] };
    const f = fixture({ policy: definePolicy(risky), options: { credentials: [provider(recorded)] } });
    expect(await f.gate.execute(callTo('secret'), () => 1)).toMatchObject({ status: 'pending' });
    expect(await f.gate.execute(callTo('secret', { f: () => 1 }), () => 1)).toMatchObject({ status: 'denied' });
    expect(await f.gate.execute(callTo('secret', {}, { origin: 'resume' }), () => 1)).toMatchObject({
      status: 'denied',
    });
    await f.gate.check(callTo('secret'));
    expect(recorded.asked).toEqual([]);
  });

  test('a leaked promise of the body cannot read the lease after the call', async () => {
    const { f } = leased();
    let later: Promise<unknown> | undefined;
    await f.gate.execute(callTo('secret'), () => {
      later = new Promise((resolve) => setTimeout(resolve, 20)).then(() => currentLease('tickets'));
      later.catch(() => undefined);
      return 1;
    });
    await expect(later).rejects.toBeInstanceOf(LeaseError);
    expect(() => currentLease('tickets')).toThrow(LeaseError);
  });
});

describe('a provider that is not well', () => {
  const faults: readonly [string, Partial<CredentialProvider>][] = [
    [
      'throws',
      {
        get: () => {
          throw new Error(`vault sealed ${canary}`);
        },
      },
    ],
    ['rejects', { get: () => Promise.reject(new Error('permission denied')) }],
    ['hangs', { get: () => new Promise(() => undefined) }],
    ['answers nothing', { get: () => Promise.resolve(undefined as never) }],
    [
      'answers a credential that outlives the lease',
      { get: async () => ({ credentialId: 'c', secret: new Secret(canary), expiresAt: Date.now() + 3_600_000 }) },
    ],
    [
      'answers a secret too short to scrub',
      { get: async () => ({ credentialId: 'c', secret: new Secret('abc'), expiresAt: Date.now() + 1_000 }) },
    ],
  ];
  for (const [name, more] of faults) {
    verifies(
      ['CRD-2', 'REL-3'],
      `a provider that ${name}: the body is not entered, and the grant is given back`,
      async () => {
        const { f } = leased(more);
        let runs = 0;
        const call = callTo('secret');
        const outcome = await f.gate.execute(call, () => (runs += 1));
        expect(outcome.status).toBe('failed');
        expect(JSON.stringify(outcome)).not.toContain(canary);
        expect(runs).toBe(0);
        expect((await events(f)).at(-1)).toBe('outcome:released');
        const recorded: Recorded = { asked: [], revoked: [] };
        const healed = createCountersign({ ...f.options, credentials: [provider(recorded)] }).gate({
          tenant: 'acme',
          user: 'alice',
          agent: 'support',
          run: 'run-1',
        });
        expect(await healed.execute(call, () => (runs += 1))).toMatchObject({ status: 'completed', result: 1 });
      },
    );
  }

  test('a service that no provider offers is denied before the claim', async () => {
    const f = fixture();
    expect(await f.gate.execute(callTo('secret'), () => 1)).toMatchObject({
      status: 'denied',
      reason: 'credential_unavailable',
    });
    expect(await events(f)).toEqual(['decision:deny']);
  });

  test('missing consent is an outcome with a link, not an error, and the grant is given back', async () => {
    const { f } = leased({ get: async () => ({ consentUrl: 'https://auth.example.test/consent' }) });
    expect(await f.gate.execute(callTo('secret'), () => 1)).toMatchObject({
      status: 'consent_required',
      url: 'https://auth.example.test/consent',
      service: 'tickets',
    });
    expect((await events(f)).at(-1)).toBe('outcome:released');
  });

  verifies(
    'CRD-2',
    'a revocation that fails leaves the lease to the sweeper, which ends it after a crash of the provider',
    async () => {
      let down = true;
      let now = Date.now();
      const recorded: Recorded = { asked: [], revoked: [] };
      const failing = provider(recorded, {
        async revoke({ credentialId }) {
          if (down) throw new Error('down');
          recorded.revoked.push(String(credentialId));
        },
      });
      const f = fixture({ now: () => now, options: { credentials: [failing] } });
      expect(await f.gate.execute(callTo('secret'), () => 1)).toMatchObject({ status: 'completed' });
      expect(await events(f)).toContain('credential:revoke_failed');
      now += 120_000;
      expect(await f.countersign.maintain()).toMatchObject({ closedLeases: 0, openLeases: 1 });
      down = false;
      expect(await f.countersign.maintain()).toMatchObject({ closedLeases: 1, openLeases: 0 });
      expect(await f.countersign.maintain()).toMatchObject({ closedLeases: 0, openLeases: 0 });
      expect(recorded.revoked).toHaveLength(1);
    },
  );

  test('a store that fails when the handle is noted: the credential is revoked and the body is not entered', async () => {
    const recorded: Recorded = { asked: [], revoked: [] };
    const store = memoryStore();
    const broken = { ...store, leaseIssued: () => Promise.reject(new Error('disk full')) };
    const f = fixture({ store: broken, options: { credentials: [provider(recorded)] } });
    let runs = 0;
    expect((await f.gate.execute(callTo('secret'), () => (runs += 1))).status).not.toBe('completed');
    expect(runs).toBe(0);
    expect(recorded.revoked).toHaveLength(1);
    expect((await store.records('acme', {})).map(({ event }) => event)).toContain('released');
  });
});

describe('a store that fails', () => {
  const down = (): Promise<never> => Promise.reject(new Error('disk full'));

  verifies(['AUD-3', 'REL-3'], 'at the claim: denied, the body is not entered', async () => {
    const f = fixture({ store: { ...memoryStore(), claim: down } });
    let runs = 0;
    expect(await f.gate.execute(callTo('read'), () => (runs += 1))).toMatchObject({ status: 'denied' });
    expect(runs).toBe(0);
  });

  verifies(
    'AUD-3',
    'at the outcome: what the ledger cannot say is unknown to everybody, and the same arguments then need a person',
    async () => {
      const store = memoryStore();
      let broken = true;
      const f = fixture({ store: { ...store, settle: (input) => (broken ? down() : store.settle(input)) } });
      expect(await f.gate.execute(callTo('read', { a: 1 }), () => 1)).toMatchObject({ status: 'unknown' });
      broken = false;
      expect(await f.gate.execute(callTo('read', { a: 1 }), () => 1)).toMatchObject({ status: 'pending' });
      expect(await f.gate.execute(callTo('read', { a: 2 }), () => 1)).toMatchObject({ status: 'completed' });
    },
  );

  test('at the outcome of an idempotent tool: the next attempt runs without a person', async () => {
    const store = memoryStore();
    let broken = true;
    const f = fixture({ store: { ...store, settle: (input) => (broken ? down() : store.settle(input)) } });
    const call = callTo('sync', { a: 1 });
    expect(await f.gate.execute(call, () => 1)).toMatchObject({ status: 'unknown' });
    broken = false;
    expect(await f.gate.execute(call, () => 2)).toMatchObject({ status: 'completed', result: 2 });
  });

  test('everywhere: check and execute deny, and never reject', async () => {
    const broken = Object.fromEntries(
      Object.entries(memoryStore()).map(([name, value]) => [name, typeof value === 'function' ? down : value]),
    ) as never;
    const f = fixture({ store: broken });
    for (const tool of ['read', 'note', 'deploy', 'vault']) {
      expect(await f.gate.execute(callTo(tool), () => 1)).toMatchObject({ status: 'denied' });
      expect((await f.gate.check(callTo(tool))).decision.verdict).toBe('deny');
    }
  });
});

import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import type { CredentialRequest } from '../../src/call.ts';
import { ConfigurationError, LeaseError } from '../../src/errors.ts';
import { createLeases } from '../../src/lease/lease-manager.ts';
import type { Leases } from '../../src/lease/lease-manager.ts';
import { Secret } from '../../src/lease/secret.ts';
import { fakeProvider } from './fake-provider.ts';
import type { Fake, FakeOptions } from './fake-provider.ts';

const now = 1_800_000_000_000;
const clock = (): number => now;
const facts = {
  tenant: 'acme',
  user: 'ada',
  agent: 'bot',
  run: 'run-1',
  callKey: 'call-1',
  tool: 'push',
  capability: 'github:push',
  argumentsDigest: 'digest',
};
const request: CredentialRequest = { service: 'github', scope: { repository: 'acme/web' }, ttlMs: 60_000 };
const second: CredentialRequest = { service: 'aws', scope: {}, ttlMs: 60_000 };

function setUp(...options: Partial<FakeOptions>[]): { leases: Leases; providers: Fake[]; provider: Fake } {
  const providers = (options.length === 0 ? [{}] : options).map((each) => fakeProvider({ now: clock, ...each }));
  const [provider] = providers;
  if (provider === undefined) throw new Error('no provider');
  return { leases: createLeases({ providers, clock, timeoutMs: 40 }), providers, provider };
}

async function issue(leases: Leases, ...requests: CredentialRequest[]) {
  return leases.issue(leases.plan(requests, now), facts);
}

describe('a plan', () => {
  verifies(['CRD-2'], 'names a lease before any provider is asked', () => {
    const { leases, provider } = setUp();
    const [first, other] = [leases.plan([request], now), leases.plan([request], now)];
    expect(first).toEqual([
      { id: expect.any(String), service: 'github', provider: 'fake', expiresAt: now + 60_000, request },
    ]);
    expect(first[0]?.id).not.toBe(other[0]?.id);
    expect(provider.requests).toEqual([]);
  });

  test('refuses a service that nobody offers, and one asked for twice', () => {
    const { leases } = setUp();
    for (const service of ['aws', '', '__proto__', 'GitHub']) {
      expect(() => leases.plan([request, { ...request, service }], now)).toThrow(LeaseError);
    }
    expect(() => leases.plan([request, request], now)).toThrow('got two');
  });

  verifies(['CRD-2'], 'refuses a life of more than 15 minutes, and one that is no life', () => {
    const { leases } = setUp();
    for (const ttlMs of [900_001, 0, -1, 1.5, NaN, Infinity, '60000' as unknown as number]) {
      expect(() => leases.plan([{ ...request, ttlMs }], now)).toThrow(LeaseError);
    }
    expect(leases.plan([{ ...request, ttlMs: 900_000 }], now)[0]?.expiresAt).toBe(now + 900_000);
  });

  test('ends with the longest life that the provider gives', () => {
    const { leases } = setUp({ maxLifetimeMs: 30_000 });
    expect(leases.plan([request], now)[0]?.expiresAt).toBe(now + 30_000);
  });

  verifies(['CRD-2'], 'needs a line in the policy for what cannot be revoked or lives longer', () => {
    for (const residual of [{ revocable: false }, { maxLifetimeMs: 3_600_000 }]) {
      const { leases } = setUp(residual);
      expect(() => leases.plan([request], now)).toThrow('acceptResidual');
      expect(() => leases.plan([{ ...request, acceptResidual: 'yes' as unknown as boolean }], now)).toThrow(LeaseError);
      expect(leases.plan([{ ...request, acceptResidual: true }], now)).toHaveLength(1);
    }
  });

  test('is not made with providers that contradict each other or do not describe themselves', () => {
    const build =
      (...options: Partial<FakeOptions>[]) =>
      () =>
        setUp(...options);
    expect(build({ name: 'a' }, { name: 'b' })).toThrow(ConfigurationError);
    expect(build({ name: 'a' }, { name: 'a', services: ['aws'] })).toThrow(ConfigurationError);
    for (const maxLifetimeMs of [0, -1, NaN, Infinity]) expect(build({ maxLifetimeMs })).toThrow(ConfigurationError);
    expect(build({ revocable: 'no' as unknown as boolean })).toThrow(ConfigurationError);
    for (const timeoutMs of [0, NaN, Infinity])
      expect(() => createLeases({ providers: [], clock, timeoutMs })).toThrow(ConfigurationError);
  });
});

describe('issuing', () => {
  verifies(['CRD-2'], 'asks for this call, this scope and this life, and for nothing else', async () => {
    const { leases, provider } = setUp();
    const result = await issue(leases, request);
    expect(result).toMatchObject({
      status: 'issued',
      leases: [{ lease: { service: 'github', expiresAt: now + 60_000 } }],
    });
    expect(provider.requests).toEqual([
      { ...facts, leaseId: expect.any(String), service: 'github', scope: request.scope, ttlMs: 60_000 },
    ]);
  });

  verifies(['CRD-2'], 'the same call twice never shares a credential', async () => {
    const { leases, provider } = setUp();
    const plans = leases.plan([request], now);
    await Promise.all([leases.issue(plans, facts), leases.issue(plans, facts)]);
    expect(provider.requests).toHaveLength(2);
  });

  verifies(['CRD-2'], 'revokes the first lease when the second cannot be had', async () => {
    const { leases, providers } = setUp(
      { name: 'a' },
      {
        name: 'b',
        services: ['aws'],
        before: () => {
          throw new LeaseError('the role is gone');
        },
      },
    );
    const result = await issue(leases, request, second);
    expect(result).toMatchObject({ status: 'failed', open: [] });
    expect(result.status === 'failed' && result.error.message).toContain('the role is gone');
    expect(providers[0]?.live.size).toBe(0);
    expect(providers[0]?.revocations).toHaveLength(1);
  });

  test('reports what could not be revoked either, so that it stays open', async () => {
    const { leases } = setUp(
      { name: 'a', revoke: () => Promise.reject(new Error('down')) },
      { name: 'b', services: ['aws'], before: () => Promise.reject(new Error('down')) },
    );
    const plans = leases.plan([request, second], now);
    const result = await leases.issue(plans, facts);
    expect(result.status === 'failed' && result.open).toEqual([plans[0]?.id]);
  });

  verifies(['REL-3'], 'is bounded in time by a provider that hangs, and the lease stays open', async () => {
    const { leases, provider } = setUp({ before: () => new Promise(() => {}) });
    const plans = leases.plan([request], now);
    const result = await leases.issue(plans, facts);
    expect(result).toMatchObject({ status: 'failed', open: [plans[0]?.id] });
    expect(result.status === 'failed' && result.error.message).toContain('no answer within 40 ms');
    expect(provider.live.size).toBe(0);
    await leases.idle();
  });

  verifies(['CRD-2'], 'revokes a credential that comes after the time-out', async () => {
    for (const findable of [true, false]) {
      const { leases, provider } = setUp({ findable, before: () => sleep(80) });
      const plans = leases.plan([request], now);
      expect(await leases.issue(plans, facts)).toMatchObject({ status: 'failed', open: [plans[0]?.id] });
      await sleep(60);
      await leases.idle();
      expect(provider.requests).toHaveLength(1);
      expect(provider.revocations.at(-1)).toMatchObject({ leaseId: plans[0]?.id, credentialId: 'credential-1-github' });
      expect(provider.live.size).toBe(0);
    }
  });

  test('survives a provider that rejects after the time-out', async () => {
    const { leases } = setUp({ before: () => sleep(60).then(() => Promise.reject(new Error('late'))) });
    expect((await issue(leases, request)).status).toBe('failed');
    await sleep(40);
    await leases.idle();
  });

  test('reports a plan that has ended before it was issued, and asks nobody', async () => {
    const { leases, provider } = setUp();
    const result = await leases.issue(leases.plan([request], now - 60_000), facts);
    expect(result.status).toBe('failed');
    expect(provider.requests).toEqual([]);
  });

  const lies: Readonly<
    Record<string, (credential: { secret: Secret; expiresAt: number; credentialId: string }) => unknown>
  > = {
    'lives longer than asked for': (credential) => ({ ...credential, expiresAt: now + 600_000 }),
    'has no end': (credential) => ({ ...credential, expiresAt: Infinity }),
    'has expired': (credential) => ({ ...credential, expiresAt: now }),
    'counts in seconds': (credential) => ({ ...credential, expiresAt: now / 1000 }),
    'has a bare secret': (credential) => ({ ...credential, secret: credential.secret.reveal() }),
    'has a secret too short to be scrubbed': (credential) => ({ ...credential, secret: new Secret('1234567') }),
    'has an endless secret': (credential) => ({ ...credential, secret: new Secret('x'.repeat(70_000)) }),
    'is also a request for consent': (credential) => ({ ...credential, consentUrl: 'https://x.test' }),
    'throws when it is read': (credential) =>
      Object.defineProperty({ ...credential }, 'secret', {
        get: () => {
          throw new Error(credential.secret.reveal());
        },
      }),
  };
  for (const [name, answer] of Object.entries(lies)) {
    verifies(['CRD-2'], `refuses and revokes a credential that ${name}`, async () => {
      const { leases, provider } = setUp({ answer, findable: false });
      const result = await issue(leases, request);
      expect(result.status).toBe('failed');
      expect(provider.live.size).toBe(0);
      expect(result.status === 'failed' && `${result.error.stack}`).not.toContain('canary');
    });
  }

  test.each([
    ['nothing', null],
    ['a text', 'token'],
    ['an empty object', {}],
    ['an empty id', { credentialId: '', secret: new Secret('12345678'), expiresAt: now + 1 }],
  ])(
    'refuses %s instead of a credential, and leaves the lease open where nobody could find it',
    async (_name, answer) => {
      const { leases } = setUp({ findable: false, answer: () => answer ?? 0 });
      const plans = leases.plan([request], now);
      expect(await leases.issue(plans, facts)).toMatchObject({ status: 'failed', open: [plans[0]?.id] });
    },
  );

  test('passes consent on and revokes the leases beside it', async () => {
    const { leases, providers } = setUp(
      { name: 'a' },
      { name: 'b', services: ['aws'], answer: () => ({ consentUrl: 'https://auth.test/start?x=1' }) },
    );
    expect(await issue(leases, request, second)).toEqual({
      status: 'consent_required',
      service: 'aws',
      url: 'https://auth.test/start?x=1',
      open: [],
    });
    expect(providers[0]?.live.size).toBe(0);
  });

  test.each([
    'javascript:alert(1)',
    'http://auth.test/',
    'https://user:pass@auth.test/',
    'file:///etc/passwd',
    'data:text/html,x',
    '',
    7,
    `https://x.test/${'a'.repeat(3_000)}`,
  ])('sends nobody to %s for consent', async (consentUrl) => {
    const { leases } = setUp({ answer: () => ({ consentUrl }) });
    expect((await issue(leases, request)).status).toBe('failed');
  });

  verifies(['CRD-7'], 'repeats nothing of what a vendor’s client throws', async () => {
    class HttpError extends Error {
      readonly code = 'ECONNREFUSED';
      readonly config = { headers: { authorization: 'canary' } };
    }
    const { leases } = setUp({ before: () => Promise.reject(new HttpError('GET /?token=canary')) });
    const result = await issue(leases, request);
    if (result.status !== 'failed') throw new Error('expected a failure');
    expect(result.error.message).toBe('provider fake, get for github: Error (ECONNREFUSED)');
    expect(result.error.cause).toBeUndefined();
  });

  verifies(['CRD-2'], 'says how long a credential may work after its lease', async () => {
    const hour = {
      name: 'hour',
      maxLifetimeMs: 3_600_000,
      answer: (credential: object) => ({ ...credential, expiresAt: now + 3_600_000 }),
    };
    const { leases } = setUp(hour, { name: 'sts', services: ['aws'], revocable: false });
    const result = await issue(leases, { ...request, acceptResidual: true }, { ...second, acceptResidual: true });
    if (result.status !== 'issued') throw new Error('expected leases');
    const [long, fixed] = result.leases;
    expect([long?.residualUntil, long?.lease.expiresAt]).toEqual([now + 3_600_000, now + 60_000]);
    expect([fixed?.residualUntil, fixed?.lease.expiresAt]).toEqual([now + 60_000, now + 60_000]);
  });

  test('of a revocable, short credential leaves no residual', async () => {
    const { leases } = setUp();
    const result = await issue(leases, request);
    expect(result.status === 'issued' && result.leases[0] && 'residualUntil' in result.leases[0]).toBe(false);
  });

  test('never refuses acceptance twice: not even accepted is a life beyond what the provider declares', async () => {
    const { leases } = setUp({
      maxLifetimeMs: 3_600_000,
      answer: (credential) => ({ ...credential, expiresAt: now + 7_200_000 }),
    });
    expect((await issue(leases, { ...request, acceptResidual: true })).status).toBe('failed');
  });
});

describe('revoking', () => {
  async function issued(options: Partial<FakeOptions>) {
    const { leases, provider } = setUp(options);
    const result = await issue(leases, { ...request, acceptResidual: true });
    if (result.status !== 'issued') throw new Error('expected leases');
    return { leases, provider, given: result.leases, id: result.leases[0]?.plan.id };
  }

  verifies(['CRD-2'], 'ends the credential at the service', async () => {
    const { leases, provider, given, id } = await issued({});
    expect(provider.live.size).toBe(1);
    expect(await leases.revoke(given, 'acme')).toEqual({ closed: [id], failed: [] });
    expect(provider.live.size).toBe(0);
  });

  test('is tried again once', async () => {
    const { leases, provider, given, id } = await issued({
      revoke: (attempt) => (attempt === 1 ? Promise.reject(new Error('once')) : undefined),
    });
    expect(await leases.revoke(given, 'acme')).toEqual({ closed: [id], failed: [] });
    expect(provider.revocations).toHaveLength(2);
  });

  verifies(['REL-3'], 'never rejects and is bounded, with a provider that hangs, throws or rejects', async () => {
    const ways = [
      () => new Promise(() => {}),
      () => Promise.reject(new Error('down')),
      () => {
        throw new TypeError('broken');
      },
      () => Promise.reject(undefined),
    ];
    for (const revoke of ways) {
      const { leases, provider, given, id } = await issued({ revoke });
      const result = await leases.revoke(given, 'acme');
      expect(result).toMatchObject({ closed: [], failed: [{ id, error: { code: 'ERR_LEASE' } }] });
      expect(provider.revocations).toHaveLength(2);
    }
  });

  verifies(['CRD-7'], 'scrubs the secret from a provider’s own words', async () => {
    const { leases, given } = await issued({
      revoke: () => Promise.reject(new LeaseError('no token canary-credential-1-github')),
    });
    const { failed } = await leases.revoke(given, 'acme');
    expect(failed[0]?.error.message).toContain('no token [secret:github]');
    expect(JSON.stringify(failed[0]?.error.stack)).not.toContain('canary-credential');
  });

  test('does not pretend: a provider that cannot revoke is not asked, and its lease is over', async () => {
    const { leases, provider, given, id } = await issued({ revocable: false });
    expect(await leases.revoke(given, 'acme')).toEqual({ closed: [id], failed: [] });
    expect(provider.revocations).toEqual([]);
    expect(given[0]?.residualUntil).toBe(now + 60_000);
  });
});

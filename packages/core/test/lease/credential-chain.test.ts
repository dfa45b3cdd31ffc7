import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { LeaseError } from '../../src/errors.ts';
import { credentialChain } from '../../src/lease/credential-chain.ts';
import { createLeases, type LeaseFacts } from '../../src/lease/lease-manager.ts';
import { keepLogin, type Login } from '../../src/lease/login.ts';
import { Secret } from '../../src/lease/secret.ts';
import { sweepLeases } from '../../src/lease/sweeper.ts';
import { fakeProvider } from './fake-provider.ts';

const now = 1_800_000_000_000;
const facts: LeaseFacts = {
  tenant: 'acme',
  user: 'ada',
  agent: 'bot',
  run: 'run-1',
  callKey: 'call-1',
  tool: 'push',
  capability: 'github:push',
  argumentsDigest: 'digest',
};

describe('a chain of providers', () => {
  const strong = (more: object = {}) => fakeProvider({ now: () => now, name: 'strong', services: ['github'], ...more });
  const weak = () => fakeProvider({ now: () => now, name: 'weak', services: ['github', 'aws'], revocable: true });

  async function issue(first: ReturnType<typeof strong>, second: ReturnType<typeof weak>, service: string) {
    const providers = credentialChain([first, second]);
    const leases = createLeases({ providers, clock: () => now, timeoutMs: 50 });
    return leases.issue(leases.plan([{ service, scope: {}, ttlMs: 60_000 }], now), facts);
  }

  verifies(['CRD-1'], 'asks the first that serves the service', async () => {
    const [first, second] = [strong(), weak()];
    expect(await issue(first, second, 'github')).toMatchObject({ status: 'issued' });
    expect(await issue(first, second, 'aws')).toMatchObject({ status: 'issued' });
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
    expect(second.requests[0]?.service).toBe('aws');
  });

  verifies(
    ['CRD-1', 'REL-3'],
    'a failure or a time-out of the first does not fall through to a weaker one',
    async () => {
      const failures = [
        () => {
          throw new LeaseError('sealed');
        },
        () => new Promise(() => {}),
      ];
      for (const before of failures) {
        const second = weak();
        expect(await issue(strong({ before }), second, 'github')).toMatchObject({ status: 'failed' });
        expect(second.requests).toEqual([]);
      }
    },
  );

  test('keeps what each says about revocation', () => {
    const providers = credentialChain([strong(), fakeProvider({ now: () => now, name: 'weak', revocable: false })]);
    expect(providers.map(({ name, revocable, services }) => [name, revocable, services])).toEqual([
      ['strong', true, ['github']],
      ['weak', false, []],
    ]);
  });

  test('revokes what a provider issued before another took its service over', async () => {
    const old = weak();
    old.live.set('c1', 'lease-1');
    const lease = { id: 'lease-1', tenant: 'acme', service: 'github', provider: 'weak', callKey: 'k' } as const;
    const closed: string[] = [];
    const summary = await sweepLeases({
      store: {
        leaseClosed: async ({ id }) => void closed.push(id),
        system: { openLeases: async () => (closed.length > 0 ? [] : [{ ...lease, state: 'planned', expiresAt: 1 }]) },
      },
      providers: credentialChain([strong({ services: ['github', 'aws'] }), old]),
      open: () => '',
      draft: () => ({ id: 'r', tenant: 'acme', time: 1, kind: 'credential', event: 'revoked', call: 'k', body: '{}' }),
      now,
      timeoutMs: 50,
    });
    expect(summary).toEqual({ revoked: 1, lapsed: 0, failed: [] });
    expect(old.live.size).toBe(0);
  });
});

describe('a kept login', () => {
  function setUp(results: readonly (Login | Error)[]) {
    const state = { at: now, logins: 0 };
    const kept = keepLogin({
      clock: () => state.at,
      marginMs: 10_000,
      async login() {
        const result = results[Math.min(state.logins++, results.length - 1)];
        await Promise.resolve();
        if (result === undefined || result instanceof Error) throw result ?? new Error('none');
        return result;
      },
    });
    return { kept, state };
  }
  test('attack: a login that never answers blocks nothing for longer than its time', async () => {
    let logins = 0;
    const kept = keepLogin({
      timeoutMs: 20,
      login() {
        logins += 1;
        return logins === 1 ? new Promise(() => undefined) : Promise.resolve(login('second', 3_600_000 + Date.now()));
      },
    });
    await expect(kept.get()).rejects.toBeInstanceOf(LeaseError);
    expect(await kept.get()).toBeInstanceOf(Secret);
  });

  const login = (name: string, lifeMs: number): Login => ({
    secret: new Secret(`canary-login-${name}`),
    expiresAt: now + lifeMs,
  });

  verifies(['CRD-2'], 'is made once for all who ask, and anew before it ends', async () => {
    const { kept, state } = setUp([login('1', 60_000), login('2', 600_000)]);
    const all = await Promise.all(Array.from({ length: 20 }, () => kept.get()));
    expect(new Set(all).size).toBe(1);
    state.at += 49_999;
    await kept.get();
    expect(state.logins).toBe(1);
    state.at += 1;
    expect((await kept.get()).reveal()).toBe('canary-login-2');
    expect(state.logins).toBe(2);
  });

  test('a failure is not kept, and neither is a login that is over', async () => {
    const { kept, state } = setUp([new LeaseError('down'), login('over', 0), login('3', 60_000)]);
    await expect(kept.get()).rejects.toThrow('down');
    await expect(kept.get()).rejects.toThrow('expired');
    expect((await kept.get()).reveal()).toBe('canary-login-3');
    expect(state.logins).toBe(3);
  });

  test('that the back end refused is forgotten; a newer one is not', async () => {
    const { kept, state } = setUp([login('1', 60_000), login('2', 60_000)]);
    const first = await kept.get();
    kept.forget(first);
    const second = await kept.get();
    kept.forget(first);
    expect(await kept.get()).toBe(second);
    expect(state.logins).toBe(2);
  });

  verifies(['CRD-2'], 'leases are never kept: two calls ask the provider twice', async () => {
    const fake = fakeProvider({ now: () => now });
    const leases = createLeases({ providers: credentialChain([fake]), clock: () => now, timeoutMs: 50 });
    const secrets: string[] = [];
    for (const _call of [1, 2]) {
      const result = await leases.issue(leases.plan([{ service: 'github', scope: {}, ttlMs: 60_000 }], now), facts);
      if (result.status === 'issued') secrets.push(result.leases[0]?.lease.secret.reveal() ?? '');
    }
    expect(new Set(secrets).size).toBe(2);
  });
});

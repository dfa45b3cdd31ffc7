import { describe, expect, test, vi } from 'vitest';
import { LeaseError } from '../../src/errors.ts';
import type { CredentialProvider } from '../../src/lease/lease.ts';
import { Secret } from '../../src/lease/secret.ts';
import { providerContract } from '../../src/testing/provider-contract.ts';
import { fakeProvider } from './fake-provider.ts';

const request = {
  tenant: 'acme',
  user: 'ada',
  agent: 'bot',
  run: 'run-1',
  callKey: 'call-1',
  tool: 'push',
  capability: 'github:push',
  argumentsDigest: 'digest',
  service: 'github',
  scope: {},
};

/** A sound provider, changed by `defect`, before a service that knows what each secret is good for. */
function setUp(defect: (sound: CredentialProvider) => Partial<CredentialProvider>, wide = false) {
  let now = 1_800_000_000_000;
  const known = new Map<string, { readonly id: string; readonly capability: string; readonly until: number }>();
  const fake = fakeProvider({ now: () => now });
  const sound: CredentialProvider = {
    ...fake,
    async get(wanted) {
      if (!fake.services.includes(wanted.service)) throw new LeaseError('no such service');
      const answer = await fake.get(wanted);
      if ('consentUrl' in answer) return answer;
      known.set(answer.secret.reveal(), {
        id: answer.credentialId,
        capability: wanted.capability,
        until: answer.expiresAt,
      });
      return answer;
    },
    async provision({ service }) {
      if (!fake.services.includes(service)) throw new LeaseError('no such service');
    },
  };
  return {
    provider: { ...sound, ...defect(sound) },
    request,
    use: async (secret: Secret, wanted: { readonly capability: string }) => {
      const grant = known.get(secret.reveal());
      return (
        grant !== undefined &&
        fake.live.has(grant.id) &&
        grant.until > now &&
        (wide || grant.capability === wanted.capability)
      );
    },
    beyond: { capability: 'github:delete' },
    pass: (milliseconds: number) => void (now += milliseconds),
    now: () => now,
  };
}

async function broken(
  defect: (sound: CredentialProvider) => Partial<CredentialProvider>,
  wide = false,
): Promise<string[]> {
  const names: string[] = [];
  for (const { name, run } of providerContract(() => setUp(defect, wide))) {
    await run().catch(() => names.push(name));
  }
  return names;
}

describe('the contract of a credential provider', () => {
  test('is kept by a sound one', async () => {
    expect(await broken(() => ({}))).toEqual([]);
  });

  const defects: Readonly<
    Record<string, readonly [string, (sound: CredentialProvider) => Partial<CredentialProvider>]>
  > = {
    'revoke that does nothing': [
      'revokes a credential, and again without an error',
      () => ({ revoke: async () => {} }),
    ],
    'revoke that fails the second time': [
      'revokes what never was without an error',
      () => ({
        revoke: async ({ credentialId }) => {
          if (credentialId === undefined) throw new LeaseError('gone');
        },
      }),
    ],
    'revoke by lease that finds nothing': [
      'revokes by the lease alone, where it says that it can',
      (sound) => ({
        revoke: async (input) => {
          if (input.credentialId !== undefined) await sound.revoke(input);
        },
      }),
    ],
    'a life longer than asked for': [
      'gives a credential that ends in time',
      (sound) => ({ get: (wanted) => sound.get({ ...wanted, ttlMs: 600_000 }) }),
    ],
    'a made-up secret': [
      'gives a credential that the service accepts for the operation',
      (sound) => ({
        get: async (wanted) => ({
          ...(await sound.get(wanted)),
          credentialId: 'x',
          expiresAt: 1_800_000_060_000,
          secret: new Secret('made-up-secret'),
        }),
      }),
    ],
    'one credential for everybody': [
      'never gives the same credential id twice',
      (sound) => ({
        get: async (wanted) => ({ ...(await sound.get(wanted)), credentialId: 'shared' }),
      }),
    ],
    'any service at all': ['refuses a service that is not its own', () => ({ provision: async () => {} })],
    'the secret as the credential id': [
      'keeps the secret out of the credential as printed',
      (sound) => ({
        get: async (wanted) => {
          const answer = await sound.get(wanted);
          return 'secret' in answer ? { ...answer, credentialId: answer.secret.reveal() } : answer;
        },
      }),
    ],
    'the secret in an error': [
      'keeps the secret out of its errors',
      (sound) => ({
        revoke: async (input) => {
          await sound.revoke(input);
          if (input.credentialId?.startsWith('canary') === true) throw new LeaseError(`no ${input.credentialId}`);
        },
      }),
    ],
    'no name': ['describes itself', () => ({ name: '' })],
  };
  for (const [name, [found, defect]] of Object.entries(defects)) {
    test(`finds ${name}`, async () => {
      expect(await broken(defect)).toContain(found);
    });
  }

  test('finds a credential that can do more than it was asked for', async () => {
    expect(await broken(() => ({}), true)).toEqual(['gives a credential that the service refuses for anything beyond']);
  });

  test('is not kept by a provider that hangs', async () => {
    vi.useFakeTimers();
    try {
      const cases = providerContract(() => setUp(() => ({ get: () => new Promise(() => {}) })));
      const outcome = cases[1]?.run().then(String, String);
      await vi.advanceTimersByTimeAsync(10_000);
      expect(await outcome).toContain('no answer');
    } finally {
      vi.useRealTimers();
    }
  });
});

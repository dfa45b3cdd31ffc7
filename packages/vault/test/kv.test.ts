import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest';
import { ConfigurationError, LeaseError, type Credential, type CredentialProvider } from '@countersign/core';
import { providerContract } from '@countersign/core/testing';
import { hasBao, withBao as using } from '../../../test/support/bao.ts';
import { verifies } from '../../../test/verifies.ts';
import { vaultKvProvider, type ExpiringSecret, type KvSecret } from '../src/index.ts';
import { request as databaseRequest, startVault, type VaultFixture } from './vault-fixture.ts';

const canary = 'CANARY-kv-4be1c7-do-not-leak';
const dayMs = 86_400_000;
const request = { ...databaseRequest, service: 'tickets', scope: {} };

let vault: VaultFixture;
let provider: CredentialProvider;
let warned: ExpiringSecret[] = [];

const secrets: readonly KvSecret[] = [
  { path: 'agents/{tenant}/{agent}/tickets', fields: ['token'] },
  { scope: { both: true }, path: 'agents/{tenant}/{agent}/tickets', fields: ['user', 'token'] },
  { scope: { field: 'missing' }, path: 'agents/{tenant}/{agent}/tickets', fields: ['password'] },
  { scope: { field: 'number' }, path: 'agents/{tenant}/{agent}/tickets', fields: ['count'] },
  { scope: { forbidden: true }, path: 'operators/{tenant}/root', fields: ['token'] },
  { scope: { personal: true }, path: 'agents/{tenant}/users/{user}', fields: ['token'] },
];

async function write(path: string, data: unknown, expiresAt: string | undefined): Promise<void> {
  await vault.bao.admin('POST', `secret/data/${path}`, { data });
  const custom = expiresAt === undefined ? {} : { expires_at: expiresAt };
  await vault.bao.admin('POST', `secret/metadata/${path}`, { custom_metadata: custom });
}
const inDays = (days: number): string => new Date(Date.now() + days * dayMs).toISOString();

beforeAll(async () => {
  if (!hasBao) return;
  vault = await startVault();
  const services = { tickets: { mount: 'secret', secrets } };
  const connection = vault.connection();
  provider = vaultKvProvider({
    tenants: { acme: connection, globex: connection },
    services,
    onExpiring: (secret) => void warned.push(secret),
  });
  await write('agents/acme/support/tickets', { token: canary, user: 'bot', count: 7 }, inDays(60));
  await write('agents/acme/near/tickets', { token: canary }, inDays(3));
  await write('agents/acme/over/tickets', { token: canary }, inDays(-1));
  await write('agents/acme/far/tickets', { token: canary }, inDays(91));
  await write('agents/acme/never/tickets', { token: canary }, undefined);
  await write('agents/acme/odd/tickets', { token: canary }, 'next tuesday');
  await write('operators/acme/root', { token: canary }, inDays(10));
  await write('agents/acme/removed/tickets', { token: canary }, inDays(10));
  await vault.bao.admin('DELETE', 'secret/data/agents/acme/removed/tickets');
});
beforeEach(() => void (warned = []));
afterAll(() => vault?.stop());

const lease = async (more: Partial<typeof request> = {}): Promise<Credential> =>
  (await provider.get({ ...request, ...more, leaseId: randomUUID(), ttlMs: 60_000 })) as Credential;

describe('the provider contract', () => {
  const cases = providerContract(() => ({
    provider,
    request,
    // A service of its own that knows this one token, as static tokens are.
    use: async (secret) => secret.reveal() === canary,
    beyond: 'impossible',
    pass: 'impossible',
    now: Date.now,
  }));
  for (const { name, run } of cases) verifies(['CRD-2', 'CRD-3'], `OpenBao, KV: ${name}`, run, { using });
});

describe('a secret from KV', () => {
  verifies(
    ['CRD-3', 'CRD-4'],
    'is given with its own expiry, one field as it is, several as JSON',
    async () => {
      const { secret, expiresAt } = await lease();
      expect(secret.reveal()).toBe(canary);
      expect(expiresAt).toBeGreaterThan(Date.now() + 59 * dayMs);
      expect(JSON.parse((await lease({ scope: { both: true } })).secret.reveal())).toEqual({
        user: 'bot',
        token: canary,
      });
      expect(warned).toEqual([]);
    },
    { using },
  );

  verifies(
    'CRD-4',
    'warns in its last seven days, and is refused from its last moment on',
    async () => {
      await lease({ agent: 'near' });
      expect(warned).toMatchObject([{ tenant: 'acme', service: 'tickets', path: 'agents/acme/near/tickets' }]);
      await expect(lease({ agent: 'over' })).rejects.toThrow(/service tickets: .*has expired; write a new one/);
    },
    { using },
  );

  verifies(
    'CRD-3',
    'that was replaced at Vault is replaced at the next lease',
    async () => {
      await write('agents/acme/changing/tickets', { token: 'first-secret' }, inDays(60));
      expect((await lease({ agent: 'changing' })).secret.reveal()).toBe('first-secret');
      await write('agents/acme/changing/tickets', { token: 'second-secret' }, inDays(60));
      expect((await lease({ agent: 'changing' })).secret.reveal()).toBe('second-secret');
    },
    { using },
  );

  const refusals: readonly (readonly [string, Partial<typeof request>, RegExp])[] = [
    ['without an expiry', { agent: 'never' }, /service tickets: .*expires_at/],
    ['with an expiry that is no time', { agent: 'odd' }, /expires_at/],
    ['with an expiry too far ahead', { agent: 'far' }, /within 90 days/],
    ['that is not there', { agent: 'nobody' }, /service tickets: Vault answered 404 .*check mount, path/],
    ['whose newest version was deleted', { agent: 'removed' }, /404/],
    ['without the field', { scope: { field: 'missing' } }, /no text in field password/],
    ['with a field that is no text', { scope: { field: 'number' } }, /no text in field count/],
    ['that the policy of the login does not allow', { scope: { forbidden: true } }, /403 .*policy/],
    ['of another tenant', { tenant: 'globex' }, /404/],
    ['for a scope that it is not registered with', { scope: { admin: true } }, /scope/],
    ['for an agent id that climbs to another agent', { agent: '../acme/support' }, /agent id/],
    ['for an agent id that is a folder', { agent: '..' }, /agent id/],
    ['for an agent id with a dot', { agent: 'support.tickets' }, /agent id/],
    ['for an agent id with a backslash', { agent: String.raw`x\..\support` }, /agent id/],
    ['for an agent id that is encoded', { agent: '%73upport' }, /agent id/],
    ['for an agent id that looks like another', { agent: 'suppοrt' }, /agent id/],
    ['for an agent id without end', { agent: 'a'.repeat(129) }, /agent id/],
    ['for an empty agent id', { agent: '' }, /agent id/],
    [
      'for a user id with a separator',
      { scope: { personal: true }, user: 'alice/../../acme/support/tickets' },
      /user id/,
    ],
  ];
  for (const [name, more, message] of refusals) {
    verifies(
      ['CRD-3', 'CRD-7'],
      `${name} is refused, with service and remedy and without the secret`,
      async () => {
        const refused = await lease(more).catch((error: unknown) => error);
        expect(refused).toBeInstanceOf(LeaseError);
        expect(String(refused)).toMatch(message);
        expect(String((refused as Error).stack)).not.toContain(canary);
      },
      { using },
    );
  }
});

describe('the configuration is refused', () => {
  const configure = (path: string, mount = 'secret', one = true) => {
    const connection = { place: 'a', clock: Date.now } as never;
    return () =>
      vaultKvProvider({
        tenants: one ? { acme: connection } : { acme: connection, globex: connection },
        services: { tickets: { mount, secrets: [{ path, fields: ['token'] }] } },
        onExpiring: () => undefined,
      });
  };
  verifies('CRD-3', 'where a path is not made of plain names', () => {
    for (const path of [
      '../x',
      'a//b',
      '/a',
      'a/',
      'a?b',
      'a#b',
      'a/..',
      '.',
      '',
      'a/%2e%2e',
      'a/{role}',
      'a b',
      'ä',
    ]) {
      expect(configure(path)).toThrow(ConfigurationError);
    }
    expect(configure('a', '{tenant}')).toThrow(ConfigurationError);
    expect(configure('agents/{tenant}/api.example.com')).not.toThrow();
  });
  verifies('CAP-8', 'where tenants share a namespace and a path does not tell them apart', () => {
    expect(configure('agents/shared', 'secret', false)).toThrow(/tenants share a namespace/);
    expect(configure('agents/{tenant}', 'secret', false)).not.toThrow();
  });
});

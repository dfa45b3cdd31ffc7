import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { LeaseError, type Credential, type CredentialProvider } from '@countersign/core';
import { providerContract } from '@countersign/core/testing';
import { hasBao } from '../../../test/support/bao.ts';
import { hasPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { vaultDynamicProvider } from '../src/index.ts';
import {
  asLeased,
  request,
  startOrders,
  startVault,
  withBaoAndPostgres as using,
  type OrdersDatabase,
  type VaultFixture,
} from './vault-fixture.ts';

let vault: VaultFixture;
let orders: OrdersDatabase;
let provider: CredentialProvider;
beforeAll(async () => {
  if (!hasBao || !hasPostgres) return;
  vault = await startVault();
  orders = await startOrders(vault.bao);
  provider = vaultDynamicProvider({
    tenants: { acme: vault.connection() },
    services: {
      orders: {
        mount: 'database',
        connection: 'orders-db',
        roles: [
          { scope: { access: 'read' }, role: 'orders-reader' },
          { scope: { access: 'write' }, role: 'orders-writer' },
          { scope: { access: 'eternal' }, role: 'orders-eternal' },
          { scope: { access: 'gone' }, role: 'gone' },
          { scope: { access: 'denied' }, role: 'not-in-the-policy' },
          { scope: { access: 'named' }, role: 'orders-{agent}' },
        ],
      },
    },
  });
});
afterAll(async () => {
  await orders?.stop();
  await vault?.stop();
});

const lease = async (more: Partial<typeof request> = {}, ttlMs = 60_000): Promise<Credential> =>
  (await provider.get({ ...request, ...more, leaseId: randomUUID(), ttlMs })) as Credential;

describe('the provider contract', () => {
  const cases = providerContract(() => ({
    provider,
    request,
    use: (secret, { scope }) =>
      asLeased(
        orders.postgres,
        secret,
        scope['access'] === 'read' ? 'SELECT * FROM orders' : 'INSERT INTO orders VALUES (2)',
      ).then(
        () => true,
        () => false,
      ),
    beyond: { scope: { access: 'write' } },
    // Time of a real server; that an unended lease ends is shown below, with a life of seconds.
    pass: 'impossible',
    now: Date.now,
  }));
  for (const { name, run } of cases) verifies(['CRD-2', 'CRD-3'], `OpenBao, PostgreSQL: ${name}`, run, { using });
});

describe('a database login from OpenBao', () => {
  verifies(
    ['CRD-2', 'CRD-3'],
    'is a role of its own for each lease, and the role is gone when the lease is revoked',
    async () => {
      const before = await orders.roles();
      const [first, second] = [await lease(), await lease()];
      expect(await orders.roles()).toHaveLength(before.length + 2);
      const nobody = asLeased(orders.postgres, first.secret, `INSERT INTO orders VALUES (3)`);
      await expect(nobody).rejects.toThrow(/permission denied/);
      for (const { credentialId } of [first, second]) {
        await provider.revoke({ tenant: 'acme', leaseId: randomUUID(), credentialId });
      }
      expect(await orders.roles()).toEqual(before);
    },
    { using },
  );

  verifies(
    'CRD-2',
    'lives as long as the call may, not as long as its role at Vault would let it, also for the database',
    async () => {
      const { expiresAt, credentialId, secret } = await lease({}, 30_000);
      expect(expiresAt - Date.now()).toBeLessThanOrEqual(30_000);
      const { username } = JSON.parse(secret.reveal()) as { username: string };
      const { data } = await vault.bao.admin('PUT', 'sys/leases/lookup', { lease_id: credentialId });
      expect((data as { ttl: number }).ttl).toBeLessThanOrEqual(30);
      const { rows } = await orders.query(
        `SELECT rolvaliduntil < now() + interval '60 seconds' AS soon FROM pg_roles WHERE rolname = '${username}'`,
      );
      expect(rows).toEqual([{ soon: true }]);
      await provider.revoke({ tenant: 'acme', leaseId: randomUUID(), credentialId });
    },
    { using },
  );

  verifies(
    'CRD-2',
    'ends by itself when nobody ends it',
    async () => {
      const { secret } = await lease({}, 2_000);
      await asLeased(orders.postgres, secret, 'SELECT 1');
      const { username } = JSON.parse(secret.reveal()) as { username: string };
      for (let attempt = 0; (await orders.roles()).includes(username); attempt += 1) {
        expect(attempt).toBeLessThan(100);
        await sleep(200);
      }
    },
    { using },
  );

  verifies(
    'CRD-2',
    'that could outlive 15 minutes before it is shortened is refused, and its role is dropped',
    async () => {
      const before = await orders.roles();
      await expect(lease({ scope: { access: 'eternal' } })).rejects.toThrow(/default_ttl/);
      expect(await orders.roles()).toEqual(before);
    },
    { using },
  );

  verifies(
    'CRD-3',
    'goes on after the root password of the engine was rotated, and the old one is of no use',
    async () => {
      await provider.rotate({ tenant: 'acme', service: 'orders' });
      const { secret, credentialId } = await lease();
      await asLeased(orders.postgres, secret, 'SELECT 1');
      await provider.revoke({ tenant: 'acme', leaseId: randomUUID(), credentialId });
      const url = new URL(orders.postgres.url);
      url.username = 'vault_admin';
      url.password = 'password-before-rotation';
      const { default: pg } = await import('pg');
      const client = new pg.Client({ connectionString: url.href });
      await expect(client.connect()).rejects.toThrow(/password authentication failed/);
    },
    { using },
  );
});

describe('the dynamic provider refuses, names service and remedy, and leaves no role', () => {
  const refusals: readonly (readonly [string, Partial<typeof request>, RegExp])[] = [
    ['a scope that no role is for', { scope: { access: 'admin' } }, /service orders: .*scope/],
    ['a scope that only begins like one', { scope: { access: 'read', more: true } }, /scope/],
    ['another tenant', { tenant: 'globex' }, /tenant has no connection/],
    ['a tenant named like a member of every object', { tenant: 'constructor' }, /tenant has no connection/],
    ['a service named like a member of every object', { service: 'toString' }, /not offered/],
    [
      'a role that is not there',
      { scope: { access: 'gone' } },
      /service orders: Vault answered 4\d\d for database\/creds\/gone: .*role/,
    ],
    ['a path that the policy of the login does not allow', { scope: { access: 'denied' } }, /403 .*allow this path/],
    ['an agent id that climbs to another path', { scope: { access: 'named' }, agent: '../orders-writer' }, /agent id/],
    ['an agent id with an encoded separator', { scope: { access: 'named' }, agent: 'a%2f..%2fb' }, /agent id/],
    ['an agent id with a query', { scope: { access: 'named' }, agent: 'reader?x' }, /agent id/],
  ];
  for (const [name, more, message] of refusals) {
    verifies(
      'CRD-3',
      name,
      async () => {
        const before = await orders.roles();
        const refused = await lease(more).catch((error: unknown) => error);
        expect(refused).toBeInstanceOf(LeaseError);
        expect(String(refused)).toMatch(message);
        expect(await orders.roles()).toEqual(before);
      },
      { using },
    );
  }

  verifies(
    'CRD-3',
    'a handle of another engine, forged in the store, is not revoked with this login',
    async () => {
      for (const credentialId of [
        'auth/approle/login/h1',
        'database/creds/../../x',
        'database/creds/',
        'x'.repeat(300),
      ]) {
        const revoked = provider.revoke({ tenant: 'acme', leaseId: randomUUID(), credentialId });
        await expect(revoked).rejects.toBeInstanceOf(LeaseError);
      }
    },
    { using },
  );

  verifies(
    'CRD-1',
    'provision says whether the login may use the role',
    async () => {
      const input = { tenant: 'acme', agent: 'support', service: 'orders', ttlMs: 60_000 };
      await provider.provision({ ...input, scope: { access: 'read' } });
      await expect(provider.provision({ ...input, scope: { access: 'denied' } })).rejects.toThrow(/policy/);
    },
    { using },
  );
});

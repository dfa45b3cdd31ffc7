import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createRequire } from 'node:module';
import process from 'node:process';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, vi } from 'vitest';
import { LeaseError, Secret, type Credential, type CredentialProvider } from '@countersign/core';
import { hasBao, withBao as using } from '../../../test/support/bao.ts';
import { verifies } from '../../../test/verifies.ts';
import { appRole, jwt, vaultConnection, vaultKvProvider, type VaultConnection } from '../src/index.ts';
import { membersOf } from '../src/vault-answer.ts';
import { request as databaseRequest, startVault, type VaultFixture } from './vault-fixture.ts';

const request = { ...databaseRequest, service: 'tickets', scope: {} };
const canary = 'CANARY-login-91b0d2-do-not-leak';
const expires = { custom_metadata: { expires_at: new Date(Date.now() + 30 * 86_400_000).toISOString() } };

let vault: VaultFixture;
beforeAll(async () => {
  if (!hasBao) return;
  vault = await startVault();
  await vault.bao.admin('POST', 'secret/data/agents/acme/tickets', { data: { token: canary } });
  await vault.bao.admin('POST', 'secret/metadata/agents/acme/tickets', expires);
});
afterAll(() => vault?.stop());

/** Requests as they left, by their path, with the tokens on them. */
function watched(): { readonly fetch: typeof fetch; readonly paths: string[]; readonly tokens: string[] } {
  const paths: string[] = [];
  const tokens: string[] = [];
  return {
    paths,
    tokens,
    fetch: (input, init) => {
      paths.push(new URL(input instanceof Request ? input.url : input).pathname.replace('/v1/', ''));
      tokens.push(new Headers(init?.headers).get('X-Vault-Token') ?? '');
      return fetch(input, init);
    },
  };
}
const count = (paths: readonly string[], path: string): number => paths.filter((each) => each === path).length;
const login = 'auth/approle/login';

function tickets(connection: VaultConnection, path = 'agents/acme/tickets'): CredentialProvider {
  return vaultKvProvider({
    tenants: { acme: connection },
    services: { tickets: { mount: 'secret', secrets: [{ path, fields: ['token'] }] } },
    onExpiring: () => undefined,
  });
}
const read = async (provider: CredentialProvider): Promise<string> =>
  ((await provider.get({ ...request, leaseId: randomUUID(), ttlMs: 60_000 })) as Credential).secret.reveal();

describe('a login by AppRole', () => {
  verifies(
    ['CRD-2', 'CRD-3'],
    'is made once for many leases at the same time, and only the login is kept',
    async () => {
      const { fetch, paths } = watched();
      const provider = tickets(vault.connection({ fetch }));
      const all = await Promise.all([1, 2, 3, 4, 5].map(() => read(provider)));
      expect(all).toEqual(Array.from({ length: 5 }, () => canary));
      expect(count(paths, login)).toBe(1);
      expect(count(paths, 'secret/data/agents/acme/tickets')).toBe(5);
    },
    { using },
  );

  verifies(
    'CRD-3',
    'is made again when it has ended',
    async () => {
      const { fetch, paths, tokens } = watched();
      let ahead = 0;
      const provider = tickets(vault.connection({ fetch, clock: () => Date.now() + ahead }));
      await read(provider);
      ahead = 3_601_000;
      await read(provider);
      expect(count(paths, login)).toBe(2);
      expect(new Set(tokens.filter((token) => token !== '')).size).toBe(2);
    },
    { using },
  );

  verifies(
    'CRD-3',
    'that ends before a lease would is renewed first, with the same token',
    async () => {
      const { fetch, paths, tokens } = watched();
      let ahead = 0;
      const connection = vault.connection({ fetch, clock: () => Date.now() + ahead });
      const path = 'secret/data/agents/acme/tickets';
      await connection.read({ what: 'x', path, atLeastMs: 900_000 });
      ahead = 3_000_000;
      await connection.read({ what: 'x', path, atLeastMs: 900_000 });
      expect(paths).toEqual([login, path, 'auth/token/renew-self', path]);
      expect(new Set(tokens.slice(1)).size).toBe(1);
    },
    { using },
  );

  verifies(
    'REL-3',
    'that was revoked at Vault is made again by the call that finds out, without a restart',
    async () => {
      const { fetch, paths, tokens } = watched();
      const provider = tickets(vault.connection({ fetch }));
      await read(provider);
      await vault.bao.admin('POST', 'auth/token/revoke', { token: tokens.at(-1) });
      expect(await read(provider)).toBe(canary);
      expect(count(paths, login)).toBe(2);
    },
    { using },
  );

  verifies(
    'REL-3',
    'is not repeated for what it may not do',
    async () => {
      const { fetch, paths } = watched();
      const provider = tickets(vault.connection({ fetch }), 'operators/x');
      await expect(read(provider)).rejects.toThrow(/403 .*policy/);
      await expect(read(provider)).rejects.toThrow(/403 .*policy/);
      expect(count(paths, login)).toBe(1);
    },
    { using },
  );

  verifies(
    'CRD-3',
    'with a secret id that is wrong is a clear error without it',
    async () => {
      const provider = tickets(
        vault.connection({
          login: appRole({ roleId: vault.roleId, secretId: () => new Secret('wrong-secret-id-77') }),
        }),
      );
      const refused = await read(provider).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(LeaseError);
      expect(String(refused)).toMatch(/AppRole login: Vault answered 400/);
      expect(String((refused as Error).stack)).not.toContain('wrong-secret-id-77');
    },
    { using },
  );

  verifies(
    'CRD-3',
    'whose secret id is used up goes on with the token it has, to its end',
    async () => {
      await vault.bao.admin('POST', 'auth/approle/role/once', {
        token_policies: ['countersign'],
        token_ttl: 600,
        token_max_ttl: 600,
        secret_id_num_uses: 1,
      });
      const id = membersOf((await vault.bao.admin('GET', 'auth/approle/role/once/role-id'))['data'])['role_id'];
      const made = await vault.bao.admin('POST', 'auth/approle/role/once/secret-id', {});
      const secretId = new Secret(String(membersOf(made['data'])['secret_id']));
      let ahead = 0;
      const provider = tickets(
        vault.connection({
          login: appRole({ roleId: String(id), secretId: () => secretId }),
          clock: () => Date.now() + ahead,
        }),
      );
      await read(provider);
      ahead = 590_000;
      expect(await read(provider)).toBe(canary);
      ahead = 601_000;
      await expect(read(provider)).rejects.toThrow(/AppRole login/);
    },
    { using },
  );
});

describe('a response-wrapped secret id', () => {
  const wrapped = async (path: string, body: unknown = {}): Promise<Secret> => {
    const response = await fetch(`${vault.bao.address}/v1/${path}`, {
      method: 'POST',
      headers: { 'X-Vault-Token': vault.bao.rootToken, 'X-Vault-Wrap-TTL': '60s' },
      body: JSON.stringify(body),
    });
    const { wrap_info: info } = (await response.json()) as { wrap_info: { token: string } };
    return new Secret(info.token);
  };
  const madeAt = 'auth/approle/role/countersign/secret-id';
  const withToken = (token: Secret): CredentialProvider =>
    tickets(
      vault.connection({
        login: appRole({
          roleId: vault.roleId,
          secretId: { role: 'countersign', wrappingToken: () => token },
        }),
      }),
    );

  verifies(
    'CRD-3',
    'is unwrapped and logged in with; opened a second time it is an alarm',
    async () => {
      const token = await wrapped(madeAt);
      expect(await read(withToken(token))).toBe(canary);
      const again = await read(withToken(token)).catch((error: unknown) => error);
      expect(String(again)).toMatch(/treat it as stolen/);
      expect(String(again)).not.toContain(token.reveal());
    },
    { using },
  );

  verifies(
    'CRD-3',
    'that was made at another path is refused unopened, so that nobody plants a credential of theirs',
    async () => {
      const secretId = (await vault.secretId()).reveal();
      const planted = await wrapped('sys/wrapping/wrap', { secret_id: secretId });
      await expect(read(withToken(planted))).rejects.toThrow(/made at auth\/approle\/role\/countersign\/secret-id/);
      const { data } = await vault.bao.admin('POST', 'sys/wrapping/unwrap', { token: planted.reveal() });
      expect(data).toEqual({ secret_id: secretId });
    },
    { using },
  );
});

describe('a login by JWT', () => {
  verifies(
    'CRD-3',
    'takes any supplier of tokens, asked at every login; one for another audience is refused',
    async () => {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      await vault.bao.admin('POST', 'sys/auth/jwt', { type: 'jwt' });
      await vault.bao.admin('POST', 'auth/jwt/config', {
        jwt_validation_pubkeys: [publicKey.export({ type: 'spki', format: 'pem' })],
      });
      await vault.bao.admin('POST', 'auth/jwt/role/agents', {
        role_type: 'jwt',
        bound_audiences: ['vault'],
        user_claim: 'sub',
        token_policies: ['countersign'],
      });
      const token = (audience: string) => async (): Promise<Secret> =>
        new Secret(
          await new SignJWT({ sub: 'support' })
            .setProtectedHeader({ alg: 'ES256' })
            .setAudience(audience)
            .setIssuedAt()
            .setExpirationTime('1m')
            .sign(privateKey),
        );
      const connected = (audience: string): CredentialProvider =>
        tickets(vault.connection({ login: jwt({ role: 'agents', token: token(audience) }) }));
      expect(await read(connected('vault'))).toBe(canary);
      const refused = await read(connected('elsewhere')).catch((error: unknown) => error);
      expect(String(refused)).toMatch(/JWT login: Vault answered 400/);
      expect(String((refused as Error).stack)).not.toMatch(/eyJ/);
    },
    { using },
  );
});

describe('namespaces', () => {
  verifies(
    ['CRD-3', 'CAP-8'],
    'keep tenants apart: a login counts in its own and reaches no other',
    async () => {
      const roles: Record<string, { roleId: string; secretId: Secret }> = {};
      for (const namespace of ['ns-acme', 'ns-globex']) {
        const admin = (method: string, path: string, body?: unknown) => vault.bao.admin(method, path, body, namespace);
        await vault.bao.admin('POST', `sys/namespaces/${namespace}`, {});
        await admin('POST', 'sys/mounts/secret', { type: 'kv', options: { version: '2' } });
        await admin('PUT', 'sys/policies/acl/reader', { policy: 'path "secret/data/*" { capabilities = ["read"] }' });
        await admin('POST', 'sys/auth/approle', { type: 'approle' });
        await admin('POST', 'auth/approle/role/reader', { token_policies: ['reader'] });
        const id = membersOf((await admin('GET', 'auth/approle/role/reader/role-id'))['data'])['role_id'];
        const made = membersOf((await admin('POST', 'auth/approle/role/reader/secret-id', {}))['data'])['secret_id'];
        roles[namespace] = { roleId: String(id), secretId: new Secret(String(made)) };
        await admin('POST', 'secret/data/tickets', { data: { token: `token-of-${namespace}` } });
        await admin('POST', 'secret/metadata/tickets', expires);
      }
      const connect = (namespace: string, as = namespace): VaultConnection =>
        vaultConnection({
          address: vault.bao.address,
          namespace,
          login: appRole({ roleId: roles[as]?.roleId ?? '', secretId: () => roles[as]?.secretId as Secret }),
        });
      const provider = vaultKvProvider({
        tenants: { acme: connect('ns-acme'), globex: connect('ns-globex') },
        services: { tickets: { mount: 'secret', secrets: [{ path: 'tickets', fields: ['token'] }] } },
        onExpiring: () => undefined,
      });
      const of = async (tenant: string): Promise<string> =>
        (
          (await provider.get({ ...request, tenant, leaseId: randomUUID(), ttlMs: 60_000 })) as Credential
        ).secret.reveal();
      expect(await of('acme')).toBe('token-of-ns-acme');
      expect(await of('globex')).toBe('token-of-ns-globex');
      await expect(read(tickets(connect('ns-acme', 'ns-globex'), 'tickets'))).rejects.toThrow(
        /AppRole login: Vault answered 4/,
      );
      await expect(read(tickets(connect('ns-nowhere', 'ns-acme'), 'tickets'))).rejects.toThrow(
        /AppRole login: Vault answered 4/,
      );
    },
    { using },
  );
});

describe('the environment', () => {
  verifies(
    'CRD-7',
    'gives no token, no namespace and no address, and switches no logging of secrets on',
    async () => {
      vi.stubEnv('VAULT_TOKEN', 'token-from-the-environment');
      vi.stubEnv('VAULT_ADDR', 'http://127.0.0.1:1');
      vi.stubEnv('VAULT_NAMESPACE', 'nowhere');
      vi.stubEnv('VAULT_PREFIX', '/elsewhere');
      const load = createRequire(createRequire(import.meta.url).resolve('node-vault'));
      const debug = load('debug') as { enable(names: string): void; disable(): void };
      debug.enable('*');
      const printed: unknown[] = [];
      const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => printed.push(text) > 0);
      try {
        const { fetch, tokens } = watched();
        expect(await read(tickets(vault.connection({ fetch })))).toBe(canary);
        expect(tokens).not.toContain('token-from-the-environment');
        expect(printed).toEqual([]);
      } finally {
        spy.mockRestore();
        debug.disable();
        vi.unstubAllEnvs();
      }
    },
    { using },
  );
});

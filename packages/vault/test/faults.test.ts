import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, onTestFinished } from 'vitest';
import { ConfigurationError, LeaseError, Secret, type CredentialProvider } from '@countersign/core';
import { hasBao, withBao as using } from '../../../test/support/bao.ts';
import { verifies } from '../../../test/verifies.ts';
import { appRole, vaultConnection, vaultDynamicProvider, vaultKvProvider } from '../src/index.ts';
import { request, startVault, type VaultFixture } from './vault-fixture.ts';

const canary = 'CANARY-fault-c0ffee-do-not-leak';

let vault: VaultFixture;
beforeAll(async () => {
  if (hasBao) vault = await startVault();
});
afterAll(() => vault?.stop());

describe('a sealed Vault', () => {
  verifies(
    ['REL-3', 'CRD-3'],
    'is named with its remedy, and leases go on after it was opened, without a restart',
    async () => {
      const metadata = { custom_metadata: { expires_at: new Date(Date.now() + 86_400_000).toISOString() } };
      await vault.bao.admin('POST', 'secret/data/agents/x', { data: { token: canary } });
      await vault.bao.admin('POST', 'secret/metadata/agents/x', metadata);
      const provider = vaultKvProvider({
        tenants: { acme: vault.connection() },
        services: { orders: { mount: 'secret', secrets: [{ path: 'agents/x', fields: ['token'] }] } },
        onExpiring: () => undefined,
      });
      const get = () => provider.get({ ...request, scope: {}, leaseId: randomUUID(), ttlMs: 60_000 });
      await get();
      await vault.bao.admin('PUT', 'sys/seal');
      await expect(get()).rejects.toThrow(/service orders: Vault answered 503 .*unseal it/);
      await vault.bao.admin('PUT', 'sys/unseal', { key: vault.bao.unsealKey });
      await expect(get()).resolves.toMatchObject({ secret: expect.any(Secret) as Secret });
    },
    { using },
  );
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

async function serve(handler: Handler): Promise<string> {
  const server: Server = createServer(handler);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const json = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
};

/** A stand-in for a Vault that lies or breaks, as no real one does on demand: any login is good, the rest is `broken`. */
async function brokenVault(broken: Handler, asked: string[] = []): Promise<CredentialProvider> {
  const address = await serve((message, response) => {
    asked.push(String(message.url));
    if (message.url === '/v1/auth/approle/login') {
      json(response, 200, { auth: { client_token: `s.${canary}`, lease_duration: 3600, renewable: true } });
    } else broken(message, response);
  });
  const connection = vaultConnection({
    address,
    login: appRole({ roleId: 'r', secretId: () => new Secret(canary) }),
    timeoutMs: 300,
  });
  return vaultDynamicProvider({
    tenants: { acme: connection },
    services: { orders: { mount: 'database', roles: [{ role: 'reader' }] } },
  });
}

const get = (provider: CredentialProvider): Promise<unknown> =>
  provider.get({ ...request, scope: {}, leaseId: randomUUID(), ttlMs: 60_000 }).catch((error: unknown) => error);

const login = { username: 'v-role-with-a-name', password: canary };

describe('a Vault that is broken', () => {
  const faults: readonly (readonly [string, Handler, RegExp])[] = [
    [
      'answers 500 with the SQL it ran, password and all',
      (_, r) => json(r, 500, { errors: [`CREATE ROLE x PASSWORD '${canary}'`] }),
      /500 .*log of Vault/,
    ],
    ['answers 400 with the request in its words', (_, r) => json(r, 400, { errors: [canary] }), /400/],
    ['answers 502 with a page', (_, r) => void r.writeHead(502).end(`<html>${canary}`), /502/],
    ['limits its rate', (_, r) => json(r, 429, {}), /429 .*too many requests/],
    ['is a standby', (_, r) => json(r, 473, {}), /standby/],
    ['answers with a page', (_, r) => void r.writeHead(200).end(`<html>${canary}`), /expected a lease/],
    ['answers nothing', (_, r) => void r.writeHead(204).end(), /expected a lease/],
    ['answers a list', (_, r) => json(r, 200, [login]), /expected a lease/],
    ['gives a secret without a lease', (_, r) => json(r, 200, { data: login }), /expected a lease/],
    [
      'gives a lease of no life',
      (_, r) => json(r, 200, { lease_id: 'database/creds/reader/1', lease_duration: 0, data: login }),
      /expected a lease/,
    ],
    [
      'gives a lease without a secret',
      (_, r) => json(r, 200, { lease_id: 'database/creds/reader/1', lease_duration: 60, data: {} }),
      /expected a credential/,
    ],
    [
      'gives a lease that cannot be shortened',
      (_, r) =>
        json(r, 200, { lease_id: 'database/creds/reader/1', lease_duration: 600, renewable: false, data: login }),
      /default_ttl/,
    ],
    ['never answers', () => undefined, /no answer in time/],
    [
      'never ends its answer',
      (_, r) => {
        r.writeHead(200).write('{');
        const timer = setInterval(() => r.write(' '), 50);
        r.once('close', () => clearInterval(timer));
      },
      /no answer in time/,
    ],
    ['answers without end', (_, r) => void r.writeHead(200).end(Buffer.alloc(2_000_000, canary)), /too large/],
    ['hangs up', (message) => void message.socket.destroy(), /did not answer/],
  ];
  for (const [name, handler, message] of faults) {
    verifies(['REL-3', 'CRD-7'], `and ${name} is a typed error without any of it`, async () => {
      const error = await get(await brokenVault(handler));
      expect(error).toBeInstanceOf(LeaseError);
      expect(String(error)).toMatch(/service orders/);
      expect(String(error)).toMatch(message);
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(canary);
      expect((error as Error).cause).toBeUndefined();
    });
  }

  verifies('CRD-7', 'and redirects to another host does not get the token sent there', async () => {
    const seen: unknown[] = [];
    const elsewhere = await serve((message, response) => {
      seen.push(message.headers);
      json(response, 200, { lease_id: 'database/creds/reader/1', lease_duration: 60, data: login });
    });
    const provider = await brokenVault((message, response) =>
      response.writeHead(307, { Location: `${elsewhere.replace('127.0.0.1', 'localhost')}${message.url}` }).end(),
    );
    expect(String(await get(provider))).toMatch(/307 .*redirects are not followed/);
    expect(seen).toEqual([]);
  });

  verifies('CRD-2', 'and gives what is refused afterwards, is told to end it', async () => {
    const asked: string[] = [];
    const lease = { lease_id: 'database/creds/reader/1', lease_duration: 86_400, renewable: true, data: login };
    const provider = await brokenVault(
      (message, response) => json(response, 200, message.url?.includes('creds') === true ? lease : {}),
      asked,
    );
    expect(String(await get(provider))).toMatch(/15 minutes/);
    expect(asked).toContain('/v1/sys/leases/revoke');
  });

  verifies('CRD-2', 'and lengthens a lease instead of shortening it, gives none', async () => {
    const asked: string[] = [];
    const lease = { lease_id: 'database/creds/reader/1', lease_duration: 600, renewable: true, data: login };
    const provider = await brokenVault((_, response) => json(response, 200, lease), asked);
    expect(String(await get(provider))).toMatch(/was not shortened/);
    expect(asked).toContain('/v1/sys/leases/revoke');
  });

  verifies('REL-3', 'and not there at all is named', async () => {
    const provider = vaultDynamicProvider({
      tenants: {
        acme: vaultConnection({
          address: 'http://127.0.0.1:1',
          login: appRole({ roleId: 'r', secretId: () => new Secret(canary) }),
        }),
      },
      services: { orders: { mount: 'database', roles: [{ role: 'reader' }] } },
    });
    const error = await get(provider);
    expect(String(error)).toMatch(/AppRole login: Vault did not answer .*check address and network/);
    expect(inspect(error, { depth: 20 })).not.toContain(canary);
  });

  verifies('REL-3', 'or fails once, is asked again by the next call: a failed login is not kept', async () => {
    let attempts = 0;
    const address = await serve((message, response) => {
      attempts += 1;
      if (attempts === 1) json(response, 503, {});
      else if (message.url?.includes('login') === true)
        json(response, 200, { auth: { client_token: 's.x', lease_duration: 60 } });
      else json(response, 200, { lease_id: 'database/creds/reader/1', lease_duration: 60, data: login });
    });
    const provider = vaultDynamicProvider({
      tenants: {
        acme: vaultConnection({ address, login: appRole({ roleId: 'r', secretId: () => new Secret(canary) }) }),
      },
      services: { orders: { mount: 'database', roles: [{ role: 'reader' }] } },
    });
    expect(String(await get(provider))).toMatch(/503/);
    expect(await get(provider)).toMatchObject({ credentialId: 'database/creds/reader/1' });
  });
});

describe('a supplier of secret ids', () => {
  const broken: readonly (readonly [string, () => Secret | Promise<Secret>, RegExp])[] = [
    ['that throws its secret', () => Promise.reject(new Error(canary)), /what supplies its secret failed/],
    ['that never answers', () => new Promise(() => undefined), /no answer within 400 ms/],
    ['that answers no secret', () => canary as never, /what supplies its secret failed/],
  ];
  for (const [name, first, message] of broken) {
    verifies(['REL-3', 'CRD-7'], `${name} fails that login without it, and is asked again by the next`, async () => {
      const address = await serve((message_, response) =>
        message_.url?.includes('login') === true
          ? json(response, 200, { auth: { client_token: 's.x', lease_duration: 60 } })
          : json(response, 200, { lease_id: 'database/creds/reader/1', lease_duration: 60, data: login }),
      );
      let asked = 0;
      const secretId = () => ((asked += 1) === 1 ? first() : new Secret('good-secret-id'));
      const connection = vaultConnection({ address, login: appRole({ roleId: 'r', secretId }), timeoutMs: 100 });
      const provider = vaultDynamicProvider({
        tenants: { acme: connection },
        services: { orders: { mount: 'database', roles: [{ role: 'reader' }] } },
      });
      const error = await get(provider);
      expect(error).toBeInstanceOf(LeaseError);
      expect(String(error)).toMatch(message);
      expect(inspect(error, { depth: 20 })).not.toContain(canary);
      expect(await get(provider)).toMatchObject({ credentialId: 'database/creds/reader/1' });
    });
  }
});

describe('the address of Vault', () => {
  const login = appRole({ roleId: 'r', secretId: () => new Secret(canary) });
  verifies('CRD-7', 'is https, or this machine, so that no token travels in the clear', () => {
    for (const address of [
      'http://vault.internal:8200',
      'ftp://localhost',
      'https://user:password@vault',
      'vault',
      '',
    ]) {
      expect(() => vaultConnection({ address, login })).toThrow(ConfigurationError);
    }
    expect(() => vaultConnection({ address: 'https://vault.internal', login })).not.toThrow();
    expect(() => vaultConnection({ address: 'https://vault.internal', login, namespace: '../root' })).toThrow(
      /namespace/,
    );
  });
});

import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, vi } from 'vitest';
import {
  ConfigurationError,
  createCountersign,
  currentLease,
  definePolicy,
  LeaseError,
  memoryStore,
  Secret,
  type Credential,
  type CredentialProvider,
  type LeaseRequest,
} from '@countersign/core';
import { providerContract } from '@countersign/core/testing';
import { withSpans } from '../../../test/adapters/spans.ts';
import { verifies } from '../../../test/verifies.ts';
import { githubAppProvider, type GithubAppProviderOptions } from '../src/index.ts';
import { app, startGithub, type GithubStandIn } from './github-stand-in.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const pem = (key = privateKey): Secret => new Secret(String(key.export({ type: 'pkcs1', format: 'pem' })));

let github: GithubStandIn;
beforeAll(async () => {
  github = await startGithub(publicKey);
});
afterAll(() => github.stop());
afterEach(() => {
  github.broken = undefined;
  github.tamper = (body) => body;
  github.live.clear();
  github.asked.length = 0;
});

const providerOf = (more: Partial<GithubAppProviderOptions> = {}): CredentialProvider =>
  githubAppProvider({
    appId: app.id,
    privateKey: pem(),
    installations: { acme: app.installation },
    baseUrl: github.url,
    ...more,
  });

const request: Omit<LeaseRequest, 'leaseId' | 'ttlMs'> = {
  tenant: 'acme',
  user: 'alice',
  agent: 'support',
  run: 'run-1',
  callKey: 'call-1',
  tool: 'readFile',
  capability: 'github:contents:read',
  argumentsDigest: 'digest',
  service: 'github',
  scope: { repositories: ['web'], permissions: { contents: 'read' } },
};
const lease = async (
  of: CredentialProvider,
  more: Partial<typeof request> = {},
  leaseId: string = randomUUID(),
): Promise<Credential> => (await of.get({ ...request, ...more, leaseId, ttlMs: 60_000 })) as Credential;

async function use(token: string, method: 'GET' | 'PUT', repository = 'web'): Promise<number> {
  const headers = { authorization: `Bearer ${token}` };
  return (await fetch(`${github.url}/repos/acme/${repository}/contents/a.txt`, { method, headers })).status;
}

describe('the provider contract', () => {
  const cases = providerContract(() => {
    github.now = Date.now();
    return {
      provider: providerOf({ clock: () => github.now }),
      request,
      async use(secret, { scope }) {
        const { contents } = scope['permissions'] as { contents: string };
        const [repository] = scope['repositories'] as string[];
        return (await use(secret.reveal(), contents === 'read' ? 'GET' : 'PUT', repository)) === 200;
      },
      beyond: { scope: { repositories: ['web'], permissions: { contents: 'write' } } },
      pass: (milliseconds) => void (github.now += milliseconds),
      now: () => github.now,
    };
  });
  for (const { name, run } of cases) verifies(['CRD-2', 'CRD-4'], `GitHub App, against a stand-in: ${name}`, run);
});

describe('an installation token', () => {
  verifies('CRD-4', 'is for the repositories and permissions of the call, and for no others', async () => {
    github.now = Date.now();
    const { secret } = await lease(providerOf());
    expect(await use(secret.reveal(), 'GET')).toBe(200);
    expect(await use(secret.reveal(), 'GET', 'infra')).toBe(403);
    expect(await use(secret.reveal(), 'PUT')).toBe(403);
  });

  verifies('CRD-2', 'is each call’s own, also of two that ask for the same at the same time', async () => {
    const provider = providerOf();
    const [first, second] = await Promise.all([lease(provider, {}, 'lease-1'), lease(provider, {}, 'lease-2')]);
    expect(first.secret.reveal()).not.toBe(second.secret.reveal());
    await provider.revoke({ tenant: 'acme', leaseId: 'lease-1', credentialId: first.credentialId });
    expect(await use(second.secret.reveal(), 'GET')).toBe(200);
    expect((await lease(provider)).secret.reveal()).not.toBe(second.secret.reveal());
  });

  verifies(
    'CRD-2',
    'is revoked by another process with the same key, and by none with another key or lease',
    async () => {
      const { credentialId } = await lease(providerOf(), {}, 'lease-1');
      const input = { tenant: 'acme', leaseId: 'lease-1', credentialId };
      await expect(providerOf({ privateKey: pem(other) }).revoke(input)).rejects.toBeInstanceOf(LeaseError);
      await expect(providerOf().revoke({ ...input, leaseId: 'lease-2' })).rejects.toBeInstanceOf(LeaseError);
      const changed = `${credentialId.slice(0, -2)}${credentialId.endsWith('AA') ? 'BB' : 'AA'}`;
      await expect(providerOf().revoke({ ...input, credentialId: changed })).rejects.toBeInstanceOf(LeaseError);
      expect(github.live.size).toBe(1);
      await providerOf().revoke(input);
      expect(github.live.size).toBe(0);
      await providerOf().revoke(input);
    },
  );

  verifies(
    'CRD-2',
    'ends at most an hour from when it was asked for, by our clock, whatever the clock of GitHub says',
    async () => {
      for (const skew of [-1_800_000, 0, 1_800_000]) {
        github.now = Date.now() + skew;
        const { expiresAt } = await lease(providerOf());
        expect(Math.abs(expiresAt - Date.now() - 3_600_000)).toBeLessThan(10_000);
      }
      github.now = Date.now();
    },
  );

  const tampered: readonly (readonly [string, (body: Record<string, unknown>) => Record<string, unknown>])[] = [
    ['another permission', (body) => ({ ...body, permissions: { contents: 'read', issues: 'read' } })],
    ['a higher level', (body) => ({ ...body, permissions: { contents: 'write' } })],
    ['a level nobody knows', (body) => ({ ...body, permissions: { contents: 'owner' } })],
    ['another repository', (body) => ({ ...body, repositories: [{ name: 'web' }, { name: 'infra' }] })],
    ['all repositories', (body) => ({ ...body, repository_selection: 'all' })],
    ['it does not say which repositories', ({ repositories: _, ...body }) => body],
    ['it does not say which permissions', ({ permissions: _, ...body }) => body],
    ['no end', ({ expires_at: _, ...body }) => body],
    ['an end in the past', (body) => ({ ...body, expires_at: '2020-01-01T00:00:00Z' })],
  ];
  for (const [name, tamper] of tampered) {
    verifies('CRD-4', `with ${name} is refused and revoked`, async () => {
      github.now = Date.now();
      github.tamper = tamper;
      await expect(lease(providerOf())).rejects.toBeInstanceOf(LeaseError);
      expect(github.asked.at(-1)).toBe('DELETE /installation/token');
      expect(github.live.size).toBe(0);
    });
  }

  const scopes: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['no scope, which would mean everything', {}],
    ['no repository, which would mean all', { repositories: [], permissions: { contents: 'read' } }],
    ['no permission, which would mean all', { repositories: ['web'], permissions: {} }],
    ['a repository with its owner', { repositories: ['evil/web'], permissions: { contents: 'read' } }],
    ['a repository that climbs', { repositories: ['..'], permissions: { contents: 'read' } }],
    ['a level nobody knows', { repositories: ['web'], permissions: { contents: 'all' } }],
    [
      'a permission that is a member of every object',
      { repositories: ['web'], permissions: { __proto__: null, constructor: 1 } },
    ],
    [
      'a member that nobody asked about',
      { repositories: ['web'], permissions: { contents: 'read' }, repository_ids: [1] },
    ],
  ];
  for (const [name, scope] of scopes) {
    verifies('CRD-4', `is not asked for with ${name}`, async () => {
      await expect(lease(providerOf(), { scope })).rejects.toThrow(/service github: expected a scope/);
      expect(github.asked).toEqual([]);
    });
  }
});

describe('a GitHub that refuses', () => {
  const canary = 'CANARY-of-github-do-not-leak';
  const status = (code: number) => () => {
    github.broken = (_, response) => {
      response
        .writeHead(code, { 'Content-Type': 'application/json' })
        .end(JSON.stringify({ message: canary, token: canary }));
    };
  };
  const refusals: readonly (readonly [
    string,
    () => void,
    Partial<GithubAppProviderOptions>,
    Partial<typeof request>,
    RegExp,
  ])[] = [
    ['a key that is not the App’s', () => undefined, { privateKey: pem(other) }, {}, /401: .*private key/],
    ['an App id that is not the key’s', () => undefined, { appId: 7 }, {}, /401: .*id/],
    ['an installation that is not there', () => undefined, { installations: { acme: 1 } }, {}, /404: .*installation/],
    [
      'a repository that is not the installation’s',
      () => undefined,
      {},
      { scope: { repositories: ['x'], permissions: { contents: 'read' } } },
      /422/,
    ],
    [
      'a permission that the App does not have',
      () => undefined,
      {},
      { scope: { repositories: ['web'], permissions: { secrets: 'read' } } },
      /422: .*ask for less/,
    ],
    ['a tenant without an installation', () => undefined, {}, { tenant: 'globex' }, /no installation/],
    ['a tenant named like a member of every object', () => undefined, {}, { tenant: 'toString' }, /no installation/],
    ['a suspended App', status(403), {}, {}, /403: .*suspended/],
    ['too many requests', status(429), {}, {}, /429: too many/],
    ['with a failure of its own', status(502), {}, {}, /502: an error inside GitHub/],
    [
      'with a page',
      () => void (github.broken = (_, response) => void response.end(`<html>${canary}`)),
      {},
      {},
      /without a token/,
    ],
    [
      'by silence',
      () => void (github.broken = () => undefined),
      { timeoutMs: 200 },
      {},
      /no answer from GitHub in time/,
    ],
    ['by hanging up', () => void (github.broken = (message) => void message.socket.destroy()), {}, {}, /no answer/],
    [
      'with a redirect to another host',
      () =>
        void (github.broken = (_, response) => void response.writeHead(307, { Location: 'http://localhost:1/' }).end()),
      {},
      {},
      /no answer/,
    ],
  ];
  for (const [name, broken, options, more, message] of refusals) {
    verifies(
      ['REL-3', 'CRD-7'],
      `${name}: a typed error with its remedy and without token, key or message`,
      async () => {
        github.now = Date.now();
        broken();
        const error: unknown = await lease(providerOf(options), more).catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(LeaseError);
        expect(String(error)).toMatch(/service github/);
        expect(String(error)).toMatch(message);
        const everything = inspect(error, { depth: 20, showHidden: true });
        expect(everything).not.toMatch(/CANARY|PRIVATE KEY|eyJ|ghs_/);
        expect((error as Error).cause).toBeUndefined();
      },
    );
  }

  verifies('REL-3', 'a clock that is off is corrected once, silently', async () => {
    const printed = [vi.spyOn(console, 'warn'), vi.spyOn(console, 'error')];
    try {
      github.now = Date.now() - 300_000;
      expect((await lease(providerOf())).expiresAt).toBeGreaterThan(Date.now());
      expect(github.asked).toHaveLength(2);
      for (const spy of printed) expect(spy).not.toHaveBeenCalled();
    } finally {
      for (const spy of printed) spy.mockRestore();
    }
  });

  verifies('CRD-2', 'to revoke: the lease stays open for the sweeper, and the error holds no token', async () => {
    github.now = Date.now();
    const provider = providerOf();
    const { credentialId, secret } = await lease(provider, {}, 'lease-1');
    status(500)();
    const error: unknown = await provider
      .revoke({ tenant: 'acme', leaseId: 'lease-1', credentialId })
      .catch((reason: unknown) => reason);
    expect(String(error)).toMatch(/revoking a token failed, GitHub answered 500/);
    expect(inspect(error, { depth: 20 })).not.toContain(secret.reveal());
  });
});

describe('the configuration', () => {
  verifies('CRD-7', 'is refused without an RSA key and https, and the error does not quote the key', () => {
    const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const wrong = new Secret('-----BEGIN PRIVATE KEY-----\nCANARY\n-----END PRIVATE KEY-----');
    for (const key of [wrong, new Secret(String(ec.export({ type: 'pkcs8', format: 'pem' })))]) {
      const made = () => providerOf({ privateKey: key });
      expect(made).toThrow(ConfigurationError);
      expect(made).toThrow(/^(?!.*CANARY)/s);
    }
    expect(() => providerOf({ baseUrl: 'http://github.example' })).toThrow(/expected https/);
    expect(() => providerOf({ baseUrl: 'https://github.example/api/v3' })).not.toThrow();
  });
});

describe('a call with an installation token', () => {
  const execute = async (acceptResidual: boolean, body: () => unknown) => {
    const countersign = createCountersign({
      policy: definePolicy({
        countersign: 1,
        name: 'github',
        version: '1',
        tenants: ['acme'],
        tools: {
          readFile: {
            capability: 'github:contents:read',
            risk: 'low',
            credential: { service: 'github', scope: { ...request.scope }, ttl: '1m', acceptResidual },
          },
        },
        agents: { support: { owner: 'user:alice', capabilities: ['github:contents:read'] } },
        users: { alice: { capabilities: ['github:contents:read'] } },
      }),
      store: memoryStore(),
      audit: { key: Buffer.alloc(32, 1) },
      credentials: [providerOf()],
    });
    const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
    const tool = { name: 'readFile', source: 'local' };
    const outcome = await gate.execute({ tool, callId: 'c1', step: '#0', origin: 'model', arguments: {} }, body);
    const records: { kind: string; event: string; detail?: string }[] = [];
    for await (const record of countersign.ledger.query({ tenant: 'acme' })) records.push(record as never);
    await countersign.close();
    return { outcome, records };
  };

  verifies('CRD-2', 'needs a policy that accepts its hour; without it no token is asked for', async () => {
    expect((await execute(false, () => 'never')).outcome.status).not.toBe('completed');
    expect(github.asked).toEqual([]);
  });

  verifies(['CRD-2', 'CRD-4', 'CRD-7'], 'uses it, revokes it at the end, and shows it nowhere', async () => {
    github.now = Date.now();
    let token = '';
    let status = 0;
    const body = async () => {
      token = currentLease('github').secret.reveal();
      status = await use(token, 'GET');
      return { token, header: `Basic ${Buffer.from(`x-access-token:${token}`).toString('base64')}` };
    };
    const { result, spans } = await withSpans(() => execute(true, body));
    expect([result.outcome.status, status]).toEqual(['completed', 200]);
    expect(await use(token, 'GET')).toBe(401);
    const credentials = result.records.filter(({ kind }) => kind === 'credential');
    expect(credentials).toMatchObject([
      { event: 'issued', detail: expect.stringMatching(/^valid until 20/) as string },
      { event: 'revoked' },
    ]);
    expect(credentials[1]?.detail).toBeUndefined();
    const everything = inspect([result, spans], { depth: 20, showHidden: true });
    expect(everything).not.toContain(token);
    expect(everything).not.toContain(Buffer.from(token).toString('base64').slice(4, 60));
  });
});

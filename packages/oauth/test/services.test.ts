import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ConfigurationError, KeyError, memoryStore } from '@countersign/core';
import { verifies } from '../../../test/verifies.ts';
import { actorTokens, createOAuth, fromAuthJs, type AuthJsProvider, type OAuthService } from '../src/index.ts';

const options = { clientId: 'id', clientSecret: 'secret' };
const lease = { mode: 'direct', maxLifetimeMs: 3_600_000 } as const;
const key = new Uint8Array(32).fill(1);

type Preset = (input: object) => AuthJsProvider;

/** Not by a plain import: its types bring those of browsers with them, for the whole project. */
async function preset(name: string): Promise<Preset> {
  return ((await import(`@auth/core/providers/${name}`)) as { default: Preset }).default;
}

const [GitHub, Google, Slack] = [await preset('github'), await preset('google'), await preset('slack')];

function configure(...services: OAuthService[]) {
  return createOAuth({
    store: memoryStore(),
    key,
    services,
    baseUrl: 'https://app.example/oauth',
    identify: () => undefined,
  });
}

describe('services described for Auth.js', () => {
  verifies('CRD-5', 'become services here, by discovery or with their endpoints', () => {
    expect(fromAuthJs(Google(options), { lease })).toMatchObject({
      name: 'google',
      server: { issuer: 'https://accounts.google.com' },
      client: { id: 'id' },
      authorizationParameters: { access_type: 'offline' },
    });
    expect(fromAuthJs(GitHub(options), { lease })).toMatchObject({
      name: 'github',
      scopeSeparator: ',',
      server: {
        metadata: {
          authorization_endpoint: 'https://github.com/login/oauth/authorize',
          token_endpoint: 'https://github.com/login/oauth/access_token',
        },
      },
    });
    expect(fromAuthJs(Slack(options), { lease, name: 'chat' })).toMatchObject({ name: 'chat' });
  });

  test('hide the client secret', () => {
    expect(
      JSON.stringify(fromAuthJs(GitHub({ clientId: 'id', clientSecret: 'hunter2hunter2' }), { lease })),
    ).not.toContain('hunter2');
  });

  test('are nearly all of them; what is left needs something that only its operator knows', async () => {
    const folder = path.join(path.dirname(createRequire(import.meta.url).resolve('@auth/core')), 'providers');
    const names = readdirSync(folder)
      .filter((name) => name.endsWith('.js'))
      .map((name) => name.slice(0, -3));
    const refused: string[] = [];
    for (const name of names) {
      // By mail or by key, and not by OAuth.
      if (['email', 'nodemailer', 'passkey', 'webauthn', 'index'].includes(name)) continue;
      const make = await preset(name);
      try {
        const provider = make({ ...options, issuer: 'https://issuer.example', apiKey: 'x' });
        if (provider.type !== 'oauth' && provider.type !== 'oidc') continue;
        configure(fromAuthJs(provider, { lease, name: 'service' }));
      } catch {
        refused.push(name);
      }
    }
    expect(names.length).toBeGreaterThan(90);
    expect(refused).toMatchInlineSnapshot(`
      [
        "oauth",
        "provider-types",
      ]
    `);
  });
});

describe('a configuration is refused', () => {
  const good: OAuthService = {
    name: 'calendar',
    server: { issuer: 'https://as.example' },
    client: { id: 'app' },
    lease,
  };
  test.each<[string, object, RegExp]>([
    ['with a name that is a path', { name: '../calendar' }, /name/],
    ['with a name that holds a dot', { name: 'a.b' }, /name/],
    ['without a client', { client: {} }, /client\.id/],
    ['without a lease mode', { lease: { maxLifetimeMs: 1 } }, /lease\.mode/],
    ['without a lifetime', { lease: { mode: 'direct' } }, /maxLifetimeMs/],
    ['with exchange and no actor', { lease: { mode: 'exchange', maxLifetimeMs: 1 } }, /actor/],
    ['with a scope that is two', { baseScopes: ['a b'] }, /baseScopes/],
    ['with a resource that has a fragment', { resource: 'https://a.example/#x' }, /resource/],
    ['with an issuer that is no address', { server: { issuer: 'as.example' } }, /not a URL/],
  ])('%s', (_name, change, message) => {
    const service = { ...good, ...change } as OAuthService;
    expect(() => configure(service)).toThrow(ConfigurationError);
    expect(() => configure(service)).toThrow(message);
  });

  test('with one service twice', () => {
    expect(() => configure(good, good)).toThrow(/twice/);
  });

  test('without a way to know who a browser is', () => {
    expect(() =>
      createOAuth({ store: memoryStore(), key, services: [], baseUrl: 'https://a.example' } as never),
    ).toThrow(/identify/);
  });
});

test('actor tokens are signed with P-256 only', () => {
  const input = { issuer: 'https://agents.example', audience: 'https://as.example', keyId: 'k' };
  expect(() => actorTokens({ ...input, signingKey: generateKeyPairSync('ed25519').privateKey })).toThrow(KeyError);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  expect(() => actorTokens({ ...input, signingKey: publicKey })).toThrow(KeyError);
  expect(() => actorTokens({ ...input, issuer: '', signingKey: privateKey })).toThrow(ConfigurationError);
});

import { generateKeyPairSync } from 'node:crypto';
import { exportJWK, SignJWT, UnsecuredJWT } from 'jose';
import { afterEach, describe, expect, test } from 'vitest';
import type { Approver } from '@countersign/core';
import { verifies } from '../../../test/verifies.ts';
import { oidcSignIn, type OidcPerson, type OidcSignInOptions } from '../src/index.ts';
import {
  clientId,
  clientSecret,
  sign,
  startProvider,
  type Forge,
  type TestProvider,
} from './support/openid-provider.ts';
import { cookieOf, fieldOn, visitorOf, type Visitor } from './support/visitor.ts';
import { createWorld, type World } from './support/world.ts';

let world: World;
let provider: TestProvider;
const others: TestProvider[] = [];
afterEach(async () => {
  await world.close();
  for (const each of [provider, ...others.splice(0)]) await each.close();
});

const tenants: Readonly<Record<string, string>> = { carol: 'acme', dave: 'acme', gus: 'globex' };
/** Whoever is in here is no approver any more. */
const removed = new Set<string>();

function approverFor({ issuer, sub, claims }: OidcPerson): Approver | undefined {
  const tenant = tenants[sub];
  if (issuer !== provider.issuer || tenant === undefined || removed.has(sub)) return undefined;
  return { tenant, id: sub, groups: Array.isArray(claims['groups']) ? claims['groups'].map(String) : [] };
}

/** A console with this provider, which knows the console. */
async function start(more: Partial<OidcSignInOptions> = {}, client: object = {}): Promise<void> {
  removed.clear();
  provider = await startProvider();
  const proof = more.clientKey === undefined ? { clientSecret } : {};
  const signIn = oidcSignIn({ issuer: provider.issuer, clientId, ...proof, approverFor, timeoutMs: 2_000, ...more });
  world = await createWorld(signIn);
  provider.register(`${world.origin}/sign-in/oidc/callback`, client);
}

interface Journey {
  readonly browser: Visitor;
  /** Where the provider sends the browser back to. */
  readonly answer: URL;
}

const goesTo = (page: string): string => (/content="0; url=([^"]+)"/.exec(page)?.[1] ?? '').replaceAll('&amp;', '&');

/** From the console to the provider, and up to the way back. */
async function journey(account: string, next?: string): Promise<Journey> {
  const browser = visitorOf(world);
  const begun = await browser.post('/sign-in/oidc/begin', next === undefined ? {} : { next });
  expect(begun.status).toBe(200);
  browser.cookie = cookieOf(begun);
  return { browser, answer: await provider.signIn(goesTo(await begun.text()), account) };
}

function comeBack({ browser, answer }: Journey): Promise<Response> {
  return browser.get(answer.href);
}

function sessionIn(response: Response): string | undefined {
  return /^countersign-\d+=[\w-]{43}/.exec(
    response.headers
      .getSetCookie()
      .join('\n')
      .replaceAll(/^.*departure.*\n/g, ''),
  )?.[0];
}

async function signedIn(account: string): Promise<Visitor> {
  const response = await comeBack(await journey(account));
  expect(response.status).toBe(200);
  return visitorOf(world, sessionIn(response));
}

async function expectRefused(response: Response, reason: string, status = 403): Promise<void> {
  expect([response.status, sessionIn(response)]).toEqual([status, undefined]);
  if (status === 403) expect(await world.refusals()).toEqual([reason]);
}

describe('sign-in at an OpenID provider', () => {
  verifies(['APR-6', 'APR-3'], 'opens the wanted request for the person it vouches for', async () => {
    await start();
    const id = await world.request();
    const response = await comeBack(await journey('carol', id));
    expect(goesTo(await response.text())).toBe(`/approvals/${id}`);
    const carol = visitorOf(world, sessionIn(response));
    const page = await (await carol.get(`/approvals/${id}`)).text();
    const fields = { token: fieldOn(page, 'token'), digest: fieldOn(page, 'digest'), verdict: 'approve' };
    expect((await carol.post(`/approvals/${id}/decision`, fields)).status).toBe(303);
    const { state, votes } = await world.approvals.show('carol-token', id);
    expect([state, votes[0]?.approver]).toEqual(['approved', 'carol']);
    expect(await world.refusals()).toEqual([]);
  });

  test('takes groups from the userinfo endpoint, and a client that signs with its own key', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = { ...(await exportJWK(publicKey)), kid: 'client', alg: 'ES256', use: 'sig' };
    const key = await crypto.subtle.importKey(
      'pkcs8',
      privateKey.export({ type: 'pkcs8', format: 'der' }),
      { name: 'ECDSA', namedCurve: 'P-256' },
      false,
      ['sign'],
    );
    const asked: unknown[] = [];
    const options: Partial<OidcSignInOptions> = {
      clientKey: { key, kid: 'client' },
      scope: 'openid groups',
      userInfo: true,
      approverFor: (person) => {
        asked.push(person.claims['groups']);
        return approverFor(person);
      },
    };
    const client = { token_endpoint_auth_method: 'private_key_jwt', client_secret: undefined, jwks: { keys: [jwk] } };
    await start(options, client);
    const carol = await signedIn('carol');
    expect((await carol.get('/')).status).toBe(200);
    // At sign-in, and again at the request.
    expect(asked).toEqual([['carols-team'], ['carols-team']]);
  });

  verifies(
    'APR-6',
    'who is removed is out at the next request, and so is everybody when the directory fails',
    async () => {
      let fails = false;
      await start({
        approverFor: (person) => {
          if (fails) throw new Error('the directory does not answer');
          return approverFor(person);
        },
      });
      const [carol, dave] = [await signedIn('carol'), await signedIn('dave')];
      removed.add('carol');
      expect([(await carol.get('/')).status, (await dave.get('/')).status]).toEqual([303, 200]);
      fails = true;
      expect((await dave.get('/')).status).toBe(303);
    },
  );

  verifies('APR-6', 'what the provider said counts for an hour, however busy the session is', async () => {
    await start();
    const carol = await signedIn('carol');
    for (let minutes = 0; minutes < 60; minutes += 20) {
      expect((await carol.get('/')).status).toBe(200);
      world.clock.ahead += 20 * 60_000;
    }
    expect((await carol.get('/')).status).toBe(303);
  });

  verifies('APR-6', 'a person of another tenant sees nothing of this one; an unknown one gets no session', async () => {
    await start();
    const id = await world.request();
    const gus = await signedIn('gus');
    expect((await gus.get(`/approvals/${id}`)).status).toBe(404);
    expect(await (await gus.get('/')).text()).toContain('Nothing waits for you.');
    await expectRefused(await comeBack(await journey('mallory')), 'unknown_person');
  });

  test('signing out leads to the provider, where the other session ends too', async () => {
    await start({ signOutAtProvider: true });
    const carol = await signedIn('carol');
    const token = fieldOn(await (await carol.get('/')).text(), 'token');
    const onwards = new URL(goesTo(await (await carol.post('/sign-out', { token })).text()));
    expect([onwards.origin, onwards.searchParams.get('post_logout_redirect_uri')]).toEqual([
      provider.issuer,
      `${world.origin}/sign-in`,
    ]);
    expect((await fetch(onwards)).status).toBe(200);
    expect((await carol.get('/')).status).toBe(303);
  });
});

describe('attacks on the way back from the provider', () => {
  verifies('APR-6', 'forged, missing or doubled state', async () => {
    await start();
    const changes: readonly ((query: URLSearchParams) => void)[] = [
      (query) => query.set('state', 'forged'),
      (query) => query.delete('state'),
      (query) => query.append('state', query.get('state') ?? ''),
    ];
    for (const change of changes) {
      const made = await journey('carol');
      change(made.answer.searchParams);
      const response = await comeBack(made);
      expect([response.status, sessionIn(response)]).toEqual([403, undefined]);
    }
    expect(await world.refusals()).toEqual(['provider', 'provider', 'provider']);
  });

  verifies('APR-6', 'replayed callback: the same address a second time, also from the same browser', async () => {
    await start();
    const made = await journey('carol');
    expect(sessionIn(await comeBack(made))).toBeDefined();
    await expectRefused(await comeBack(made), 'not_begun');
  });

  verifies('APR-6', 'callback in a browser that began nothing (login CSRF)', async () => {
    await start();
    const { answer } = await journey('mallory');
    await expectRefused(await comeBack({ browser: visitorOf(world), answer }), 'not_begun');
  });

  verifies('APR-6', "injected code: another session's code with one's own state", async () => {
    await start();
    const [attacker, victim] = [await journey('dave'), await journey('carol')];
    attacker.answer.searchParams.set('code', victim.answer.searchParams.get('code') ?? '');
    await expectRefused(await comeBack(attacker), 'provider');
  });

  verifies('APR-6', 'mix-up: the answer names another issuer, or none', async () => {
    await start();
    const mixed = await journey('carol');
    mixed.answer.searchParams.set('iss', 'https://evil.example');
    await expectRefused(await comeBack(mixed), 'provider');
    const silent = await journey('carol');
    silent.answer.searchParams.delete('iss');
    expect(sessionIn(await comeBack(silent))).toBeUndefined();
  });

  verifies('APR-6', 'mix-up: an answer for one provider is brought to the address of another', async () => {
    provider = await startProvider();
    const second = await startProvider();
    others.push(second);
    const of = (issuer: string, name: string) =>
      oidcSignIn({ issuer, clientId, clientSecret, approverFor: () => ({ tenant: 'acme', id: 'carol' }), name });
    world = await createWorld([of(provider.issuer, 'oidc'), of(second.issuer, 'second')]);
    provider.register(`${world.origin}/sign-in/oidc/callback`);
    second.register(`${world.origin}/sign-in/second/callback`);
    const made = await journey('carol');
    made.answer.pathname = '/sign-in/second/callback';
    await expectRefused(await comeBack(made), 'not_begun');
  });

  const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const forgeries: Readonly<Record<string, Forge>> = {
    'another nonce': (claims, key) => sign({ ...claims, nonce: 'another' }, key),
    'no nonce': ({ nonce: _nonce, ...claims }, key) => sign(claims, key),
    'another audience': (claims, key) => sign({ ...claims, aud: 'another-client' }, key),
    'two audiences, made for the other': (claims, key) => sign({ ...claims, aud: [clientId, 'x'], azp: 'x' }, key),
    'another issuer': (claims, key) => sign({ ...claims, iss: 'https://evil.example' }, key),
    'a time that is over': (claims, key) => sign({ ...claims, exp: Math.floor(Date.now() / 1_000) - 3_600 }, key),
    'no expiry': ({ exp: _exp, ...claims }, key) => sign(claims, key),
    'no subject': ({ sub: _sub, ...claims }, key) => sign(claims, key),
    "a stranger's key": (claims) => sign({ ...claims, sub: 'carol' }, other),
    'no signature': (claims) => new UnsecuredJWT({ ...claims, sub: 'carol' }).encode(),
    'the client secret as key': (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(clientSecret)),
    'a sign-in long ago': (claims, key) => sign({ ...claims, auth_time: Math.floor(Date.now() / 1_000) - 3_600 }, key),
    'no time of the sign-in': ({ auth_time: _time, ...claims }, key) => sign(claims, key),
    'no token at all': () => '',
  };
  verifies('APR-6', 'ID tokens that prove something else', async () => {
    await start({ maxAgeSeconds: 600 });
    for (const [name, forge] of Object.entries(forgeries)) {
      provider.forge = forge;
      const response = await comeBack(await journey('carol'));
      expect([name, response.status, sessionIn(response)]).toEqual([name, 403, undefined]);
    }
    // The forgeries are refused for what they are: the same path with the provider's own claims works.
    provider.forge = sign;
    expect(sessionIn(await comeBack(await journey('carol')))).toBeDefined();
  });

  verifies('APR-6', 'a provider that says no, and one that repeats hostile text', async () => {
    await start();
    await expectRefused(await comeBack(await journey('nobody')), 'provider');
    const made = await journey('carol');
    made.answer.search = '?error=<script>alert(1)</script>&error_description=<img src=x>';
    const response = await comeBack(made);
    expect(response.status).toBe(403);
    expect(await response.text()).not.toMatch(/<script>alert|<img/);
  });
});

describe('a provider that does not answer as it should', () => {
  verifies('REL-3', 'is asked again without a restart', async () => {
    await start();
    const begin = () => visitorOf(world).post('/sign-in/oidc/begin', {});
    provider.intercept = (_request, response) => (response.writeHead(502).end(), true);
    expect((await begin()).status).toBe(503);
    provider.intercept = () => true;
    expect((await begin()).status).toBe(503);
    provider.intercept = (_request, response) => {
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ issuer: 'https://evil.example', authorization_endpoint: 'https://evil.example/a' }),
      );
      return true;
    };
    expect((await begin()).status).toBe(503);
    provider.intercept = (_request, response) => (response.writeHead(302, { location: '/elsewhere' }).end(), true);
    expect((await begin()).status).toBe(503);
    provider.intercept = undefined;
    const made = await journey('carol');
    provider.intercept = ({ url }, response) => url === '/token' && (response.writeHead(503).end(), true);
    await expectRefused(await comeBack(made), '', 503);
    const again = await journey('carol');
    provider.intercept = ({ url }, response) => url === '/token' && (response.end(Buffer.alloc(300_000, ' ')), true);
    await expectRefused(await comeBack(again), 'provider');
    provider.intercept = undefined;
    expect((await (await signedIn('carol')).get('/')).status).toBe(200);
  });

  verifies('REL-3', 'is not followed to an address in the clear', async () => {
    await start();
    provider.intercept = (_request, response) => {
      const { issuer } = provider;
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({ issuer, authorization_endpoint: 'http://idp.example/auth', jwks_uri: `${issuer}/jwks` }),
      );
      return true;
    };
    const response = await visitorOf(world).post('/sign-in/oidc/begin', {});
    expect([response.status, await response.text()]).toEqual([503, expect.not.stringContaining('idp.example')]);
  });

  test('is refused at the start when it could be listened to', async () => {
    await start();
    const make = (more: Partial<OidcSignInOptions>) => () =>
      oidcSignIn({ issuer: 'https://idp.example', clientId, approverFor, ...more });
    expect(make({ issuer: 'http://idp.example' })).toThrow(/https address/);
    expect(make({ issuer: 'https://user:word@idp.example' })).toThrow(/https address/);
    expect(make({ issuer: 'nonsense' })).toThrow(/https address/);
    expect(make({ clientId: '' })).toThrow(/has an id/);
    expect(make({ clientSecret: '' })).toThrow(/secret or a key/);
    expect(make({})).not.toThrow();
  });
});

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LeaseError } from '@countersign/core';
import { verifies } from '../../../test/verifies.ts';
import { createServer as createAuthorizationServer } from '../src/authorization-server.ts';
import { failure } from '../src/failure.ts';
import { createTransport } from '../src/transport.ts';
import { clientSecret } from './support/authorization-server.ts';
import { ada, calendar, connect, createWorld, lend, type World } from './support/world.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.close());

const token = 'a-token-that-must-never-be-seen';
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const sound = { access_token: token, issued_token_type: accessTokenType, token_type: 'Bearer', expires_in: 60 };

type Answer = readonly [status: number, type: string, body: string];
const json = (body: object): Answer => [200, 'application/json', JSON.stringify(body)];

/** The error of a call whose exchange is answered like this. */
async function exchangeAnswered([status, type, body]: Answer, headers: Record<string, string> = {}): Promise<unknown> {
  await connect(world);
  world.server.intercept.set('/token', (_request, response) => {
    response.writeHead(status, { 'content-type': type, ...headers }).end(body);
    return true;
  });
  const error: unknown = await lend(world.oauth).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(LeaseError);
  const text = String(error) + JSON.stringify(error) + String((error as Error).stack) + String((error as Error).cause);
  expect(text).toContain('service calendar');
  expect(text).toContain('remedy');
  for (const secret of [token, clientSecret]) expect(text).not.toContain(secret);
  return error;
}

describe('the token endpoint answers', () => {
  const cases: Readonly<Record<string, readonly [Answer, RegExp]>> = {
    HTML: [[200, 'text/html', `<p>${token}`], /RESPONSE_IS_NOT_JSON/],
    garbage: [[200, 'application/json', `{"access_token":"${token}`], /PARSE_ERROR/],
    nothing: [[200, 'application/json', ''], /PARSE_ERROR/],
    'a list': [[200, 'application/json', '[]'], /INVALID_RESPONSE|top level|not what the standard/],
    'no token': [json({ token_type: 'Bearer' }), /INVALID_RESPONSE/],
    'an error with status 200': [json({ error: 'invalid_client' }), /invalid_client/],
    'an error that is a script': [[400, 'application/json', `{"error":"<script>${token}"}`], /unknown_error/],
    'an error that quotes the secret': [
      [401, 'application/json', JSON.stringify({ error: 'invalid_client', error_description: clientSecret })],
      /invalid_client.*check the client id/,
    ],
    'status 500': [[500, 'application/json', '{"error":"server_error"}'], /RESPONSE_IS_NOT_CONFORM|server_error/],
    'a body without an end': [[200, 'application/json', `"${'x'.repeat(70_000)}"`], /larger than 65536/],
    'a token of another kind': [json({ ...sound, token_type: 'N_A' }), /UNSUPPORTED|another type/],
    'a token of another type': [json({ ...sound, issued_token_type: 'urn:x' }), /another type/],
    'a token that is a header': [
      json({ ...sound, access_token: 'token\\r\\nx-admin: yes'.replaceAll('\\\\', '\\') }),
      /visible/,
    ],
    'more scopes': [json({ ...sound, scope: 'calendar:read calendar:write' }), /more scopes/],
    'fewer scopes': [json({ ...sound, scope: 'calendar:write' }), /fewer scopes/],
    'a life that is too long': [json({ ...sound, expires_in: 86_400 }), /at most 300000 ms/],
    'a life that is no number': [json({ ...sound, expires_in: 'soon' }), /INVALID_RESPONSE/],
    'no life': [json({ ...sound, expires_in: undefined }), /how long/],
  };
  for (const [name, [answer, expected]] of Object.entries(cases)) {
    verifies('CRD-5', `${name}: a lease error with service and remedy, without a secret`, async () => {
      expect(String(await exchangeAnswered(answer))).toMatch(expected);
    });
  }

  test.each(['more scopes', 'fewer scopes', 'a life that is too long', 'no life'])(
    '%s: what was issued is revoked',
    async (name) => {
      const [answer] = cases[name] ?? [];
      if (answer === undefined) throw new Error('no such case');
      await exchangeAnswered(answer);
      expect(world.server.revoked).toContain(token);
    },
  );

  verifies('CRD-5', 'with a redirect to somewhere else: it is not followed, and the secret goes nowhere', async () => {
    let visits = 0;
    const elsewhere = createServer((_request, response) => void response.end(String((visits += 1))));
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    const location = `http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`;
    await exchangeAnswered([307, 'application/json', ''], { location });
    expect(visits).toBe(0);
    elsewhere.close();
  });

  verifies('CRD-5', 'nothing, or a byte now and then: the call ends in bounded time', async () => {
    await connect(world);
    world.server.intercept.set('/token', async (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (let count = 0; count < 20 && !response.destroyed; count += 1) {
        response.write(' ');
        await sleep(200);
      }
      response.end();
      return true;
    });
    await expect(lend(world.oauth)).rejects.toThrow(/calendar, exchange: no answer in time/);
  });
});

describe('a server that is down', () => {
  test('fails the call, and not the next one', async () => {
    await connect(world);
    const fresh = world.again();
    world.server.intercept.set('/.well-known/openid-configuration', (_request, response) => {
      response.writeHead(502).end();
      return true;
    });
    await expect(lend(fresh)).rejects.toThrow(/service calendar/);
    world.server.intercept.clear();
    expect((await lend(fresh)).token).toBeDefined();
  });

  test('says so to a user who begins a consent', async () => {
    const { consent = '' } = await lend(world.oauth);
    await world.close();
    const page = await world.visit(ada, consent);
    expect([page.status, await page.text()]).toEqual([502, expect.stringContaining('cannot be reached')]);
    world = await createWorld();
  });
});

describe('metadata', () => {
  /** What becomes of a request to a server whose metadata has these members. */
  async function withMetadata(change: object): Promise<string> {
    world.server.intercept.set('/.well-known/openid-configuration', (_request, response) => {
      const { issuer } = world.server;
      const metadata = {
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        code_challenge_methods_supported: ['S256'],
        ...change,
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(metadata));
      return true;
    });
    const transport = createTransport({ allowLoopbackHttp: true, timeoutMs: 1_000 });
    const server = createAuthorizationServer(calendar(world.server), transport, Date.now);
    return server.issuer().then(
      () => 'accepted',
      (error: unknown) => failure('calendar', 'test', error).message,
    );
  }

  verifies('CRD-5', 'that leads elsewhere (SSRF), or names another issuer, is refused', async () => {
    expect(await withMetadata({})).toBe('accepted');
    expect(await withMetadata({ token_endpoint: 'http://metadata.example/token' })).toMatch(/not https/);
    // Names that only begin like an address of this machine.
    expect(await withMetadata({ token_endpoint: 'http://127.0.0.1.evil.example/token' })).toMatch(/not https/);
    expect(await withMetadata({ token_endpoint: 'http://127.0.evil.example/token' })).toMatch(/not https/);
    expect(await withMetadata({ token_endpoint: 'https://169.254.169.254/token' })).toMatch(/no host name/);
    expect(await withMetadata({ token_endpoint: 'https://[fd00::1]/token' })).toMatch(/no host name/);
    expect(await withMetadata({ revocation_endpoint: 'file:///etc/passwd' })).toMatch(/not https/);
    expect(await withMetadata({ authorization_endpoint: 'javascript:alert(1)' })).toMatch(/not https/);
    expect(await withMetadata({ token_endpoint: 'https://user@server.example/' })).toMatch(/user name/);
    expect(await withMetadata({ token_endpoint: undefined })).toMatch(/no authorization or token endpoint/);
    expect(await withMetadata({ issuer: 'https://evil.example' })).toMatch(/JSON_ATTRIBUTE_COMPARISON/);
  });

  verifies('CRD-5', 'without PKCE: the server is not used', async () => {
    expect(await withMetadata({ code_challenge_methods_supported: ['plain'] })).toMatch(/PKCE/);
    expect(await withMetadata({ code_challenge_methods_supported: undefined })).toMatch(/PKCE/);
  });

  verifies('CRD-5', 'http to this machine needs an option, and http elsewhere is never accepted', () => {
    const server = { issuer: 'http://as.example' };
    const service = { ...calendar(world.server), server };
    expect(() => world.again({ allowLoopbackHttp: false })).toThrow(/this machine/);
    expect(() => world.again({ services: [service] })).toThrow(/not https/);
    expect(() => world.again({ baseUrl: 'http://app.example/oauth' })).toThrow(/baseUrl/);
  });
});

describe('a server that revokes nothing', () => {
  test('is refused before anything is issued, unless that is declared', async () => {
    await connect(world);
    world.server.intercept.set('/.well-known/openid-configuration', (_request, response) => {
      const { issuer } = world.server;
      const metadata = {
        issuer,
        authorization_endpoint: `${issuer}/auth`,
        token_endpoint: `${issuer}/token`,
        code_challenge_methods_supported: ['S256'],
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(metadata));
      return true;
    });
    const before = world.server.tokenRequests.length;
    await expect(lend(world.again())).rejects.toThrow(/revocable: false/);
    expect(world.server.tokenRequests).toHaveLength(before);
    const service = calendar(world.server);
    if (service.lease.mode !== 'exchange') throw new Error('not the service of this test');
    const declared = world.again({ services: [{ ...service, lease: { ...service.lease, revocable: false } }] });
    expect(declared.providers[0]).toMatchObject({ revocable: false });
    expect((await lend(declared)).token).toBeDefined();
  });
});

describe('a policy', () => {
  test.each([
    [{}],
    [{ scopes: [] }],
    [{ scopes: ['a b'] }],
    [{ scopes: ['calendar:read'], role: 'admin' }],
    [{ scopes: 'calendar:read' }],
    [{ scopes: ['calendar:read'], resource: 'no-uri' }],
  ])('whose scope is %j leases nothing', async (scope) => {
    await connect(world);
    await expect(lend(world.oauth, { scope })).rejects.toThrow(/service calendar.*policy/);
  });

  test('that names a resource has the token made for it (RFC 8707)', async () => {
    await connect(world);
    const resource = 'https://calendar.example/api';
    const { token = '' } = await lend(world.oauth, { scope: { scopes: ['calendar:read'], resource } });
    expect(await world.server.introspect(token)).toMatchObject({ resource });
  });
});

import { createServer as createTlsServer, request as httpsRequest } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdaptorServer } from '@hono/node-server';
import { Hono } from 'hono';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { approverToken, createConsole } from '../src/index.ts';
import { selfSigned } from '../../core/test/support/self-signed.ts';
import { verifies } from '../../../test/verifies.ts';
import { cookieOf, fieldOn, visitorOf } from './support/visitor.ts';
import { createWorld, people, type World } from './support/world.ts';

let world: World;
afterEach(() => world?.close());

verifies('REL-3', 'who runs the console is told why a page failed, and whoever asked for it is not', async () => {
  const cause = new Error('approvers.json can be read by others');
  const told: unknown[] = [];
  const onFailure = (error: unknown): void => void told.push(error);
  world = await createWorld(approverToken({ authenticate: () => Promise.reject(cause) }), { onFailure });
  const visitor = visitorOf(world);
  const answer = await visitor.post('/sign-in', { code: 'carol-token' });
  expect(answer.status).toBe(403);
  expect(await answer.text()).not.toContain('approvers.json');
  expect(told).toEqual([cause]);
  expect((await visitor.get('/nothing-here')).status).toBeLessThan(500);
  expect(told).toHaveLength(1);
});

describe('guessing', () => {
  verifies('APR-6', 'is slowed down: after 20 wrong tries also the right one waits, and is told how long', async () => {
    world = await createWorld();
    const guesser = visitorOf(world);
    for (let tries = 0; tries < 20; tries += 1) {
      expect((await guesser.post('/sign-in', { code: `guess-${tries}` })).status).toBe(403);
    }
    const late = await guesser.post('/sign-in', { code: 'carol-token' });
    expect([late.status, late.headers.get('set-cookie')]).toEqual([429, null]);
    expect(Number(late.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    // Ten records in full, the other ten counted; the 429 is one more.
    const refusals = await world.refusals();
    expect(refusals.filter((reason) => reason === 'credential')).toHaveLength(11);
    expect(refusals).toContain('rate_limited');
  });

  verifies('APR-6', 'does not lock out who comes from elsewhere, nor who gets it right', async () => {
    const addressOf = (request: Request) => request.headers.get('x-real-ip') ?? undefined;
    world = await createWorld(undefined, { addressOf });
    const person = visitorOf(world);
    const from = (address: string, code: string) => person.post('/sign-in', { code }, { 'x-real-ip': address });
    for (let tries = 0; tries < 25; tries += 1) await from('10.0.0.1', 'guess');
    expect((await from('10.0.0.1', 'carol-token')).status).toBe(429);
    for (let tries = 0; tries < 25; tries += 1) expect((await from('10.0.0.2', 'carol-token')).status).toBe(303);
  });

  verifies(
    'APR-6',
    'from every address of one IPv6 network is counted together, and so is one IPv4 address',
    async () => {
      const addressOf = (request: Request) => request.headers.get('x-real-ip') ?? undefined;
      world = await createWorld(undefined, { addressOf });
      const person = visitorOf(world);
      const from = (address: string, code: string) => person.post('/sign-in', { code }, { 'x-real-ip': address });
      for (let tries = 0; tries < 20; tries += 1) await from(`2001:db8:0:1::${tries + 1}`, 'guess');
      expect((await from('2001:db8:0:1:ffff::1', 'carol-token')).status).toBe(429);
      expect((await from('2001:db8:0:2::1', 'carol-token')).status).toBe(303);
      for (let tries = 0; tries < 20; tries += 1) await from('::ffff:10.0.0.1', 'guess');
      expect((await from('10.0.0.1', 'carol-token')).status).toBe(429);
    },
  );

  verifies('REL-3', 'is impossible while the limiter fails or hangs', async () => {
    const limiters = [() => Promise.reject(new Error('no store')), () => new Promise<never>(() => undefined)];
    for (const take of limiters) {
      world = await createWorld(undefined, { signInLimit: { points: 1, perMs: 1, take, giveBack: () => undefined } });
      expect((await visitorOf(world).post('/sign-in', { code: 'carol-token' })).status).toBe(429);
      await world.close();
    }
  });

  verifies(
    'REL-3',
    'is not what a right token at a directory that hangs counts as: it is late, and refused',
    async () => {
      let asked = 0;
      const never = () => ((asked += 1), new Promise<never>(() => undefined));
      world = await createWorld(approverToken({ authenticate: never }));
      const person = visitorOf(world);
      vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
      try {
        const tries = Array.from({ length: 10 }, () => person.post('/sign-in', { code: 'carol-token' }));
        await vi.waitFor(() => expect(asked).toBe(10));
        await vi.advanceTimersByTimeAsync(10_000);
        expect((await Promise.all(tries)).map(({ status }) => status)).toEqual(tries.map(() => 503));
        expect(await world.refusals()).toEqual([]);
        const again = Array.from({ length: 20 }, () => person.post('/sign-in', { code: '' }));
        expect((await Promise.all(again)).map(({ status }) => status)).toEqual(again.map(() => 403));
      } finally {
        vi.useRealTimers();
      }
    },
  );

  test('is recorded in the ledger of a tenant only if the service can', () => {
    const service = { as: () => expect.fail('nobody signed in') };
    const signIn = approverToken({ authenticate: () => undefined });
    expect(() => createConsole({ service, signIn, tenant: 'acme', url: 'https://ops.example' })).toThrow(
      /recordRefused/,
    );
  });
});

interface Answer {
  readonly status: number | undefined;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Over real TLS, with a certificate that nobody else trusts. */
async function serveTls(path: string, wrap: (fetch: (request: Request) => Promise<Response>) => typeof fetch) {
  const { key, cert } = selfSigned();
  let answer: (request: Request) => Response | Promise<Response> = () => new Response(undefined, { status: 503 });
  const server = createAdaptorServer({
    fetch: (request: Request) => answer(request),
    createServer: createTlsServer,
    serverOptions: { key, cert },
    overrideGlobalObjects: false,
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const approvers = { authenticate: (token: string) => people[token] };
  const console = createConsole({
    service: world.approvals,
    signIn: approverToken(approvers),
    url: `${origin}${path}`,
  });
  answer = wrap((request) => console.fetch(request)) as typeof answer;
  return {
    origin,
    ask(address: string, cookie = '', form?: Record<string, string>): Promise<Answer> {
      const headers = { cookie, origin, 'content-type': 'application/x-www-form-urlencoded' };
      return new Promise((resolve, reject) => {
        const method = form === undefined ? 'GET' : 'POST';
        const asked = httpsRequest(new URL(address, origin), { ca: cert, method, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const body = Buffer.concat(chunks).toString('utf8');
            resolve({ status: response.statusCode, headers: response.headers, body });
          });
        });
        asked.once('error', reject);
        asked.end(form === undefined ? undefined : new URLSearchParams(form).toString());
      });
    },
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  };
}

describe('over TLS, below a path, in another server', () => {
  const mounts = {
    'a server of node:https': (answer: (request: Request) => Promise<Response>) => answer,
    'an app of Hono': (answer: (request: Request) => Promise<Response>) => {
      const app = new Hono();
      app.get('/', (context) => context.text('the application itself'));
      app.all('/ops/approvals/*', (context) => answer(context.req.raw));
      app.all('/ops/approvals', (context) => answer(context.req.raw));
      return (request: Request) => app.fetch(request);
    },
  };
  for (const [name, wrap] of Object.entries(mounts)) {
    verifies('OPS-3', `it works in ${name}: the cookie is for this host alone and for https alone`, async () => {
      world = await createWorld();
      const id = await world.request();
      const served = await serveTls('/ops/approvals', wrap as never);
      try {
        const path = `/ops/approvals/approvals/${id}`;
        const entry = await served.ask(path);
        expect([entry.status, entry.headers.location]).toEqual([303, `/ops/approvals/sign-in?next=${id}`]);
        const signIn = await served.ask('/ops/approvals/sign-in', '', { code: 'carol-token', next: id });
        expect([signIn.status, signIn.headers.location]).toEqual([303, path]);
        const [set = ''] = signIn.headers['set-cookie'] ?? [];
        expect(set).toMatch(/^__Host-countersign=[\w-]{43}; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
        const [cookie = ''] = set.split(';');
        const page = await served.ask(path, cookie);
        expect(page.headers['strict-transport-security']).toMatch(/^max-age=/);
        for (const [, address = ''] of page.body.matchAll(/(?:href|src|action)="([^"]+)"/g)) {
          expect(address).toMatch(/^(?:\/ops\/approvals\/|#)/);
        }
        const fields = { token: fieldOn(page.body, 'token'), digest: fieldOn(page.body, 'digest'), verdict: 'reject' };
        expect((await served.ask(`${path}/decision`, cookie, fields)).status).toBe(303);
        expect((await world.approvals.show('carol-token', id)).state).toBe('rejected');
        const out = await served.ask('/ops/approvals/sign-out', cookie, { token: fields.token });
        expect(out.headers['set-cookie']?.[0]).toMatch(/^__Host-countersign=; Max-Age=0; Path=\/; .*Secure/);
        expect((await served.ask(path, cookie)).status).toBe(303);
      } finally {
        await served.close();
      }
    });
  }

  verifies('APR-6', 'a cookie that a subdomain or plain http could plant is not looked at', async () => {
    world = await createWorld();
    const served = await serveTls('/ops/approvals', mounts['a server of node:https'] as never);
    try {
      const signIn = await served.ask('/ops/approvals/sign-in', '', { code: 'carol-token' });
      const id = /=([\w-]{43});/.exec(signIn.headers['set-cookie']?.[0] ?? '')?.[1] ?? '';
      for (const name of ['countersign', 'countersign-443', '__Secure-countersign', '__host-countersign']) {
        expect([name, (await served.ask('/ops/approvals/', `${name}=${id}`)).status]).toEqual([name, 303]);
      }
      for (const path of ['/ops/approvals/', '/ops/approvals', '/ops/approvals/history']) {
        expect([path, (await served.ask(path, `__Host-countersign=${id}`)).status]).toEqual([path, 200]);
      }
    } finally {
      await served.close();
    }
  });

  test('on loopback the cookie holds the port, so that two consoles on one machine do not sign each other out', async () => {
    world = await createWorld();
    const answer = await visitorOf(world).post('/sign-in', { code: 'carol-token' });
    expect(cookieOf(answer)).toMatch(new RegExp(`^countersign-${new URL(world.url).port}=`));
  });
});

import { request as httpRequest } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { createConsole, oneTimeCode } from '../src/index.ts';
import { cookieOf, fieldOn, visitorOf, type Visitor } from './support/visitor.ts';
import { createWorld, type World } from './support/world.ts';

let world: World;
afterEach(() => world?.close());

const visitor = (cookie?: string): Visitor => visitorOf(world, cookie);

async function signedIn(code = 'carol-token'): Promise<Visitor> {
  const person = visitor();
  const response = await person.post('/sign-in', { code });
  expect(response.status).toBe(303);
  person.cookie = cookieOf(response);
  return person;
}

/** What a form on the page would send. */
async function formOn(person: Visitor, id: string): Promise<{ token: string; digest: string }> {
  const page = await (await person.get(`/approvals/${id}`)).text();
  return { token: fieldOn(page, 'token'), digest: fieldOn(page, 'digest') };
}

const stateOf = async (id: string): Promise<string> => (await world.approvals.show('carol-token', id)).state;

/** A request with a Host of the attacker's, which `fetch` does not send. */
function statusForHost(host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest(new URL('/sign-in', world.url), { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.once('error', reject).end();
  });
}

describe('the console', () => {
  verifies(['APR-6', 'OPS-3'], 'shows nothing and decides nothing without a session', async () => {
    world = await createWorld();
    const id = await world.request();
    for (const path of ['/', '/history', `/approvals/${id}`]) {
      const response = await visitor().get(path);
      expect([response.status, new URL(response.headers.get('location') ?? '', world.url).pathname]).toEqual([
        303,
        '/sign-in',
      ]);
    }
    expect((await visitor().get('/events')).status).toBe(401);
    const { digest } = await world.approvals.show('carol-token', id);
    const blind = await visitor().post(`/approvals/${id}/decision`, { verdict: 'approve', digest });
    expect([blind.status, await stateOf(id)]).toEqual([401, 'pending']);
  });

  verifies('APR-6', 'opening any link with GET or HEAD, as link scanners do, decides nothing', async () => {
    world = await createWorld();
    const id = await world.request();
    const carol = await signedIn();
    const { token, digest } = await formOn(carol, id);
    const query = new URLSearchParams({ verdict: 'approve', token, digest });
    const path = `/approvals/${id}/decision?${query.toString()}`;
    expect((await carol.get(path)).status).toBe(404);
    const head = await fetch(new URL(path, world.url), { method: 'HEAD', headers: { cookie: carol.cookie } });
    expect([head.status, await stateOf(id)]).toEqual([404, 'pending']);
  });

  verifies(
    'APR-6',
    'a forged form is refused: no token, the token of another session, another origin, none',
    async () => {
      world = await createWorld();
      const id = await world.request();
      const carol = await signedIn();
      const dave = await signedIn('dave-token');
      const { token, digest } = await formOn(carol, id);
      const other = await formOn(dave, id);
      const path = `/approvals/${id}/decision`;
      const fields = { verdict: 'approve', digest, token };
      const refused = [
        await carol.post(path, { verdict: 'approve', digest }),
        await carol.post(path, { ...fields, token: other.token }),
        await carol.post(path, { ...fields, token: '' }),
        await carol.post(path, fields, { origin: 'https://evil.example' }),
        await carol.post(path, fields, { origin: 'null' }),
        await carol.post(path, fields, { origin: '' }),
        await carol.post(path, fields, { 'sec-fetch-site': 'cross-site' }),
        await carol.post(path, fields, { 'content-type': 'text/plain' }),
      ];
      expect(refused.map(({ status }) => status)).toEqual([403, 403, 403, 403, 403, 403, 403, 415]);
      expect(await stateOf(id)).toBe('pending');
      expect((await carol.post(path, fields)).status).toBe(303);
      expect(await stateOf(id)).toBe('approved');
    },
  );

  verifies('APR-6', 'a name rebound to this address is refused', async () => {
    world = await createWorld();
    expect(await statusForHost('evil.example')).toBe(421);
    expect(await statusForHost(new URL(world.url).host)).toBe(200);
  });

  verifies(
    'APR-6',
    'a planted session id is worth nothing after sign-in, and an old one nothing after sign-out',
    async () => {
      world = await createWorld();
      const first = await signedIn();
      const second = visitor(first.cookie);
      second.cookie = cookieOf(await second.post('/sign-in', { code: 'carol-token' }));
      expect(second.cookie).not.toBe(first.cookie);
      expect([(await first.get('/')).status, (await second.get('/')).status]).toEqual([303, 200]);
      const token = /name="token" value="([^"]+)"/.exec(await (await second.get('/')).text())?.[1] ?? '';
      await second.post('/sign-out', { token: 'wrong' });
      expect((await second.get('/')).status).toBe(200);
      await second.post('/sign-out', { token });
      expect((await second.get('/')).status).toBe(303);
    },
  );

  verifies('APR-6', 'sessions end when idle, after their time, and when the approver is removed', async () => {
    world = await createWorld();
    const carol = await signedIn();
    for (let minutes = 0; minutes < 8 * 60 - 20; minutes += 20) {
      expect((await carol.get('/')).status).toBe(200);
      world.clock.ahead += 20 * 60_000;
    }
    world.clock.ahead += 20 * 60_000;
    expect((await carol.get('/')).status).toBe(303);
    const idle = await signedIn();
    world.clock.ahead += 20 * 60_000;
    // A page that refreshes itself keeps nobody signed in.
    await fetch(world.url, { headers: { cookie: idle.cookie, 'x-console-refresh': '1' } });
    world.clock.ahead += 10 * 60_000;
    expect((await idle.get('/')).status).toBe(303);
    const gone = await signedIn();
    world.removed.add('carol-token');
    expect((await gone.get('/')).status).toBe(303);
  });

  verifies('APR-6', 'another tenant sees nothing, and the requester cannot decide', async () => {
    world = await createWorld();
    const id = await world.request();
    const gus = await signedIn('gus-token');
    expect((await gus.get(`/approvals/${id}`)).status).toBe(404);
    expect(await (await gus.get('/')).text()).toContain('Nothing waits for you.');
    const alice = await signedIn('alice-token');
    const page = await (await alice.get(`/approvals/${id}`)).text();
    expect(page).toContain('somebody else has to decide');
    const { digest } = await world.approvals.show('carol-token', id);
    const token = /name="token" value="([^"]+)"/.exec(page)?.[1] ?? '';
    const own = await alice.post(`/approvals/${id}/decision`, { verdict: 'approve', digest, token });
    expect([own.status, await stateOf(id)]).toEqual([409, 'pending']);
  });

  verifies('APR-9', 'hostile text is inert, hidden characters and look-alikes are marked', async () => {
    world = await createWorld();
    const script = `</code><script>alert(1)</script>"'><img src=x onerror=alert(1)>`;
    const id = await world.request({ note: `${script} safe\u202egnp.exe \u0440aypal <https://evil.example|link>` });
    const carol = await signedIn();
    for (const path of ['/', `/approvals/${id}`]) {
      const page = await (await carol.get(path)).text();
      expect(page).not.toMatch(/<script>|<img/);
      expect(page).toContain('&lt;script&gt;');
      expect(page).not.toContain('\u202e');
      expect(page).toContain('<mark class="hidden" title="U+202E');
      expect(page).toContain('<mark class="alike" title="U+0440');
    }
  });

  verifies(
    'OPS-3',
    'every answer forbids inline code, frames, caching; the cookie is out of reach of scripts',
    async () => {
      world = await createWorld();
      const carol = await signedIn();
      for (const response of [await carol.get('/'), await carol.get('/console.js'), await visitor().get('/sign-in')]) {
        const { headers } = response;
        expect(headers.get('content-security-policy')).toMatch(/^default-src 'none';.*frame-ancestors 'none'/);
        expect(headers.get('content-security-policy')).not.toContain('unsafe');
        expect([headers.get('cache-control'), headers.get('x-content-type-options')]).toEqual(['no-store', 'nosniff']);
      }
      const entry = await visitor().post('/sign-in', { code: 'dave-token' });
      expect(entry.headers.get('set-cookie')).toMatch(/HttpOnly; SameSite=Strict$/);
    },
  );

  verifies('OPS-3', 'history has pages, newest first, and shows each ended request once', async () => {
    world = await createWorld();
    const ids: string[] = [];
    for (let index = 0; index < 60; index += 1) {
      // More than one request at a time and user would meet the cap on pending ones.
      const id = await world.request({ index }, 'note');
      ids.push(id);
      if (index % 10 === 9) continue;
      const { digest } = await world.approvals.show('carol-token', id);
      await world.approvals.decide('carol-token', { id, verdict: 'reject', digest });
    }
    const carol = await signedIn();
    const seen: string[] = [];
    for (let path: string | undefined = '/history'; path !== undefined;) {
      const page = await (await carol.get(path)).text();
      seen.push(...[...page.matchAll(/id="request-(apr[^"]+)"/g)].map(([, id]) => id ?? ''));
      path = /rel="next" href="([^"]+)"/.exec(page)?.[1];
    }
    expect(seen).toEqual(ids.filter((_, index) => index % 10 !== 9).toReversed());
  });
});

describe('a one-time code', () => {
  test('is good once, for its time, and for five tries', () => {
    let time = 0;
    const codes: string[] = [];
    const approver = { tenant: 'acme', id: 'carol' };
    const signIn = oneTimeCode({ approver, print: (code) => codes.push(code), now: () => time });
    expect(signIn.verify('')).toBeUndefined();
    expect(signIn.verify(codes[0]?.toLowerCase() ?? '')).toEqual({ approver });
    expect(signIn.verify(codes[0] ?? '')).toBeUndefined();
    signIn.renew?.();
    expect(codes).toHaveLength(1);
    time += 10_000;
    signIn.renew?.();
    for (let tries = 0; tries < 5; tries += 1) expect(signIn.verify('wrong')).toBeUndefined();
    expect(signIn.verify(codes[1] ?? '')).toBeUndefined();
    time += 10_000;
    signIn.renew?.();
    time += 300_000;
    expect(signIn.verify(codes[2] ?? '')).toBeUndefined();
  });

  test('is refused where other machines could use it, and so is a session in the clear', () => {
    const signIn = oneTimeCode({ approver: { tenant: 'acme', id: 'carol' }, print: () => undefined });
    const service = { as: () => expect.fail('nobody signed in') };
    const make = (url: string, loopbackOnly: boolean) => () =>
      createConsole({ service, url, signIn: { ...signIn, loopbackOnly } });
    expect(make('https://ops.example', true)).toThrow(/this machine only/);
    expect(make('http://ops.example', false)).toThrow(/in the clear/);
    expect(make('https://user:pw@ops.example', false)).toThrow(/without user/);
    expect(make('https://ops.example/console', false)).not.toThrow();
  });
});

import { afterEach, describe, expect, test, vi } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { createConsole, serveConsole, type RedirectSignIn, type SignIn, type TypedSignIn } from '../src/index.ts';
import { createSessions } from '../src/sessions.ts';
import { createWatch } from '../src/watch.ts';
import { cookieOf, fieldOn, visitorOf, type Visitor } from './support/visitor.ts';
import { createWorld, type World } from './support/world.ts';

let world: World;
afterEach(() => world?.close());

const carol = { tenant: 'acme', id: 'carol' };

function typed(more: Partial<TypedSignIn> = {}): TypedSignIn {
  return { kind: 'typed', label: 'Word', hint: 'A word.', loopbackOnly: false, verify: () => undefined, ...more };
}

const redirect: RedirectSignIn = {
  kind: 'redirect',
  name: 'elsewhere',
  label: 'Sign in elsewhere',
  loopbackOnly: false,
  begin: (uri) => ({ location: `https://idp.example/go?to=${encodeURIComponent(uri)}`, kept: 'kept' }),
  finish: (answer, kept) =>
    answer.searchParams.get('proof') === kept
      ? { approver: carol, afterSignOut: 'https://idp.example/bye' }
      : undefined,
};

/** Someone who signed in with a link for one request. */
async function signedInFor(only: string): Promise<Visitor> {
  const person = visitorOf(world);
  const answer = await person.post('/sign-in', { code: only, next: 'apr.acme.another' });
  expect([answer.status, answer.headers.get('location')]).toEqual([303, `/approvals/${only}`]);
  person.cookie = cookieOf(answer);
  return person;
}

const forOne = typed({ verify: (only) => ({ approver: carol, only }) });

describe('a session for one request', () => {
  verifies('APR-6', 'shows and decides that one', async () => {
    world = await createWorld(forOne);
    const id = await world.request();
    const person = await signedInFor(id);
    const start = await person.get('/');
    expect([start.status, start.headers.get('location')]).toEqual([303, `/approvals/${id}`]);
    const page = await (await person.get(`/approvals/${id}`)).text();
    expect(page).not.toMatch(/Inbox|History/);
    const fields = { token: fieldOn(page, 'token'), digest: fieldOn(page, 'digest') };
    const edited = await person.post(`/approvals/${id}/arguments`, {
      ...fields,
      arguments: '{"service":"checkout","version":"1.4.3"}',
    });
    expect(edited.status).toBe(303);
    const digest = fieldOn(await (await person.get(`/approvals/${id}`)).text(), 'digest');
    const done = await person.post(`/approvals/${id}/decision`, { ...fields, digest, verdict: 'approve' });
    expect(done.status).toBe(303);
    expect((await world.approvals.show('carol-token', id)).state).toBe('approved');
  });

  verifies('APR-6', 'reaches no other request, list or page, however it is asked', async () => {
    world = await createWorld(forOne);
    const [own, other] = [await world.request(), await world.request({ service: 'search', version: '2.0.0' })];
    const person = await signedInFor(own);
    const { digest } = await world.approvals.show('carol-token', other);
    const token = fieldOn(await (await person.get(`/approvals/${own}`)).text(), 'token');
    const paths = ['/history', `/approvals/${other}`, `/approvals/${own}/../${other}`, '/ledger', '/anything/new'];
    for (const path of paths) {
      const answer = await person.get(path);
      expect([path, answer.status]).toEqual([path, 403]);
      expect(await answer.text()).not.toContain('search');
    }
    for (const action of [{ verdict: 'approve' }, { arguments: '{}' }]) {
      const step = 'verdict' in action ? 'decision' : 'arguments';
      const answer = await person.post(`/approvals/${other}/${step}`, { ...action, token, digest });
      expect(answer.status).toBe(403);
    }
    expect((await world.approvals.show('carol-token', other)).state).toBe('pending');
  });

  verifies('APR-6', 'hears of that one only', async () => {
    world = await createWorld(forOne);
    const own = await world.request();
    // A new one each time, because looks are shared for a second.
    const look = (only?: string) => createWatch(world.approvals).next({ approver: carol, only }, undefined, 0);
    const [before, ofAll] = [await look(own), await look()];
    await decide(await world.request({ service: 'search', version: '2.0.0' }));
    await world.request({ service: 'search', version: '2.0.1' });
    expect([await look(own), (await look()) === ofAll]).toEqual([before, false]);
    await decide(own);
    expect(await look(own)).not.toBe(before);
    expect((await (await signedInFor(own)).get('/events')).status).toBe(200);
  });
});

async function decide(id: string): Promise<void> {
  const { digest } = await world.approvals.show('dave-token', id);
  await world.approvals.decide('dave-token', { id, verdict: 'reject', digest });
}

describe('several ways to sign in', () => {
  test('stand side by side, and each takes its own', async () => {
    world = await createWorld([
      typed({ label: 'First', verify: (word) => (word === 'one' ? { approver: carol } : undefined) }),
      redirect,
      typed({ label: 'Second', verify: (word) => (word === 'two' ? { approver: carol } : undefined) }),
    ]);
    const person = visitorOf(world);
    const page = await (await person.get('/sign-in')).text();
    for (const text of ['First', 'Second', 'Sign in elsewhere']) expect(page).toContain(text);
    const tried = [
      ['0', 'one'],
      ['1', 'two'],
      ['0', 'two'],
      ['1', 'one'],
      ['2', 'one'],
      ['-1', 'one'],
      ['__proto__', 'one'],
    ] as const;
    const statuses = [];
    for (const [way, code] of tried) statuses.push((await person.post('/sign-in', { way, code })).status);
    expect(statuses).toEqual([303, 303, 403, 403, 403, 403, 403]);
  });

  test('one that is for this machine only holds for the whole console, and so does one that says nothing', async () => {
    const service = { as: () => expect.fail('nobody signed in') };
    const local = typed({ loopbackOnly: true });
    const silent = { ...typed(), loopbackOnly: undefined } as unknown as SignIn;
    for (const each of [local, silent]) {
      const signIn = [typed(), each];
      expect(() => createConsole({ service, url: 'https://ops.example', signIn })).toThrow(/this machine only/);
      const served = serveConsole({ service, url: 'https://ops.example', hostname: '0.0.0.0', signIn });
      await expect(served).rejects.toThrow(/needs its url/);
    }
  });

  test('none, an unknown kind, two of one name and a name with a slash are refused at the start', () => {
    const service = { as: () => expect.fail('nobody signed in') };
    const make = (signIn: unknown) => () =>
      createConsole({ service, url: 'https://ops.example', signIn: signIn as SignIn });
    expect(make([])).toThrow(/needs a way/);
    expect(make({ ...typed(), kind: 'magic' })).toThrow(/got magic/);
    expect(make([redirect, redirect])).toThrow(/same name/);
    expect(make({ ...redirect, name: '../x' })).toThrow(/letters/);
  });
});

describe('a sign-in by redirect', () => {
  /** Begins, and answers the browser with its cookie. */
  async function begun(next?: string): Promise<Visitor> {
    const person = visitorOf(world);
    const answer = await person.post('/sign-in/elsewhere/begin', next === undefined ? {} : { next });
    expect(answer.status).toBe(200);
    const uri = encodeURIComponent(`${world.origin}/sign-in/elsewhere/callback`);
    expect(await answer.text()).toContain(`content="0; url=https://idp.example/go?to=${uri}"`);
    expect(answer.headers.get('set-cookie')).toMatch(/-departure=.{43}; Max-Age=600; Path=\/; HttpOnly; SameSite=Lax$/);
    person.cookie = cookieOf(answer);
    return person;
  }
  const back = '/sign-in/elsewhere/callback?proof=kept';

  verifies('APR-6', 'ends in a session for the browser that began it, once', async () => {
    world = await createWorld(redirect);
    const id = await world.request();
    const person = await begun(id);
    const departure = person.cookie;
    const answer = await person.get(back);
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain(`url=/approvals/${id}`);
    const session = answer.headers.getSetCookie().find((each) => /^countersign-\d+=\S/.test(each)) ?? '';
    expect(session).toMatch(/HttpOnly; SameSite=Strict$/);
    const again = await visitorOf(world, departure).get(back);
    expect([again.status, again.headers.getSetCookie().some((each) => /^countersign-\d+=/.test(each))]).toEqual([
      403,
      false,
    ]);
    const signedIn = visitorOf(world, session.split(';')[0]);
    const page = await (await signedIn.get('/')).text();
    expect(page).toContain('carol');
    const out = await signedIn.post('/sign-out', { token: fieldOn(page, 'token') });
    expect(await out.text()).toContain('url=https://idp.example/bye');
    expect((await signedIn.get('/')).status).toBe(303);
  });

  verifies(
    'APR-6',
    "login CSRF: an answer without the cookie, or with another journey's, signs nobody in",
    async () => {
      world = await createWorld([redirect, { ...redirect, name: 'other' }]);
      const stranger = await visitorOf(world).get(back);
      expect([stranger.status, stranger.headers.getSetCookie().filter((each) => /=\S{43};/.test(each))]).toEqual([
        403,
        [],
      ]);
      const person = await begun();
      expect((await person.get('/sign-in/other/callback?proof=kept')).status).toBe(403);
      // The first look used it up.
      expect((await person.get(back)).status).toBe(403);
      const late = await begun();
      world.clock.ahead += 10 * 60_000;
      expect((await late.get(back)).status).toBe(403);
    },
  );

  verifies('APR-6', 'open redirect: `next` leads to a request of this console or nowhere', async () => {
    world = await createWorld(redirect);
    for (const next of ['https://evil.example', '//evil.example', 'apr.acme.x/../../evil', '/\\evil', 'javascript:1']) {
      const person = await begun(next);
      expect(await (await person.get(back)).text()).toContain('content="0; url=/"');
    }
  });

  verifies('APR-6', 'begins with a form of this console only, never with a link', async () => {
    world = await createWorld(redirect);
    expect((await visitorOf(world).get('/sign-in/elsewhere/begin')).headers.get('set-cookie')).toBeNull();
    const forged = await visitorOf(world).post('/sign-in/elsewhere/begin', {}, { origin: 'https://evil.example' });
    expect([forged.status, forged.headers.get('set-cookie')]).toEqual([403, null]);
  });

  verifies('REL-3', 'a provider that cannot be asked is a clean page, and the next try asks again', async () => {
    let down = true;
    const begin: RedirectSignIn['begin'] = (uri) => {
      if (down) throw new Error('connect ECONNREFUSED 10.0.0.7:443');
      return redirect.begin(uri);
    };
    world = await createWorld({ ...redirect, begin });
    const answer = await visitorOf(world).post('/sign-in/elsewhere/begin', {});
    expect(answer.status).toBe(503);
    expect(await answer.text()).not.toContain('10.0.0.7');
    down = false;
    expect((await visitorOf(world).post('/sign-in/elsewhere/begin', {})).status).toBe(200);
  });
});

describe('what a session keeps', () => {
  verifies(
    'CRD-7',
    'a token is nowhere in the memory of the sessions, and comes back with the cookie only',
    async () => {
      const secrets: string[] = [];
      const refresh = (secret: string) => {
        secrets.push(secret);
        return carol;
      };
      const set = vi.spyOn(Map.prototype, 'set');
      const sessions = createSessions({ idleMs: 1_000, absoluteMs: 1_000 }, () => 0);
      const id = sessions.open({ approver: carol, secret: 'csa_secret-token', refresh });
      const kept = set.mock.calls.flat();
      set.mockRestore();
      expect(kept.length).toBeGreaterThan(1);
      const text = JSON.stringify(kept, (_, value: unknown) =>
        value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : value,
      );
      expect(text).not.toContain('secret-token');
      expect(text).not.toContain(id);
      expect((await sessions.find(id, true))?.approver).toEqual(carol);
      expect(secrets).toEqual(['csa_secret-token']);
    },
  );

  test('ends when what was proven no longer counts', async () => {
    let time = 0;
    const sessions = createSessions({ idleMs: 1_000, absoluteMs: 1_000 }, () => time);
    const [short, broken] = [100, Number.NaN].map((until) => sessions.open({ approver: carol, until }));
    expect(await sessions.find(broken, true)).toBeUndefined();
    time = 99;
    expect(await sessions.find(short, true)).toBeDefined();
    time = 100;
    expect(await sessions.find(short, true)).toBeUndefined();
  });
});

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { ada, baseUrl, bob, connect, createWorld, events, lend, type Visitor, type World } from './support/world.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.close());

/** Begins a consent and goes through it at the server: the address that the server sends the browser back to. */
async function answerFor(who: Visitor, link?: string): Promise<URL> {
  const address = link ?? (await lend(world.oauth, who)).consent ?? '';
  const begun = await world.visit(who, address);
  return world.server.consent(begun.headers.get('location') ?? '', { account: `${who.tenant}-${who.user}` });
}

async function expectRefused(page: Promise<Response>, status: number): Promise<void> {
  const answer = await page;
  expect(answer.status).toBe(status);
  expect(answer.headers.get('cache-control')).toBe('no-store');
}

const isConnected = async (who: Visitor): Promise<boolean> => (await world.oauth.connections(who)).length > 0;

describe('login CSRF', () => {
  verifies(
    ['CRD-5', 'CAP-8'],
    'a callback that another user completes connects nobody, and leaves the flow alone',
    async () => {
      const answer = await answerFor(ada);
      await expectRefused(world.visit(bob, answer.href), 400);
      expect([await isConnected(ada), await isConnected(bob)]).toEqual([false, false]);
      expect((await world.visit(ada, answer.href)).status).toBe(200);
      expect([await isConnected(ada), await isConnected(bob)]).toEqual([true, false]);
    },
  );

  verifies('CRD-5', "an attacker's own answer, put into the browser of a victim who has begun, too", async () => {
    const attack = await answerFor(bob);
    await answerFor(ada);
    await expectRefused(world.visit(ada, attack.href), 400);
    expect(await isConnected(ada)).toBe(false);
  });

  verifies('CRD-5', 'a link that was made for one user cannot be used by another, nor in another tenant', async () => {
    const { consent = '' } = await lend(world.oauth, ada);
    await expectRefused(world.visit(bob, consent), 403);
    await expectRefused(world.visit({ ...ada, tenant: 'globex' }, consent), 400);
    await expectRefused(world.visit(undefined, consent), 401);
  });

  verifies('CRD-5', 'an answer counts only in the session that began', async () => {
    const answer = await answerFor({ ...ada, session: 'laptop' });
    await expectRefused(world.visit({ ...ada, session: 'stolen-phone' }, answer.href), 400);
    expect((await world.visit({ ...ada, session: 'laptop' }, answer.href)).status).toBe(200);
  });
});

describe('state and code', () => {
  verifies('CRD-5', 'forged, missing or doubled state: refused', async () => {
    const answer = await answerFor(ada);
    for (const change of [
      (url: URL) => url.searchParams.set('state', 'forged'),
      (url: URL) => url.searchParams.delete('state'),
      (url: URL) => url.searchParams.append('state', url.searchParams.get('state') ?? ''),
    ]) {
      const forged = new URL(answer);
      change(forged);
      await expectRefused(world.visit(ada, forged.href), 400);
    }
    expect((await world.visit(ada, answer.href)).status).toBe(200);
  });

  verifies('CRD-5', 'an answer is used once, also when it comes twice at once', async () => {
    const answer = await answerFor(ada);
    const pages = await Promise.all([world.visit(ada, answer.href), world.visit(ada, answer.href)]);
    expect(new Set(pages.map(({ status }) => status))).toEqual(new Set([200, 400]));
    await expectRefused(world.visit(ada, answer.href), 400);
    expect(world.server.tokenRequests).toHaveLength(1);
  });

  verifies('CRD-5', 'a code that was redeemed before connects nobody', async () => {
    const answer = await answerFor(ada);
    await world.visit(ada, answer.href);
    await world.oauth.disconnect({ ...ada, service: 'calendar' });
    const second = await answerFor(ada);
    second.searchParams.set('code', answer.searchParams.get('code') ?? '');
    await expectRefused(world.visit(ada, second.href), 502);
    expect(await isConnected(ada)).toBe(false);
  });

  verifies('CRD-5', "code injection: another flow's code does not fit this flow's verifier", async () => {
    const stolen = await answerFor(bob);
    const own = await answerFor(ada);
    own.searchParams.set('code', stolen.searchParams.get('code') ?? '');
    await expectRefused(world.visit(ada, own.href), 502);
    expect(await isConnected(ada)).toBe(false);
  });

  verifies('CRD-5', 'mix-up: an answer that names another issuer, or none, is not redeemed', async () => {
    for (const change of [
      (url: URL) => url.searchParams.set('iss', 'https://evil.example'),
      (url: URL) => url.searchParams.delete('iss'),
      (url: URL) => url.searchParams.append('iss', 'https://evil.example'),
    ]) {
      const answer = await answerFor(ada);
      change(answer);
      await expectRefused(world.visit(ada, answer.href), 502);
    }
    expect(world.server.tokenRequests).toHaveLength(0);
    expect(await events(world)).toEqual(['consent_refused', 'consent_refused', 'consent_refused']);
  });

  test('the request carries PKCE with S256, state, and the redirect address of this service', async () => {
    const { consent = '' } = await lend(world.oauth);
    const begun = await world.visit(ada, consent);
    const { searchParams } = new URL(begun.headers.get('location') ?? '');
    expect(searchParams.get('code_challenge_method')).toBe('S256');
    expect(searchParams.get('code_challenge')).toMatch(/^[\w-]{43}$/);
    expect(searchParams.get('state')).toMatch(/^[\w-]{43}$/);
    expect(searchParams.get('redirect_uri')).toBe(`${baseUrl}/callback/calendar`);
    expect(begun.headers.get('referrer-policy')).toBe('no-referrer');
  });

  verifies('CRD-5', 'a link ends after a day, a flow after ten minutes', async () => {
    const { consent = '' } = await lend(world.oauth);
    const answer = await answerFor(ada, consent);
    world.pass(601_000);
    await expectRefused(world.visit(ada, answer.href), 410);
    world.pass(86_400_000);
    await expectRefused(world.visit(ada, consent), 410);
  });

  test('with openid, the ID token is checked against its nonce and says who the account is', async () => {
    const openid = await createWorld({ service: { baseScopes: ['openid'] } });
    await connect(openid);
    expect(await openid.oauth.connections(ada)).toMatchObject([{ account: 'acme-ada', scopes: ['calendar:read'] }]);
    await openid.close();
  });
});

describe('consent', () => {
  verifies('CRD-5', 'that the user declines connects nothing and is recorded', async () => {
    const { consent = '' } = await lend(world.oauth);
    const page = await world.consent(ada, consent, { declines: true });
    expect(page.status).toBe(403);
    expect(await page.text()).toContain('You did not allow the connection');
    expect(await events(world)).toEqual(['consent_refused']);
    expect((await lend(world.oauth)).consent).toBeDefined();
  });

  verifies(
    'CRD-5',
    'narrower than asked for: refused with the missing permission, and its tokens revoked',
    async () => {
      const { consent = '' } = await lend(world.oauth, { scope: { scopes: ['calendar:read', 'calendar:write'] } });
      const page = await world.consent(ada, consent, { only: ['calendar:read'] });
      expect(page.status).toBe(403);
      expect(await page.text()).toContain('calendar:write');
      expect(await isConnected(ada)).toBe(false);
      expect(world.server.revoked).toHaveLength(1);
    },
  );

  verifies(
    'CRD-5',
    'that is not enough for a call is asked for anew, together with what was granted before',
    async () => {
      await connect(world);
      const { consent = '' } = await lend(world.oauth, { scope: { scopes: ['calendar:write'] } });
      expect((await world.consent(ada, consent)).status).toBe(200);
      expect(await world.oauth.connections(ada)).toMatchObject([{ scopes: ['calendar:read', 'calendar:write'] }]);
      expect((await lend(world.oauth)).token).toBeDefined();
    },
  );

  test('of two tabs, the newer one counts', async () => {
    const first = await answerFor(ada);
    const second = await answerFor(ada);
    await expectRefused(world.visit(ada, first.href), 400);
    expect((await world.visit(ada, second.href)).status).toBe(200);
  });

  test('through a link of the settings page', async () => {
    const scope = { scopes: ['mail:read'] };
    const link = await world.oauth.connectUrl({ ...ada, service: 'calendar', scope });
    expect((await world.consent(ada, link)).status).toBe(200);
    expect((await lend(world.oauth, { scope })).token).toBeDefined();
  });

  test('for a redirect address that is not registered stops at the server', async () => {
    const elsewhere = world.again({ baseUrl: 'https://elsewhere.example/oauth' });
    const { consent = '' } = await lend(elsewhere);
    const headers = { 'x-user': JSON.stringify({ ...ada, session: 's' }) };
    const begun = await elsewhere.handle(new Request(consent, { headers }));
    const location = begun.headers.get('location') ?? '';
    await expect(world.server.consent(location, { account: 'acme-ada' })).rejects.toThrow(/redirect_uri/);
    expect(await isConnected(ada)).toBe(false);
  });
});

describe('the routes', () => {
  const headers = { 'x-user': JSON.stringify({ ...ada, session: 's' }) };

  test.each([
    ['another method', 'POST', '/callback/calendar', 405],
    ['what scanners send', 'HEAD', '/callback/calendar', 405],
    ['no such address', 'GET', '/other', 404],
    ['an address outside', 'GET', '/../secret', 404],
    ['no such service', 'GET', '/callback/constructor', 404],
    ['a link of nobody', 'GET', '/connect/AAAA', 400],
    ['a path within the link', 'GET', '/connect/a/b', 404],
  ])('answer %s plainly', async (_name, method, path, status) => {
    const page = await world.oauth.handle(new Request(`${baseUrl}${path}`, { method, headers }));
    expect(page.status).toBe(status);
  });

  test.each([
    [
      'throws',
      () => {
        throw new Error('database password is hunter2');
      },
    ],
    ['makes an id up', () => ({ tenant: '../acme', user: 'ada', session: 's' })],
    ['knows no session', () => ({ tenant: 'acme', user: 'ada', session: '' })],
  ])('say nothing when the authentication %s', async (_name, identify) => {
    const oauth = world.again({ identify });
    const page = await oauth.handle(new Request(`${baseUrl}/callback/calendar?state=x&code=y`));
    expect(page.status).toBe(500);
    expect(await page.text()).not.toContain('hunter2');
  });

  test('connect a user although the application fails to hear of it', async () => {
    const { consent = '' } = await lend(world.oauth);
    const deaf = world.again({
      onConnected: () => {
        throw new Error('deaf');
      },
    });
    const begun = await deaf.handle(new Request(consent, { headers }));
    const answer = await world.server.consent(begun.headers.get('location') ?? '', { account: 'acme-ada' });
    expect((await deaf.handle(new Request(answer, { headers }))).status).toBe(200);
    expect(await isConnected(ada)).toBe(true);
  });

  test('escape what they show', async () => {
    const scope = { scopes: ['calendar:read', '<script>alert(1)</script>'] };
    const link = await world.oauth.connectUrl({ ...ada, service: 'calendar', scope });
    const page = await world.consent(ada, link);
    expect(await page.text()).toContain('&#60;script&#62;alert(1)');
  });
});

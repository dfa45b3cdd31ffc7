import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LeaseError, Secret } from '@countersign/core';
import { takeLock } from '@countersign/core/provider-kit';
import { verifies } from '../../../test/verifies.ts';
import { clientId, clientSecret } from './support/authorization-server.ts';
import { ada, bob, calendar, connect, createWorld, events, lend, type World } from './support/world.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
  await connect(world);
});
afterEach(() => world.close());

const hour = 3_600_000;

/** Refreshes that reached the server. */
const refreshes = () => world.server.tokenRequests.filter(({ grant }) => grant === 'refresh_token');

/** The refresh token that the user's connection has now, as a thief of it would have it: sniffed at the server. */
async function stealRefreshToken(): Promise<string> {
  world.pass(hour);
  await lend(world.oauth);
  return refreshes().at(-1)?.parameters.get('refresh_token') ?? '';
}

async function refreshAtServer(token: string): Promise<number> {
  const response = await fetch(`${world.server.issuer}/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
    body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token }),
  });
  return response.status;
}

describe('an access token that ended', () => {
  verifies('CRD-5', 'is refreshed, and the rotated refresh token is kept', async () => {
    for (let round = 1; round <= 3; round += 1) {
      world.pass(hour);
      expect((await lend(world.oauth)).token).toBeDefined();
      expect(refreshes()).toHaveLength(round);
    }
    const used = refreshes().map(({ parameters }) => parameters.get('refresh_token'));
    expect(new Set(used).size).toBe(3);
    expect(await events(world)).toEqual(['consent_granted', 'token_refreshed', 'token_refreshed', 'token_refreshed']);
  });

  test('is not refreshed while it is good', async () => {
    await lend(world.oauth);
    await lend(world.oauth);
    expect(refreshes()).toHaveLength(0);
  });

  test('is refreshed before its end, as clocks differ', async () => {
    world.pass(hour - 30_000);
    await lend(world.oauth);
    expect(refreshes()).toHaveLength(1);
  });

  verifies(
    'CRD-5',
    'of many calls at once, in processes that share only the store: one of them refreshes',
    async () => {
      world.pass(hour);
      const processes = [world.oauth, world.again(), world.again()];
      const lent = await Promise.all(
        Array.from({ length: 24 }, (_, index) => lend(processes[index % 3] ?? world.oauth)),
      );
      expect(refreshes()).toHaveLength(1);
      expect(lent.every(({ token }) => token !== undefined)).toBe(true);
      for (const { token } of lent) expect(await world.server.introspect(token ?? '')).toMatchObject({ active: true });
    },
  );

  verifies('CRD-5', 'waits for the process that refreshes, and takes its result', async () => {
    world.pass(hour);
    world.server.intercept.set('/token', async () => {
      await sleep(400);
      return false;
    });
    const [one, other] = await Promise.all([lend(world.oauth), lend(world.again())]);
    expect([one.token, other.token]).not.toContain(undefined);
    expect(refreshes()).toHaveLength(1);
  });

  verifies('CRD-5', 'is not held up for long by a process that crashed while it refreshed', async () => {
    world.pass(hour);
    const [{ id } = { id: '' }] = await world.store.entries('acme', 'token');
    const lock = await takeLock(world.store, { tenant: 'acme', id, ttlMs: 700, now: () => Date.now() });
    expect(lock).toBeDefined();
    // Never released: its holder is dead.
    expect((await lend(world.oauth)).token).toBeDefined();
    expect(refreshes()).toHaveLength(1);
  });

  test(
    'attack: a process that lost its lock to a slow supplier of its secret does not use the token twice',
    { timeout: 20_000 },
    async () => {
      const secret = async (): Promise<Secret> => {
        await sleep(3_500);
        return new Secret(clientSecret);
      };
      const service = calendar(world.server, { client: { id: clientId, secret } });
      const slow = world.again({ services: [service], timeoutMs: 200 });
      world.pass(hour);
      const late = lend(slow).catch((error: unknown) => error);
      await sleep(100);
      expect((await lend(world.oauth)).token).toBeDefined();
      expect(await late).toBeInstanceOf(LeaseError);
      expect(refreshes()).toHaveLength(1);
      expect((await lend(world.oauth)).token).toBeDefined();
      expect(await events(world)).not.toContain('consent_lost');
    },
  );

  test('of one user is refreshed without a word about another', async () => {
    await connect(world, bob);
    world.pass(hour);
    await Promise.all([lend(world.oauth), lend(world.oauth, bob)]);
    expect(refreshes()).toHaveLength(2);
  });
});

describe('a refresh token', () => {
  verifies(
    'CRD-5',
    'that a thief used: the server ends the consent, the tokens are dropped, the user is asked anew',
    async () => {
      const stolen = await stealRefreshToken();
      expect(await refreshAtServer(stolen)).toBe(400);
      world.pass(hour);
      expect((await lend(world.oauth)).consent).toBeDefined();
      expect(await world.store.entries('acme', 'token')).toEqual([]);
      expect((await events(world)).at(-1)).toBe('consent_lost');
      await connect(world);
      expect((await lend(world.oauth)).token).toBeDefined();
    },
  );

  verifies(
    'CRD-5',
    'of a consent that was withdrawn at the server is dropped at the next call, before the token ends',
    async () => {
      await world.server.withdraw('acme-ada');
      expect((await lend(world.oauth)).consent).toBeDefined();
      expect(await world.store.entries('acme', 'token')).toEqual([]);
      expect((await events(world)).at(-1)).toBe('consent_lost');
    },
  );

  test.each([
    ['says 500', (response: Answer) => response.writeHead(500).end('{"error":"invalid_grant"}')],
    ['says 503 in HTML', (response: Answer) => response.writeHead(503, { 'content-type': 'text/html' }).end('<p>')],
    ['cuts the line', (response: Answer) => response.socket?.destroy()],
    ['does not answer', () => undefined],
  ])('is kept when the server %s', async (_name, misbehave) => {
    world.pass(hour);
    world.server.intercept.set('/token', (_request, response) => {
      misbehave(response);
      return true;
    });
    const error = await lend(world.oauth).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(LeaseError);
    expect(String(error)).toMatch(/service calendar, refresh: .*remedy/);
    world.server.intercept.clear();
    expect((await lend(world.oauth)).token).toBeDefined();
  });

  test('that is not in the answer stays the one that there is (RFC 6749 §6)', async () => {
    world.pass(hour);
    world.server.intercept.set('/token', (_request, response, body) => {
      if (!body.includes('refresh_token')) return false;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"access_token":"a-token-of-nobody","token_type":"Bearer","expires_in":"60"}');
      return true;
    });
    // The made-up access token is good for nothing: that is noticed at the exchange, and refreshed once more.
    const failing = lend(world.oauth);
    await expect(failing).rejects.toThrow(/exchange/);
    world.server.intercept.clear();
    expect((await lend(world.oauth)).token).toBeDefined();
  });

  test('is revoked when the user disconnected while it was fetched', async () => {
    world.pass(hour);
    world.server.intercept.set('/token', async (_request, response) => {
      await world.oauth.disconnect({ ...ada, service: 'calendar' });
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(
        '{"access_token":"fresh-access","refresh_token":"fresh-refresh","token_type":"Bearer","expires_in":60}',
      );
      return true;
    });
    expect((await lend(world.oauth)).consent).toBeDefined();
    expect(world.server.revoked).toContain('fresh-refresh');
    expect(await world.store.entries('acme', 'token')).toEqual([]);
  });
});

type Answer = import('node:http').ServerResponse;

describe('an answer without a lifetime', () => {
  const without = (into: World) =>
    into.server.intercept.set('/token', (_request, response, body) => {
      if (!body.includes('grant_type=refresh_token')) return false;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end('{"access_token":"a-token-without-an-end","token_type":"Bearer"}');
      return true;
    });

  test('is refused', async () => {
    world.pass(hour);
    without(world);
    await expect(lend(world.oauth)).rejects.toThrow(/how long .*accessTokenLifetimeMs/);
  });

  test('is taken for as long as the configuration says', async () => {
    const lease = { mode: 'direct', maxLifetimeMs: hour } as const;
    const configured = await createWorld({ service: { accessTokenLifetimeMs: 120_000, lease } });
    await connect(configured);
    configured.pass(hour);
    without(configured);
    const { token, credential } = await lend(configured.oauth);
    expect(token).toBe('a-token-without-an-end');
    expect(credential?.expiresAt).toBeLessThanOrEqual(Date.now() + hour + 120_000 + 5_000);
    await configured.close();
  });
});

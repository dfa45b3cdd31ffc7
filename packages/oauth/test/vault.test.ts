import { randomBytes } from 'node:crypto';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { memoryStore, type Store } from '@countersign/core';
import { createSealer } from '@countersign/core/provider-kit';
import { verifies } from '../../../test/verifies.ts';
import { nodeListener, type OAuthService } from '../src/index.ts';
import { ada, baseUrl, bob, calendar, connect, createWorld, lend, type World } from './support/world.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
  await connect(world, ada);
});
afterEach(() => world.close());

/** Everything that the store holds, as text. */
async function dump(store: Store): Promise<string> {
  const entries = [...(await store.entries('acme', 'token')), ...(await store.entries('acme', 'consent'))];
  return JSON.stringify([entries, await store.records('acme', { limit: 1000 })]);
}

describe('stored tokens', () => {
  verifies(['CRD-5', 'CRD-7', 'CAP-8'], 'show neither the tokens nor whose they are', async () => {
    await lend(world.oauth);
    world.pass(3_600_000);
    await lend(world.oauth);
    const secrets = world.server.tokenRequests.flatMap(({ parameters }) =>
      ['code', 'code_verifier', 'refresh_token', 'subject_token', 'actor_token'].flatMap((name) =>
        parameters.getAll(name),
      ),
    );
    expect(secrets.length).toBeGreaterThan(5);
    const text = await dump(world.store);
    for (const secret of [...secrets, '"ada"', 'acme-ada']) expect(text).not.toContain(secret);
  });

  verifies(['CRD-5', 'CAP-8'], "moved to another user's place in the store open nothing", async () => {
    await connect(world, bob);
    const sealer = createSealer({ masterKey: world.key, keys: world.store });
    const [adas, bobs] = [sealer.pseudonym('acme', 'ada'), sealer.pseudonym('acme', 'bob')];
    const entries = await world.store.entries('acme', 'token');
    const from = entries.find(({ id }) => id.includes(adas));
    const to = entries.find(({ id }) => id.includes(bobs));
    if (from === undefined || to === undefined) throw new Error('two users are connected');
    await world.store.putEntry({ ...to, expected: to.version, value: from.value, now: 1, records: [] });
    expect((await lend(world.oauth, bob)).consent).toBeDefined();
    expect((await lend(world.oauth, ada)).token).toBeDefined();
  });

  verifies(
    ['CRD-5', 'CAP-8'],
    'are gone when their user is erased, and of no use to one who comes back under the same name',
    async () => {
      const sealer = createSealer({ masterKey: world.key, keys: world.store });
      await world.store.eraseSubject('acme', sealer.pseudonym('acme', 'ada'), []);
      expect((await lend(world.again())).consent).toBeDefined();
      expect(await world.oauth.maintain('acme')).toEqual({ removed: 1 });
      expect(await world.store.entries('acme', 'token')).toEqual([]);
    },
  );

  test('open under no other master key', async () => {
    await expect(lend(world.again({ key: randomBytes(32) }))).rejects.toThrow(/service calendar/);
  });

  verifies('CRD-5', 'are not shown to a server or client that the service was changed to', async () => {
    const change = (more: Partial<OAuthService>) => world.again({ services: [calendar(world.server, more)] });
    const before = world.server.tokenRequests.length;
    const other = change({ client: { id: 'another-client' } });
    expect((await lend(other)).consent).toBeDefined();
    const moved = await createWorld({ store: world.store, options: { key: world.key } });
    expect((await lend(moved.oauth)).consent).toBeDefined();
    expect(moved.server.tokenRequests).toHaveLength(0);
    expect(world.server.tokenRequests).toHaveLength(before);
    await moved.close();
  });
});

describe('a user who disconnects', () => {
  verifies('CRD-5', 'has the tokens revoked at the server, and is asked anew', async () => {
    const { token = '' } = await lend(world.oauth);
    expect(await world.oauth.disconnect({ ...ada, service: 'calendar' })).toEqual({ forgotten: 1, revoked: true });
    expect((await lend(world.oauth)).consent).toBeDefined();
    expect(world.server.revoked).toHaveLength(2);
    expect(token).not.toBe('');
    expect(await world.oauth.disconnect({ ...ada, service: 'calendar' })).toEqual({ forgotten: 0, revoked: true });
  });

  verifies('CRD-5', 'is forgotten here although the server is down, and told so', async () => {
    world.server.intercept.set('/token/revocation', (_request, response) => {
      response.writeHead(503).end();
      return true;
    });
    expect(await world.oauth.disconnect({ ...ada, service: 'calendar' })).toEqual({ forgotten: 1, revoked: false });
    expect(await world.oauth.connections(ada)).toEqual([]);
  });

  test('leaves the others connected', async () => {
    await connect(world, bob);
    await world.oauth.disconnect({ ...ada, service: 'calendar' });
    expect((await lend(world.oauth, bob)).token).toBeDefined();
  });
});

describe('with the access token itself', () => {
  verifies('CRD-5', 'users consent to each set of scopes on its own, so that no call gets more', async () => {
    const direct = await createWorld({ service: { lease: { mode: 'direct', maxLifetimeMs: 3_600_000 } } });
    await connect(direct, ada, { scope: { scopes: ['calendar:read', 'calendar:write'] } });
    expect((await lend(direct.oauth)).consent).toBeDefined();
    await connect(direct);
    const { token = '' } = await lend(direct.oauth);
    expect(await direct.server.introspect(token)).toMatchObject({ scope: 'calendar:read', sub: 'acme-ada' });
    expect(await direct.oauth.connections(ada)).toHaveLength(2);
    expect(await direct.oauth.disconnect({ ...ada, service: 'calendar' })).toMatchObject({ forgotten: 2 });
    await direct.close();
  });

  verifies('CRD-5', 'a wider token, moved in the store to the place of a narrower one, opens nothing', async () => {
    const direct = await createWorld({ service: { lease: { mode: 'direct', maxLifetimeMs: 3_600_000 } } });
    await connect(direct, ada, { scope: { scopes: ['calendar:read', 'calendar:write'] } });
    const [wide] = await direct.store.entries('acme', 'token');
    await connect(direct);
    const narrow = (await direct.store.entries('acme', 'token')).find(({ id }) => id !== wide?.id);
    if (wide === undefined || narrow === undefined) throw new Error('two sets of scopes are connected');
    const change = { expected: narrow.version, value: wide.value, now: 1, records: [] };
    await direct.store.putEntry({ tenant: 'acme', kind: 'token', id: narrow.id, ...change });
    await expect(lend(direct.oauth)).rejects.toThrow(/belongs elsewhere/);
    await direct.close();
  });

  test('one that lives longer than declared is refused', async () => {
    const direct = await createWorld({ service: { lease: { mode: 'direct', maxLifetimeMs: 60_000 } } });
    await connect(direct);
    await expect(lend(direct.oauth)).rejects.toThrow(/at most 60000 ms.*remedy/);
    await direct.close();
  });
});

describe('maintenance', () => {
  test('removes flows that nobody finished, and nothing else', async () => {
    const { consent = '' } = await lend(world.oauth, bob);
    await world.visit(bob, consent);
    expect(await world.oauth.maintain('acme')).toEqual({ removed: 0 });
    world.pass(601_000);
    await world.store.putEntry({
      tenant: 'acme',
      kind: 'token',
      id: 'of-somebody-else',
      expected: undefined,
      value: 'x',
      now: 1,
      records: [],
    });
    expect(await world.oauth.maintain('acme')).toEqual({ removed: 1 });
    expect(await world.store.entries('acme', 'token')).toHaveLength(2);
  });
});

describe('over node:http', () => {
  test('the routes answer GET alone, and never crash the server', async () => {
    const server = createServer(nodeListener((incoming) => world.oauth.handle(incoming), 'https://app.example'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const send = (method: string, path: string): Promise<number | undefined> =>
      new Promise((resolve, reject) => {
        const sent = request({ port, host: '127.0.0.1', method, path }, (response) => {
          response.resume();
          resolve(response.statusCode);
        });
        sent.on('error', reject).end();
      });
    const path = new URL(baseUrl).pathname;
    expect(await send('GET', `${path}/callback/calendar`)).toBe(401);
    expect(await send('POST', `${path}/callback/calendar`)).toBe(405);
    expect(await send('GET', '//evil.example/x')).toBe(404);
    expect(await send('GET', 'http://[')).toBe(400);
    server.close();
  });
});

test('a store that refuses every change ends in an error, not in a loop', async () => {
  const store = memoryStore();
  const stubborn = await createWorld({ store: { ...store, putEntry: async () => undefined } });
  const { consent = '' } = await lend(stubborn.oauth);
  expect((await stubborn.visit(ada, consent)).status).toBe(500);
  await stubborn.close();
});

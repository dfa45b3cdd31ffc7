import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { ada, bob, connect, createWorld, lend, type World } from './support/world.ts';

let world: World;
beforeEach(async () => {
  world = await createWorld();
});
afterEach(() => world.close());

describe('a call on behalf of a user', () => {
  verifies('CRD-5', 'is told where to consent, and gets a token of its own after that', async () => {
    const before = await lend(world.oauth);
    expect(before.consent).toMatch(/^https:\/\/app\.example\/oauth\/connect\/[\w-]+$/);
    expect((await world.consent(ada, before.consent ?? '')).status).toBe(200);
    expect(world.connected).toEqual([{ ...ada, service: 'calendar', scopes: ['calendar:read'], run: 'run-1' }]);
    const after = await lend(world.oauth);
    expect(await world.server.introspect(after.token ?? '')).toMatchObject({
      active: true,
      sub: 'acme-ada',
      scope: 'calendar:read',
      act: { sub: 'planner', tenant: 'acme' },
    });
  });

  verifies('CRD-5', 'gets a token for its own scopes only, and it is revoked after the call', async () => {
    await connect(world, ada, { scope: { scopes: ['calendar:read', 'calendar:write'] } });
    const { token = '', credential } = await lend(world.oauth, { leaseId: 'lease' });
    expect(await world.server.introspect(token)).toMatchObject({ scope: 'calendar:read' });
    const [provider] = world.oauth.providers;
    await provider?.revoke({ tenant: 'acme', leaseId: 'lease', credentialId: credential?.credentialId });
    expect(await world.server.introspect(token)).toEqual({ active: false });
    expect((await lend(world.oauth)).token).toBeDefined();
  });

  test('a user who has not connected gets nothing of one who has', async () => {
    await connect(world, ada);
    expect((await lend(world.oauth, bob)).consent).toBeDefined();
    expect((await lend(world.oauth, { ...ada, tenant: 'globex' })).consent).toBeDefined();
  });
});

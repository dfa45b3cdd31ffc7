import { afterEach, beforeEach, describe, vi } from 'vitest';
import { providerContract, type ProviderUnderTest } from '@countersign/core/testing';
import { verifies } from '../../../test/verifies.ts';
import type { LeaseMode } from '../src/service.ts';
import { ada, connect, createWorld, leaseRequest, type World } from './support/world.ts';

let world: World | undefined;
beforeEach(() => {
  // The server runs in this process and reads the same clock.
  vi.useFakeTimers({ toFake: ['Date'] });
});
afterEach(async () => {
  vi.useRealTimers();
  await world?.close();
});

async function setUp(lease: LeaseMode | undefined, beyond: ProviderUnderTest['beyond']): Promise<ProviderUnderTest> {
  await world?.close();
  world = await createWorld(lease === undefined ? {} : { service: { lease } });
  const { server, oauth } = world;
  await connect(world, ada);
  const { leaseId: _leaseId, ttlMs: _ttlMs, ...request } = leaseRequest();
  const [provider] = oauth.providers;
  if (provider === undefined) throw new Error('no provider');
  return {
    provider,
    request,
    async use(secret, { scope }) {
      const { active, scope: granted = '' } = await server.introspect(secret.reveal());
      return active && (scope['scopes'] as string[]).every((each) => granted.split(' ').includes(each));
    },
    beyond,
    pass: (milliseconds) => void vi.setSystemTime(Date.now() + milliseconds),
    now: () => Date.now(),
  };
}

describe('by token exchange', () => {
  const beyond = { scope: { scopes: ['calendar:write'] } };
  for (const { name, run } of providerContract(() => setUp(undefined, beyond))) {
    verifies(['CRD-1', 'CRD-2', 'CRD-5'], name, async () => void (await run()));
  }
});

describe('by the access token itself', () => {
  const direct: LeaseMode = { mode: 'direct', maxLifetimeMs: 3_600_000 };
  for (const { name, run } of providerContract(() => setUp(direct, 'impossible'))) {
    verifies(['CRD-1', 'CRD-5'], name, async () => void (await run()));
  }
});

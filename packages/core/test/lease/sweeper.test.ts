import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { LeaseError } from '../../src/errors.ts';
import { sweepLeases } from '../../src/lease/sweeper.ts';
import type { SweepInput } from '../../src/lease/sweeper.ts';
import type { RecordDraft } from '../../src/record/record.ts';
import type { StoredLease } from '../../src/store/store.ts';
import { fakeProvider } from './fake-provider.ts';
import type { Fake, FakeOptions } from './fake-provider.ts';

const now = 1_800_000_000_000;

function stored(id: string, overrides: Partial<StoredLease> = {}): StoredLease {
  return {
    id,
    tenant: 'acme',
    service: 'github',
    provider: 'fake',
    callKey: `call-${id}`,
    expiresAt: now - 1,
    state: 'issued',
    sealedHandle: `sealed:${id}`,
    ...overrides,
  };
}

/** Only what the sweeper asks of a store. */
function setUp(leases: StoredLease[], providers: readonly Partial<FakeOptions>[] = [{}]) {
  const closed = new Map<string, readonly RecordDraft[]>();
  const fakes: Fake[] = providers.map((options) => fakeProvider({ now: () => now, ...options }));
  const input: SweepInput = {
    store: {
      leaseClosed: async ({ id, records }) => void closed.set(id, records),
      system: {
        openLeases: async (before, limit) =>
          leases.filter((lease) => lease.expiresAt < before && !closed.has(lease.id)).slice(0, limit),
      },
    },
    providers: fakes,
    open: (tenant, handle, leaseId) => {
      if (tenant !== 'acme' || handle !== `sealed:${leaseId}`) throw new Error('a handle of another lease');
      return leaseId;
    },
    draft: (lease, event) => ({
      id: lease.id,
      tenant: lease.tenant,
      time: now,
      kind: 'credential',
      event,
      call: lease.callKey,
      body: '{}',
    }),
    now,
    timeoutMs: 20,
  };
  return { input, closed, fakes, fake: fakes[0] as Fake };
}

describe('sweeping', () => {
  verifies(['CRD-2'], 'revokes the lease of a process that died, and records it', async () => {
    const { input, closed, fake } = setUp([stored('a'), stored('b', { expiresAt: now + 1 })]);
    fake.live.set('a', 'a');
    expect(await sweepLeases(input)).toEqual({ revoked: 1, lapsed: 0, failed: [] });
    expect(fake.revocations).toEqual([{ tenant: 'acme', leaseId: 'a', credentialId: 'a' }]);
    expect(fake.live.size).toBe(0);
    expect([...closed.keys()]).toEqual(['a']);
    expect(closed.get('a')).toMatchObject([{ event: 'revoked', call: 'call-a' }]);
  });

  test('again does nothing', async () => {
    const { input, fake } = setUp([stored('a')]);
    await sweepLeases(input);
    expect(await sweepLeases(input)).toEqual({ revoked: 0, lapsed: 0, failed: [] });
    expect(fake.revocations).toHaveLength(1);
  });

  verifies(['CRD-2'], 'finds by the lease alone what was issued and never noted', async () => {
    const { input, closed, fake } = setUp([stored('a', { state: 'planned', sealedHandle: undefined as never })]);
    fake.live.set('unknown-id', 'a');
    expect((await sweepLeases(input)).revoked).toBe(1);
    expect(fake.revocations).toEqual([{ tenant: 'acme', leaseId: 'a', credentialId: undefined }]);
    expect(fake.live.size).toBe(0);
    expect(closed.has('a')).toBe(true);
  });

  verifies(['REL-3'], 'is not held up by one failing provider', async () => {
    const leases = [stored('a'), stored('b', { provider: 'hangs' }), stored('c', { provider: 'gone' }), stored('d')];
    const { input, closed } = setUp(leases, [
      {},
      { name: 'hangs', services: ['aws'], revoke: () => new Promise(() => {}) },
    ]);
    const summary = await sweepLeases(input);
    expect([...closed.keys()].toSorted()).toEqual(['a', 'd']);
    expect(summary.revoked).toBe(2);
    expect(summary.failed).toMatchObject([
      { lease: 'b', provider: 'hangs', reason: expect.stringContaining('no answer') as string },
      { lease: 'c', provider: 'gone' },
    ]);
  });

  test('of a failing provider costs three time-outs, not one per lease', async () => {
    const leases = Array.from({ length: 450 }, (_, index) => stored(`x${index}`));
    const { input, fake } = setUp(leases, [{ revoke: () => new Promise(() => {}) }]);
    const { failed } = await sweepLeases(input);
    expect(failed).toHaveLength(450);
    expect(fake.revocations).toHaveLength(3);
  });

  verifies(['REL-3'], 'reaches the leases behind a long row of those that stay open', async () => {
    const stuck = Array.from({ length: 650 }, (_, index) => stored(`x${index}`, { provider: 'gone' }));
    const { input, closed } = setUp([...stuck, stored('a')]);
    expect((await sweepLeases(input)).revoked).toBe(1);
    expect([...closed.keys()]).toEqual(['a']);
  });

  test('ends although the store goes on listing what was closed', async () => {
    const leases = Array.from({ length: 500 }, (_, index) => stored(`x${index}`));
    const { input } = setUp(leases);
    const openLeases = async (_before: number, limit: number) => leases.slice(0, limit);
    const summary = await sweepLeases({ ...input, store: { ...input.store, system: { openLeases } } });
    expect(summary.revoked).toBeGreaterThan(0);
  });

  test('waits for the end of a credential that nobody can find, without holding up the others', async () => {
    const unfindable = { findable: false, maxLifetimeMs: 60_000 };
    const noted = (id: string, ago: number) => stored(id, { expiresAt: now - ago, sealedHandle: undefined as never });
    const { input, closed } = setUp(
      [noted('a', 1), noted('b', 1), noted('c', 1), noted('d', 60_000), stored('e')],
      [unfindable],
    );
    expect(await sweepLeases(input)).toMatchObject({
      revoked: 1,
      lapsed: 1,
      failed: [{ lease: 'a' }, { lease: 'b' }, { lease: 'c' }],
    });
    expect(closed.get('d')).toMatchObject([{ event: 'lapsed' }]);
  });

  test('says lapsed, not revoked, where the provider cannot revoke', async () => {
    const { input, closed, fake } = setUp([stored('a')], [{ revocable: false }]);
    expect(await sweepLeases(input)).toEqual({ revoked: 0, lapsed: 1, failed: [] });
    expect(fake.revocations).toEqual([]);
    expect(closed.get('a')).toMatchObject([{ event: 'lapsed' }]);
  });

  test('uses the lease alone when the handle cannot be opened any more', async () => {
    const { input, fake } = setUp([stored('a')]);
    const open = () => {
      throw new Error('erased');
    };
    expect((await sweepLeases({ ...input, open })).revoked).toBe(1);
    expect(fake.revocations[0]?.credentialId).toBeUndefined();
  });

  test('leaves open what could not be closed in the store or recorded', async () => {
    const { input } = setUp([stored('a')]);
    const leaseClosed = () => Promise.reject(new Error('full'));
    expect((await sweepLeases({ ...input, store: { ...input.store, leaseClosed } })).failed).toHaveLength(1);
    const draft = () => {
      throw new Error('no key');
    };
    expect((await sweepLeases({ ...input, draft })).failed).toHaveLength(1);
  });

  verifies(['CRD-7'], 'repeats nothing of what a vendor’s client throws', async () => {
    const { input } = setUp(
      [stored('a'), stored('b')],
      [{ revoke: (attempt) => Promise.reject(attempt === 1 ? new Error('canary') : new LeaseError('locked')) }],
    );
    const { failed } = await sweepLeases(input);
    expect(JSON.stringify(failed)).not.toContain('canary');
    expect(failed[1]?.reason).toContain('locked');
  });
});

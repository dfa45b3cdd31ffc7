import { describe, expect } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { memoryStore, type InboxEntry, type Outcome } from '../../src/index.ts';
import { callTo, fixture, type Fixture } from '../support/fixture.ts';

const alice = { tenant: 'acme', user: 'alice', run: 'run-1' };
const noteTool = (run: (args: unknown) => unknown) => ({ note: { identity: { name: 'note', source: 'local' }, run } });

async function file(f: Fixture, text: string, body: () => unknown = () => 'unused'): Promise<string> {
  const outcome: Outcome = await f.gate.execute(callTo('note', { text }), body);
  if (outcome.status !== 'pending') throw new Error(`expected pending, got ${JSON.stringify(outcome)}`);
  return outcome.approval;
}

function said(entries: readonly InboxEntry[]): readonly string[] {
  return entries.map(({ outcome }) => (outcome.status === 'denied' ? outcome.reason : outcome.status));
}

describe('the inbox of a run', () => {
  verifies(
    'APR-1',
    'tells of results, failures, rejections and requests that nobody answered, oldest first',
    async () => {
      let time = Date.now();
      const f = fixture({ now: () => time });
      const later = (): void => void (time += 1_000);
      const [good, bad, rejected] = [await file(f, 'good'), await file(f, 'bad'), await file(f, 'rejected')];
      await file(f, 'silence');
      later();
      await f.decide(rejected, 'reject');
      later();
      await f.decide(good, 'approve');
      await f.decide(bad, 'approve');
      expect(said(await f.countersign.inbox(alice))).toEqual(['approval_rejected']);
      const run = (args: unknown): unknown => {
        later();
        if ((args as { text: string }).text === 'bad') throw new Error('the service is down');
        return { created: true };
      };
      await f.countersign.worker({ tools: noteTool(run), concurrency: 1 }).tick();
      time += 48 * 3_600_000;
      const entries = await f.countersign.inbox(alice);
      expect(said(entries).toSorted()).toEqual(['approval_expired', 'approval_rejected', 'completed', 'failed']);
      expect(said(entries)[0]).toBe('approval_rejected');
      expect(said(entries).at(-1)).toBe('approval_expired');
      expect(entries.find(({ outcome }) => outcome.status === 'completed')?.outcome).toMatchObject({
        result: { created: true },
      });
      expect(JSON.stringify(entries)).not.toContain('carol');
    },
  );

  verifies('APR-1', 'an approved call that no worker ran in time is told as expired', async () => {
    let time = Date.now();
    const f = fixture({ now: () => time });
    await f.decide(await file(f, 'late'), 'approve');
    expect(await f.countersign.inbox(alice)).toEqual([]);
    time += 48 * 3_600_000;
    expect(said(await f.countersign.inbox(alice))).toEqual(['approval_expired']);
  });

  verifies(
    ['APR-1', 'REL-2'],
    'a call whose process died in the middle is told as unknown, once it cannot still be quick',
    async () => {
      let time = Date.now();
      const f = fixture({ now: () => time });
      await f.decide(await file(f, 'dies'), 'approve');
      let entered = (): void => undefined;
      const inside = new Promise<void>((resolve) => {
        entered = resolve;
      });
      let leave = (): void => undefined;
      const body = (): Promise<string> =>
        new Promise((resolve) => {
          leave = () => resolve('done after all');
          entered();
        });
      const ticking = f.countersign.worker({ tools: noteTool(body) }).tick();
      await inside;
      time += 60_000;
      expect(await f.countersign.inbox(alice)).toEqual([]);
      // Another process on the same store knows of no call of its own that runs.
      const other = fixture({ store: f.store, key: f.key, now: () => time });
      expect(said(await other.countersign.inbox(alice))).toEqual(['unknown']);
      leave();
      await ticking;
      expect(said(await other.countersign.inbox(alice))).toEqual(['completed']);
    },
  );

  verifies(['APR-1', 'CAP-8'], "holds nothing of another user's, another run's or another tenant's calls", async () => {
    const f = fixture();
    await f.decide(await file(f, 'mine'), 'reject');
    for (const other of [
      { ...alice, user: 'bob' },
      { ...alice, run: 'run-2' },
      { ...alice, tenant: 'globex' },
    ]) {
      expect(await f.countersign.inbox(other)).toEqual([]);
    }
  });

  verifies(['APR-1', 'REL-3'], 'a store that pages for ever does not hold it for ever', async () => {
    const store = memoryStore();
    const f = fixture({ store });
    await f.decide(await file(f, 'one'), 'reject');
    let asked = 0;
    const endless = fixture({
      key: f.key,
      store: {
        ...store,
        approvals: async (tenant, filter) => {
          asked += 1;
          const [one] = await store.approvals(tenant, { run: filter.run ?? '' });
          return Array.from({ length: 100 }, () => one as NonNullable<typeof one>);
        },
      },
    });
    await endless.countersign.inbox(alice);
    expect(asked).toBeLessThanOrEqual(100);
  });
});

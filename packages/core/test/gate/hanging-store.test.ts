import { expect } from 'vitest';
import { memoryStore, type Store, type ToolCall } from '../../src/index.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, counted, fixture } from '../support/fixture.ts';

type Operation = 'observe' | 'claim' | 'settle' | 'append' | 'subjectKey';

/** Its named operations answer when `open` is called, and not before. */
function hangingStore(hanging: readonly Operation[]): { readonly store: Store; readonly open: () => void } {
  const store = memoryStore();
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = hanging.map((name) => {
    const operation = store[name] as (...input: readonly unknown[]) => Promise<unknown>;
    return [name, async (...input: readonly unknown[]) => promise.then(() => operation(...input))];
  });
  return { store: { ...store, ...(Object.fromEntries(slow) as Pick<Store, Operation>) }, open: resolve };
}

const timeouts = { storeMs: 50, settleMs: 50 };
const inTime = { timeout: 10_000 };

verifies(
  'REL-3',
  'a store that hangs denies a call in bounded time, and lets it run when it answers again',
  async () => {
    for (const [hanging, tool] of [
      ['subjectKey', 'read'],
      ['claim', 'read'],
      ['observe', 'note'],
    ] as const) {
      const { store, open } = hangingStore([hanging, 'append']);
      const f = fixture({ store, options: { timeouts } });
      const { body, runs } = counted('done');
      const call = callTo(tool);
      expect([hanging, await f.gate.execute(call, body)]).toMatchObject([hanging, { status: 'denied' }]);
      expect(runs).toEqual([]);
      open();
      const expected = tool === 'read' ? 'completed' : 'pending';
      // What was denied before it was filed stays denied under its id.
      const again = (): ToolCall => (tool === 'read' ? call : callTo(tool));
      await expect.poll(async () => (await f.gate.execute(again(), body)).status, inTime).toBe(expected);
      expect(runs).toHaveLength(tool === 'read' ? 1 : 0);
    }
  },
);

verifies(
  'REL-3',
  'a request that opens when its call was denied already is cancelled, and cannot be approved',
  async () => {
    const { store, open } = hangingStore(['observe']);
    const f = fixture({ store, options: { timeouts } });
    const { body, runs } = counted('done');
    const call = callTo('note');
    expect(await f.gate.execute(call, body)).toMatchObject({ status: 'denied', reason: 'ledger_unavailable' });
    open();
    const states = async () => (await store.approvals('acme', {})).map(({ id, state }) => ({ id, state }));
    await expect.poll(states, inTime).toMatchObject([{ state: 'cancelled' }]);
    const [{ id } = { id: '' }] = await states();
    await expect(f.decide(id, 'approve')).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    expect(await f.gate.execute({ ...call, origin: 'resume' }, body)).toMatchObject({ reason: 'approval_cancelled' });
    expect(runs).toEqual([]);
  },
);

verifies('REL-3', 'a claim that comes when its call was denied already runs nothing and is given back', async () => {
  const { store, open } = hangingStore(['claim']);
  const f = fixture({ store, options: { timeouts } });
  const { body, runs } = counted('done');
  const call = callTo('read', { n: 1 });
  expect(await f.gate.execute(call, body)).toMatchObject({ status: 'denied', reason: 'ledger_unavailable' });
  open();
  const events = async () => (await store.records('acme', {})).map(({ kind, event }) => `${kind} ${event}`);
  await expect.poll(events, inTime).toContain('outcome released');
  expect(runs).toEqual([]);
  // Nothing is left unknown: neither this call nor another with the same arguments needs a person.
  expect(await f.gate.execute(callTo('read', { n: 1 }), body)).toMatchObject({ status: 'completed' });
  expect(await f.gate.execute(call, body)).toMatchObject({ status: 'completed' });
});

verifies('REL-3', 'an outcome that cannot be written in time is unknown, and the body does not run again', async () => {
  const { store } = hangingStore(['settle']);
  const f = fixture({ store, options: { timeouts } });
  const { body, runs } = counted('done');
  const call = callTo('read');
  expect(await f.gate.execute(call, body)).toMatchObject({ status: 'unknown' });
  expect(await f.gate.execute(call, body)).toMatchObject({ status: 'unknown' });
  expect(runs).toHaveLength(1);
});

import { diag, DiagLogLevel } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, vi } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { ConfigurationError, createOutbox, memoryStore, runnable, type Store } from '../../src/index.ts';
import { callTo, fixture, type Fixture } from '../support/fixture.ts';
import { fakeSink } from './fake-sink.ts';

const problems: string[] = [];
beforeEach(() => {
  problems.length = 0;
  const note = (message: string): void => void problems.push(message);
  diag.setLogger({ error: note, warn: note, info: note, debug: note, verbose: note }, DiagLogLevel.WARN);
});
afterEach(() => {
  diag.disable();
  vi.restoreAllMocks();
});

function world(maxUndelivered: number, store: Store = memoryStore()): Fixture {
  const options = { store, audit: { key: new Uint8Array(32).fill(7), delivery: { sinks: ['fake'], maxUndelivered } } };
  return fixture({ store, key: new Uint8Array(32).fill(7), options });
}

const real = performance.now.bind(performance);
let offset = 0;

/** The guard looks once a second: a second later, without waiting for it. */
function aSecondLater(): void {
  offset += 1_100;
  vi.spyOn(performance, 'now').mockImplementation(() => real() + offset);
}

const count = async (store: Store): Promise<number> =>
  (await store.heads('acme')).reduce((sum, { seq }) => sum + seq, 0);

describe('a tenant whose records are not delivered', () => {
  verifies(
    'AUD-5',
    'is refused its calls when no outbox ever ran: nothing runs, and the disk stops growing',
    async () => {
      const { gate, store, countersign } = world(5);
      let ran = 0;
      const call = () => gate.execute(callTo('read'), () => (ran += 1));
      expect(await call()).toMatchObject({ status: 'completed' });
      aSecondLater();
      expect(await call()).toMatchObject({ status: 'completed' });
      aSecondLater();
      const refused = await call();
      expect(refused).toMatchObject({ status: 'denied', reason: 'delivery_backlog' });
      expect(JSON.stringify(refused)).not.toMatch(/outbox|fake|record/);
      const size = await count(store);
      for (let attempt = 0; attempt < 20; attempt += 1) {
        if (attempt % 5 === 0) aSecondLater();
        expect(await gate.check(callTo('deploy', { attempt }))).toMatchObject({ decision: { verdict: 'deny' } });
        expect(await call()).toMatchObject({ status: 'denied', reason: 'delivery_backlog' });
        expect(await gate.execute(callTo('vault'), () => (ran += 1))).toMatchObject({ reason: 'delivery_backlog' });
      }
      expect(ran).toBe(2);
      expect(await count(store)).toBe(size);
      expect(problems.filter((text) => text.includes('calls of tenant acme are refused'))).toHaveLength(1);
      expect(await countersign.ledger.verify('acme')).toMatchObject({ ok: true });
      const records = await store.records('acme', { kind: 'administration' });
      expect(records.map(({ event }) => event)).toEqual(['calls_refused']);
    },
  );

  verifies('AUD-5', 'has its calls back once its records were delivered, and others never lost theirs', async () => {
    const { gate, store, countersign } = world(2);
    const globex = countersign.gate({ tenant: 'globex', user: 'alice', agent: 'support', run: 'run-1' });
    const call = async (of = gate): Promise<string> => (await of.execute(callTo('read'), () => 'done')).status;
    expect(await call()).toBe('completed');
    aSecondLater();
    expect([await call(), await call(globex)]).toEqual(['denied', 'completed']);
    await createOutbox({ store, sink: fakeSink() }).tick();
    expect(await call()).toBe('denied');
    aSecondLater();
    expect(await call()).toBe('completed');
    const events = (await store.records('acme', { kind: 'administration' })).map(({ event }) => event);
    expect(events).toEqual(['calls_refused', 'calls_resumed']);
  });

  verifies('AUD-5', 'is not helped by an outbox that delivers to somewhere else', async () => {
    const { gate, store } = world(2);
    await gate.execute(callTo('read'), () => 'done');
    await createOutbox({ store, sink: fakeSink({ name: 'elsewhere' }) }).tick();
    aSecondLater();
    expect(await gate.execute(callTo('read'), () => 'done')).toMatchObject({ reason: 'delivery_backlog' });
  });

  verifies('AUD-5', 'is refused when the backlog cannot be read', async () => {
    const store = memoryStore();
    const { gate } = world(100, { ...store, heads: () => Promise.reject(new Error('locked')) });
    expect(await gate.execute(callTo('read'), () => 'done')).toMatchObject({ status: 'denied' });
  });

  verifies('AUD-5', 'has nothing run by a worker either, and what was approved runs later', async () => {
    const made = world(4);
    const { gate, store, countersign } = made;
    const filed = await gate.execute(callTo('note'), () => 'never');
    if (filed.status !== 'pending') throw new Error(filed.status);
    await made.decide(filed.approval, 'approve');
    await gate.execute(callTo('read'), () => 'done');
    aSecondLater();
    const tools = { note: { [runnable]: { identity: { name: 'note', source: 'local' }, run: () => 'noted' } } };
    const run = () => countersign.approvals.run(filed.approval, { tools });
    expect(await run()).toMatchObject({ status: 'denied', reason: 'delivery_backlog' });
    await createOutbox({ store, sink: fakeSink() }).tick();
    aSecondLater();
    expect(await run()).toMatchObject({ status: 'completed', result: 'noted' });
  });

  verifies('AUD-5', 'reads the store once for calls that come together, and not at all for the next', async () => {
    const store = memoryStore();
    let looks = 0;
    const { gate } = world(1_000, { ...store, heads: (tenant) => ((looks += 1), store.heads(tenant)) });
    await Promise.all(Array.from({ length: 20 }, () => gate.execute(callTo('read'), () => 'done')));
    await gate.execute(callTo('read'), () => 'done');
    expect(looks).toBe(1);
  });
});

verifies('AUD-5', 'a limit that would never or always refuse is refused itself', () => {
  const store = memoryStore();
  const options = (delivery: object) => ({ audit: { key: new Uint8Array(32).fill(7), delivery: delivery as never } });
  for (const delivery of [
    { sinks: [] },
    { sinks: ['a/b'] },
    { sinks: ['a'], maxUndelivered: Number.NaN },
    { sinks: ['a'], maxUndelivered: 0 },
  ])
    expect(() => fixture({ store, options: options(delivery) })).toThrow(ConfigurationError);
});

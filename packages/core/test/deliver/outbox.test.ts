import { randomBytes } from 'node:crypto';
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { failingListeners, unheardWhile } from '../../../../test/support/unheard.ts';
import { verifies } from '../../../../test/verifies.ts';
import {
  ConfigurationError,
  createOutbox,
  memoryStore,
  type Outbox,
  type RecordSink,
  type Store,
} from '../../src/index.ts';
import { deliveredThrough } from '../../src/deliver/cursor.ts';
import { createClock } from '../../src/record/clock.ts';
import { createRecorder } from '../../src/record/recorder.ts';
import { callTo, fixture } from '../support/fixture.ts';
import { fakeSink, type FakeSink } from './fake-sink.ts';

let store: Store;
let sink: FakeSink;
let now: number;
const problems: string[] = [];
beforeEach(() => {
  store = memoryStore();
  sink = fakeSink();
  now = 1_000_000;
  problems.length = 0;
  const note = (message: string): void => void problems.push(message);
  diag.setLogger({ error: note, warn: note, info: note, debug: note, verbose: note }, DiagLogLevel.WARN);
});
afterEach(() => diag.disable());

const recorder = createRecorder({ clock: createClock() });
async function append(count: number, tenant = 'acme', to: Store = store): Promise<void> {
  const drafts = Array.from({ length: count }, () =>
    recorder.draft({ kind: 'claim', event: 'claimed', tenant, agent: 'support' }, undefined),
  );
  await to.append(tenant, drafts);
}

function outbox(to: RecordSink = sink, of: Store = store): Outbox {
  return createOutbox({ store: of, sink: to, timeoutMs: 200, lockMs: 1_000, now: () => now });
}

const cursorOf = async (): Promise<unknown> => (await store.entry('acme', 'cursor', `fake/${store.writer}`))?.value;

async function setCursor(value: string): Promise<void> {
  const id = `fake/${store.writer}`;
  const expected = (await store.entry('acme', 'cursor', id))?.version;
  await store.putEntry({ tenant: 'acme', kind: 'cursor', id, expected, value, now, records: [] });
}

describe('the outbox', () => {
  verifies(
    'AUD-5',
    'delivers every record of every tenant and chain once, in order, and goes on where it was',
    async () => {
      await append(250);
      await append(3, 'globex');
      expect(await outbox().tick()).toMatchObject({ delivered: 253, refused: 0, backlog: 0, problems: [] });
      await append(1);
      expect(await outbox().tick()).toMatchObject({ delivered: 1, backlog: 0 });
      expect(sink.deliveries.map((records) => records.length)).toEqual([100, 100, 50, 3, 1]);
      expect([...sink.taken.values()].every((count) => count === 1)).toBe(true);
      for (const records of sink.deliveries) {
        expect(new Set(records.map(({ tenant, writer }) => `${tenant} ${writer}`)).size).toBe(1);
        expect(records.map(({ seq }) => seq)).toEqual(records.map((_, index) => (records[0]?.seq ?? 0) + index));
      }
      expect(await cursorOf()).toBe('{"seq":251}');
    },
  );

  verifies(
    'AUD-5',
    'loses nothing when the cursor cannot be written after a delivery: the batch comes again',
    async () => {
      await append(10);
      let broken = true;
      const failing: Store = {
        ...store,
        async putEntry(input) {
          if (broken && input.kind === 'cursor' && input.value !== '{"seq":0}') throw new Error('the disk is full');
          return store.putEntry(input);
        },
      };
      expect(await outbox(sink, failing).tick()).toMatchObject({
        delivered: 0,
        backlog: 0,
        problems: [expect.any(String)],
      });
      broken = false;
      expect(await outbox(sink, failing).tick()).toMatchObject({ delivered: 10, backlog: 0 });
      expect([...sink.taken.values()]).toEqual(Array.from({ length: 10 }, () => 2));
    },
  );

  verifies('AUD-5', 'goes on behind what a receiver took before it failed', async () => {
    await append(10);
    sink.answer = () => ({ status: 'later', reason: 'busy', accepted: 4, afterMs: 7_000 });
    expect(await outbox().tick()).toMatchObject({ delivered: 4, backlog: 6, retryAfterMs: 7_000 });
    sink.answer = () => undefined;
    expect(await outbox().tick()).toMatchObject({ delivered: 6, backlog: 0, retryAfterMs: undefined });
    expect([...sink.taken.values()].every((count) => count === 1)).toBe(true);
  });

  const broken: Readonly<Record<string, FakeSink['answer']>> = {
    throws: () => {
      throw new Error('with the password hunter2');
    },
    hangs: () => new Promise(() => undefined),
    'answers nonsense': () => ({ status: 'fine' }) as never,
    'answers nothing': () => '' as never,
    'claims to have taken more than it was given': () => ({ status: 'later', reason: 'busy', accepted: 1e9 }),
    'claims to have taken less than nothing': () => ({ status: 'later', reason: 'busy', accepted: -5 }),
    'refuses everything': () => ({ status: 'refused', reason: 'no' }),
  };
  for (const [name, answer] of Object.entries(broken)) {
    verifies('AUD-5', `with a receiver that ${name} drops nothing and says so`, async () => {
      await append(20);
      sink.answer = answer;
      const report = await outbox().tick();
      expect(report).toMatchObject({ refused: 0, problems: [expect.not.stringContaining('hunter2')] });
      expect(report.delivered + report.backlog).toBe(20);
      sink.answer = () => undefined;
      await outbox().tick();
      expect(await outbox().tick()).toMatchObject({ backlog: 0 });
      expect(await store.entries('acme', 'notice')).toEqual([]);
      expect(sink.taken.size).toBe(20);
    });
  }

  verifies(
    'AUD-5',
    'a record that poisons its batch is found, set aside in writing, and holds up no other',
    async () => {
      await append(100);
      const poison = new Set([1, 42, 43, 100]);
      sink.answer = (records) =>
        records.some(({ seq }) => poison.has(seq)) ? { status: 'refused', reason: 'no\u001b[2J' } : undefined;
      expect(await outbox().tick()).toMatchObject({ delivered: 96, refused: 4, backlog: 0 });
      expect([...sink.taken.keys()].length).toBe(96);
      const notices = await store.entries('acme', 'notice');
      expect(notices.map(({ id }) => id)).toEqual([`outbox/fake/${store.writer}/1`]);
      expect(JSON.parse(notices[0]?.value ?? '')).toMatchObject({
        refused: [
          { from: 1, to: 1 },
          { from: 42, to: 43 },
          { from: 100, to: 100 },
        ],
      });
      expect(problems.some((text) => text.includes('records 42 to 43'))).toBe(true);
    },
  );

  verifies(
    'AUD-5',
    'a poisoned record alone is not set aside until the receiver has shown that it takes others',
    async () => {
      await append(1);
      sink.answer = (records) =>
        records.some(({ seq }) => seq === 1) ? { status: 'refused', reason: 'no' } : undefined;
      expect(await outbox().tick()).toMatchObject({ delivered: 0, refused: 0, backlog: 1, retryAfterMs: 0 });
      await append(1);
      expect(await outbox().tick()).toMatchObject({ delivered: 1, refused: 1, backlog: 0 });
    },
  );

  verifies('AUD-5', 'a receiver that names others than it was given sets nothing of theirs aside', async () => {
    await append(3);
    sink.answer = () => ({
      status: 'accepted',
      refused: [2, 2, 99].map((seq) => ({ seq, reason: 'too old' })),
    });
    expect(await outbox().tick()).toMatchObject({ delivered: 2, refused: 1, backlog: 0 });
  });

  for (const poisoned of [1, 12]) {
    verifies('AUD-5', `${poisoned} poisoned records of one tenant stop no other, and not their own chain`, async () => {
      await append(poisoned, 'acme');
      await append(3, 'globex');
      sink.answer = ([first]) => (first?.tenant === 'acme' ? { status: 'refused', reason: 'poison' } : undefined);
      const ticks = outbox();
      const first = await ticks.tick();
      expect(first).toMatchObject({ delivered: 3, retryAfterMs: undefined });
      for (let tick = 0; tick < 2; tick += 1) {
        await append(1, 'globex');
        await ticks.tick();
      }
      expect(await cursorOf()).toBe(`{"seq":${poisoned}}`);
      expect(sink.taken.size).toBe(5);
    });
  }

  verifies('AUD-5', 'only one works on a tenant at a time; a dead one loses its place', async () => {
    await append(5);
    let release = (): void => undefined;
    const arrived = new Promise<void>((resolve) => {
      sink.answer = () =>
        new Promise((answer) => {
          release = () => answer({ status: 'accepted' });
          resolve();
        });
    });
    const first = outbox().tick();
    await arrived;
    const other = fakeSink();
    expect(await outbox(other).tick()).toMatchObject({ busy: 1, delivered: 0, backlog: 5 });
    release();
    expect(await first).toMatchObject({ delivered: 5 });
    expect(await outbox(other).tick()).toMatchObject({ busy: 0, backlog: 0 });

    await append(5);
    await store.putEntry({
      ...{ tenant: 'acme', kind: 'lock', id: 'outbox/fake' },
      expected: undefined,
      value: String(now + 1_000),
      now,
      records: [],
    });
    expect(await outbox(other).tick()).toMatchObject({ busy: 1 });
    now += 1_001;
    expect(await outbox(other).tick()).toMatchObject({ busy: 0, delivered: 5 });
  });

  verifies(
    'AUD-5',
    'two that work at once, because one was suspended, skip nothing: the slower one loses its cursor',
    async () => {
      await append(10);
      let release = (): void => undefined;
      const arrived = new Promise<void>((resolve) => {
        sink.answer = () =>
          new Promise((answer) => {
            release = () => answer({ status: 'accepted' });
            resolve();
          });
      });
      const slow = createOutbox({ store, sink, timeoutMs: 5_000, lockMs: 5_001, now: () => now }).tick();
      await arrived;
      now += 10_000;
      await append(10);
      const fast = fakeSink();
      expect(await outbox(fast).tick()).toMatchObject({ delivered: 20, backlog: 0 });
      release();
      expect(await slow).toMatchObject({ delivered: 0, backlog: 0 });
      expect(await cursorOf()).toBe('{"seq":20}');
    },
  );

  const damaged = [
    '',
    'x',
    '{}',
    '{"seq":-1}',
    '{"seq":"9"}',
    '{"seq":1e400}',
    '{"seq":3.5}',
    '{"seq":11}',
    '[]',
    'null',
  ];
  for (const value of damaged) {
    verifies('AUD-5', `a cursor that reads ${value} skips nothing: the chain is delivered again`, async () => {
      await append(10);
      await setCursor(value);
      expect(await outbox().tick()).toMatchObject({ delivered: 10, backlog: 0 });
      expect(sink.taken.size).toBe(10);
    });
  }

  verifies('AUD-4', 'records that somebody removed are reported, and do not stop the others', async () => {
    await append(10);
    await setCursor('{"seq":2}');
    const holes: Store = {
      ...store,
      records: async (tenant, filter) => (await store.records(tenant, filter)).filter(({ seq }) => seq < 3 || seq > 5),
    };
    now = Date.now();
    // A moment ago they might still have been on their way.
    expect(await outbox(sink, holes).tick()).toMatchObject({ delivered: 0, backlog: 8 });
    now += 61_000;
    const report = await outbox(sink, holes).tick();
    expect(report).toMatchObject({ delivered: 5, backlog: 0 });
    expect(report.problems.join()).toContain(`records 3 to 5 of writer ${store.writer} are missing`);
  });

  verifies('AUD-5', 'a record whose body cannot be read is delivered as damaged', async () => {
    await append(3);
    const spoilt: Store = {
      ...store,
      records: async (tenant, filter) =>
        (await store.records(tenant, filter)).map((record) =>
          record.seq === 2 ? { ...record, body: '{"v":9' } : record,
        ),
    };
    expect(await outbox(sink, spoilt).tick()).toMatchObject({ delivered: 3 });
    expect(sink.deliveries[0]?.map(({ damaged: is }) => is)).toEqual([undefined, true, undefined]);
  });

  verifies('AUD-5', 'one tenant whose records cannot be read does not hold up the others', async () => {
    await append(2);
    await append(2, 'globex');
    const failing: Store = {
      ...store,
      heads: (tenant) => (tenant === 'acme' ? Promise.reject(new Error('locked')) : store.heads(tenant)),
    };
    expect(await outbox(sink, failing).tick()).toMatchObject({
      delivered: 2,
      problems: [expect.stringContaining('acme')],
    });
  });

  verifies('AUD-5', 'starts, waits as long as the receiver asks, and ends when it is told to', async () => {
    await append(2);
    const ending = new AbortController();
    let failures = 2;
    sink.answer = () => (failures-- > 0 ? { status: 'later', reason: 'busy', afterMs: 1 } : undefined);
    const reports: number[] = [];
    await createOutbox({ store, sink }).start(ending.signal, {
      pollMs: 5,
      onReport: ({ delivered }) => {
        reports.push(delivered);
        if (delivered > 0) ending.abort();
      },
    });
    expect(reports).toEqual([0, 0, 2]);
  });

  verifies(['AUD-5', 'REL-3'], 'goes on when whoever hears its reports throws, and ends no process', async () => {
    for (const fail of failingListeners) {
      const ending = new AbortController();
      let reports = 0;
      const onReport = () => {
        reports += 1;
        if (reports === 3) ending.abort();
        return fail();
      };
      const unheard = await unheardWhile(() =>
        createOutbox({ store, sink }).start(ending.signal, { pollMs: 1, onReport }),
      );
      expect([reports, unheard]).toEqual([3, []]);
    }
  });

  test('refuses options that would confuse cursors or lose the lock', () => {
    for (const name of ['', 'a/b', 'a b', 'x'.repeat(65), undefined as never])
      expect(() => outbox({ ...sink, name })).toThrow(ConfigurationError);
    expect(() => outbox({ ...sink, maxRecords: 0 })).toThrow(ConfigurationError);
    expect(() => createOutbox({ store, sink, timeoutMs: 10, lockMs: 10 })).toThrow(ConfigurationError);
  });
});

describe('what leaves', () => {
  const password = 'correct horse battery staple';
  async function oneCall(disclose: boolean) {
    const { gate, store: used, key, countersign } = fixture();
    await gate.execute(callTo('note', { text: `from bob@example.com`, password }), () => 'done');
    await createOutbox({ store: used, sink, ...(disclose ? { disclose: { key } } : {}) }).tick();
    return { records: sink.deliveries.flat(), text: JSON.stringify(sink.deliveries), countersign, used, key };
  }

  verifies(
    ['AUD-5', 'AUD-1'],
    'is only what stands in the clear: no user, no arguments, no digest of them',
    async () => {
      const { records, text } = await oneCall(false);
      expect(records.map(({ kind, event }) => `${kind} ${event}`)).toEqual(['decision review', 'approval opened']);
      for (const hidden of ['alice', 'bob@example.com', password, 'sealed', 'argumentsDigest'])
        expect(text).not.toContain(hidden);
      expect(records[0]).toMatchObject({
        tenant: 'acme',
        tool: 'note',
        verdict: 'review',
        subject: expect.any(String),
        seq: 1,
      });
    },
  );

  verifies(['AUD-5', 'AUD-1'], 'with an explicit key also what was sealed, redacted as it was written', async () => {
    const { records, text } = await oneCall(true);
    expect(records[0]).toMatchObject({
      user: 'alice',
      arguments: { text: expect.any(String) },
      argumentsDigest: expect.any(String),
    });
    expect(text).not.toContain(password);
  });

  verifies(['AUD-5', 'AUD-6'], 'after an erasure nothing of the user leaves, and the record does', async () => {
    const { countersign, used, key } = await oneCall(false);
    await countersign.ledger.eraseSubject({ tenant: 'acme', user: 'alice', by: 'carol' });
    const later = fakeSink({ name: 'later' });
    expect(await createOutbox({ store: used, sink: later, disclose: { key } }).tick()).toMatchObject({
      delivered: 3,
      problems: [],
    });
    expect(JSON.stringify(later.deliveries)).not.toContain('alice');
  });

  verifies('AUD-5', 'a wrong key discloses nothing and delivers nothing', async () => {
    const { used } = await oneCall(false);
    const later = fakeSink({ name: 'later' });
    const report = await createOutbox({ store: used, sink: later, disclose: { key: randomBytes(32) } }).tick();
    expect(report).toMatchObject({ delivered: 0, problems: [expect.stringContaining('KeyError')] });
    expect(later.deliveries).toEqual([]);
  });
});

verifies(
  ['AUD-5', 'AUD-6'],
  'retention learns what every receiver has, and of chains that one has not seen',
  async () => {
    const through = (): Promise<number> => deliveredThrough(store, 'acme', store.writer);
    expect(await through()).toBe(Number.POSITIVE_INFINITY);
    await append(10);
    await outbox().tick();
    expect(await through()).toBe(10);
    await append(5);
    expect(await through()).toBe(10);
    await outbox(fakeSink({ name: 'other', maxRecords: 4 })).tick();
    expect(await through()).toBe(10);
    await outbox().tick();
    expect(await through()).toBe(15);
    expect(await deliveredThrough(store, 'acme', 'w_unseen')).toBe(0);
  },
);

verifies(['AUD-5', 'AUD-6'], 'a cursor put ahead of its chain lets nothing be pruned', async () => {
  await append(10);
  await setCursor('{"seq":99}');
  expect(await deliveredThrough(store, 'acme', store.writer)).toBe(0);
});

import { describe, expect, test } from 'vitest';
import { createClock } from '../../src/record/clock.ts';
import { createLedger } from '../../src/record/ledger.ts';
import type { Ledger, LedgerQuery } from '../../src/record/ledger.ts';
import type { OpenedRecord } from '../../src/record/open-record.ts';
import type { RecordEvent } from '../../src/record/record.ts';
import { createSealer } from '../../src/record/sealing.ts';
import { verifies } from '../../../../test/verifies.ts';
import { createBench } from './support.ts';
import type { Bench } from './support.ts';

const start = 1_800_000_000_000;

interface Written extends Bench {
  readonly ledger: Ledger;
  write(time: number, writer: string, event: Partial<RecordEvent> & { user: string }): Promise<void>;
}

function createWritten(): Written {
  const bench = createBench();
  const { store, sealer, recorder } = bench;
  return {
    ...bench,
    ledger: createLedger({ store, sealer, recorder, clock: createClock() }),
    async write(time, writer, event) {
      bench.setTime(start + time);
      const full: RecordEvent = {
        kind: 'decision',
        event: 'allow',
        tenant: 'acme',
        agent: 'x',
        tool: 'read',
        verdict: 'allow',
        argumentsDigest: 'digest',
        ...event,
      };
      const draft = recorder.draft(full, await sealer.subject(full.tenant, event.user));
      await store.as(writer).append(full.tenant, [draft]);
    },
  };
}

async function collect<Value>(values: AsyncIterable<Value>): Promise<Value[]> {
  const collected: Value[] = [];
  for await (const value of values) collected.push(value);
  return collected;
}

async function all(ledger: Ledger, query: Partial<LedgerQuery> = {}): Promise<OpenedRecord[]> {
  return collect(ledger.query({ tenant: 'acme', ...query }));
}

async function filled(): Promise<Written> {
  const written = createWritten();
  await written.write(10, 'one', { user: 'ada@example.com', detail: 'first' });
  await written.write(20, 'two', { user: 'bob', tool: 'pay', event: 'deny', verdict: 'deny' });
  await written.write(30, 'one', { user: 'ada@example.com', agent: 'y' });
  await written.write(40, 'two', {
    user: 'ada@example.com',
    tool: 'pay',
    kind: 'outcome',
    event: 'completed',
    call: 'c1',
  });
  await written.write(50, 'one', { user: 'ada@example.com', tenant: 'other' });
  return written;
}

describe('a query', () => {
  verifies('AUD-6', 'answers what agent x did for user ada between two times', async () => {
    const { ledger } = await filled();
    const records = await all(ledger, { agent: 'x', user: 'ada@example.com', since: start + 5, until: start + 45 });
    expect(records.map(({ time, tool, user }) => [time - start, tool, user])).toEqual([
      [10, 'read', 'ada@example.com'],
      [40, 'pay', 'ada@example.com'],
    ]);
    expect(records[0]).toMatchObject({ detail: 'first', sealedState: 'open', writer: 'one', seq: 1 });
  });

  verifies('AUD-6', 'narrows by every condition, with both times inclusive', async () => {
    const { ledger } = await filled();
    const times = async (query: Partial<LedgerQuery>): Promise<number[]> =>
      (await all(ledger, query)).map(({ time }) => time - start);
    expect(await times({})).toEqual([10, 20, 30, 40]);
    expect(await times({ since: start + 20, until: start + 30 })).toEqual([20, 30]);
    expect(await times({ verdict: 'deny' })).toEqual([20]);
    expect(await times({ kind: 'outcome' })).toEqual([40]);
    expect(await times({ tool: 'pay' })).toEqual([20, 40]);
    expect(await times({ call: 'c1' })).toEqual([40]);
    expect(await times({ limit: 2 })).toEqual([10, 20]);
    expect(await times({ user: 'nobody' })).toEqual([]);
  });

  test('sees no record of another tenant', async () => {
    const { ledger } = await filled();
    expect((await all(ledger)).every(({ tenant }) => tenant === 'acme')).toBe(true);
    expect(await all(ledger, { tenant: 'other', user: 'ada@example.com' })).toHaveLength(1);
  });

  test('without a tenant, or with a mistaken condition, is refused and does not widen the answer', async () => {
    const { ledger } = await filled();
    const bad: Record<string, unknown>[] = [{ tenant: undefined }, { tenant: '' }, { tenant: '%' }, { user: '' }];
    bad.push({ since: Number.NaN }, { until: 'today' }, { limit: 0 }, { limit: Number.NaN }, { limit: -1 });
    for (const query of bad) await expect(all(ledger, query)).rejects.toThrow(/must/);
  });

  test('reads no more than it is asked for', async () => {
    const written = createWritten();
    for (let index = 0; index < 1200; index += 1) await written.write(index, 'one', { user: 'ada@example.com' });
    let reads = 0;
    const store = {
      ...written.store,
      records: (...input: Parameters<typeof written.store.records>) => ((reads += 1), written.store.records(...input)),
    };
    const ledger = createLedger({ ...written, store });
    for await (const record of ledger.query({ tenant: 'acme' })) if (record.seq === 3) break;
    expect(reads).toBe(1);
    expect(await all(ledger)).toHaveLength(1200);
  });

  test('goes by what the chain covers, not by a column that was changed beside it', async () => {
    const { ledger, store } = await filled();
    store.tables.records = store.tables.records.map((record) => ({ ...record, time: start + 1000, kind: 'outcome' }));
    expect(await all(ledger, { since: start + 500 })).toEqual([]);
    expect(await all(ledger, { since: 0, until: start + 2000 })).toHaveLength(4);
    store.tables.records = store.tables.records.map((record) => ({ ...record, time: 0 }));
    expect(await all(ledger, { until: start + 5 })).toEqual([]);
    expect(await all(ledger, { kind: 'outcome' })).toHaveLength(1);
  });

  test('under the wrong master key is an error, not a list of damaged records', async () => {
    const { store, recorder } = await filled();
    const sealer = createSealer({ masterKey: new Uint8Array(32).fill(9), keys: store });
    await expect(all(createLedger({ store, sealer, recorder, clock: createClock() }))).rejects.toMatchObject({
      code: 'ERR_KEY',
    });
  });

  test('goes on past a key that was tampered with, and says which records it cannot open', async () => {
    const { store, sealer, ledger } = await filled();
    store.tables.keys.set(`acme/${sealer.pseudonym('acme', 'ada@example.com')}`, 'AAAA');
    expect((await all(ledger)).map(({ sealedState }) => sealedState)).toEqual([
      'damaged',
      'open',
      'damaged',
      'damaged',
    ]);
  });
});

describe('an export', () => {
  verifies('AUD-6', 'is one line of JSON for each record', async () => {
    const { ledger } = await filled();
    const lines = await collect(ledger.export({ tenant: 'acme', user: 'ada@example.com' }));
    expect(lines.every((line) => line.endsWith('\n') && line.indexOf('\n') === line.length - 1)).toBe(true);
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { tool: 'read', user: 'ada@example.com', detail: 'first', hash: expect.any(String) as string },
      { agent: 'y' },
      { kind: 'outcome' },
    ]);
  });
});

describe('the erasure of a subject', () => {
  test('leaves the records, takes what was personal, breaks no hash, and is itself on record', async () => {
    const { ledger, store, sealer } = await filled();
    const pseudonym = sealer.pseudonym('acme', 'ada@example.com');
    await ledger.eraseSubject({
      tenant: 'acme',
      user: 'ada@example.com',
      by: 'compliance-officer',
      reason: 'request 17',
    });
    const records = await all(ledger);
    expect(records.map(({ user, detail, sealedState }) => [user, detail, sealedState])).toEqual([
      [undefined, undefined, 'erased'],
      ['bob', undefined, 'open'],
      [undefined, undefined, 'erased'],
      [undefined, undefined, 'erased'],
      [undefined, 'request 17', 'open'],
    ]);
    expect(records.at(-1)).toMatchObject({
      kind: 'administration',
      event: 'subject_erased',
      approver: 'compliance-officer',
      subject: pseudonym,
    });
    expect(await ledger.verify('acme')).toMatchObject({ ok: true, records: 5 });
    expect(JSON.stringify(store.tables)).not.toMatch(/ada@|compliance-officer|request 17/);
  });

  test('touches neither another user nor the same user of another tenant', async () => {
    const { ledger } = await filled();
    await ledger.eraseSubject({ tenant: 'acme', user: 'ada@example.com', by: 'compliance-officer' });
    expect((await all(ledger, { user: 'bob' }))[0]?.user).toBe('bob');
    expect((await all(ledger, { tenant: 'other' }))[0]?.user).toBe('ada@example.com');
  });

  test('holds when the user comes back: old records are not theirs again', async () => {
    const written = await filled();
    const { ledger, sealer } = written;
    await written.write(60, 'one', { user: 'ada@example.com', kind: 'claim', argumentsDigest: undefined as never });
    await ledger.eraseSubject({ tenant: 'acme', user: 'ada@example.com', by: 'compliance-officer' });
    expect(sealer.subject('acme', 'ada@example.com')).toBeInstanceOf(Promise);
    await written.write(70, 'one', { user: 'ada@example.com' });
    const records = await all(ledger, { user: 'ada@example.com' });
    expect(records.map(({ kind, user, sealedState }) => [kind, user, sealedState])).toEqual([
      ['decision', undefined, 'erased'],
      ['decision', undefined, 'erased'],
      ['outcome', undefined, 'erased'],
      ['claim', undefined, 'none'],
      ['administration', undefined, 'open'],
      ['decision', 'ada@example.com', 'open'],
    ]);
  });

  test('that cannot be recorded does not happen', async () => {
    const { store, sealer, recorder, ledger } = await filled();
    const keysBefore = store.tables.keys.size;
    const failing = { ...store, eraseSubject: () => Promise.reject(new Error('read-only')) };
    const broken = createLedger({ store: failing, sealer, recorder, clock: createClock() });
    await expect(
      broken.eraseSubject({ tenant: 'acme', user: 'ada@example.com', by: 'compliance-officer' }),
    ).rejects.toThrow('read-only');
    await expect(ledger.eraseSubject({ tenant: 'acme', user: 'ada@example.com', by: '' })).rejects.toThrow(/user id/);
    expect(store.tables.keys.size).toBe(keysBefore);
    expect((await all(ledger, { user: 'ada@example.com' }))[0]?.sealedState).toBe('open');
  });
});

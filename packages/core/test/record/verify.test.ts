import { describe, expect, test } from 'vitest';
import { genesisHash, hashRecord } from '../../src/record/chain.ts';
import type { ChainHead, StoredRecord } from '../../src/record/record.ts';
import { verifyLedger } from '../../src/record/verify.ts';
import type { LedgerProblem, Verification, VerifyOptions } from '../../src/record/verify.ts';
import { verifies } from '../../../../test/verifies.ts';
import { createBench } from './support.ts';
import type { OpenTables, TestStore } from './support.ts';

const pageSize = 3;

/** Ten records of writer `one`, four of writer `two`, three of another tenant. */
async function writtenLedger(): Promise<TestStore> {
  const bench = createBench();
  const { store, recorder } = bench;
  let time = 1_800_000_000_000;
  for (const [tenant, writer, count] of [
    ['acme', 'one', 10],
    ['acme', 'two', 4],
    ['other', 'one', 3],
  ] as const) {
    for (let index = 0; index < count; index += 1) {
      bench.setTime((time += 10));
      const event = { kind: 'decision', event: 'allow', tenant, call: `call-${index}`, tool: 'read' } as const;
      await store.as(writer).append(tenant, [recorder.draft(event, undefined)]);
    }
  }
  return store;
}

function chainOf(tables: OpenTables, writer = 'one', tenant = 'acme'): StoredRecord[] {
  return tables.records.filter((record) => record.writer === writer && record.tenant === tenant);
}

function at(tables: OpenTables, seq: number, writer = 'one'): StoredRecord {
  const record = chainOf(tables, writer).find((candidate) => candidate.seq === seq);
  if (record === undefined) throw new Error(`no record ${seq}`);
  return record;
}

function replace(tables: OpenTables, old: StoredRecord, changes: Partial<StoredRecord>): void {
  tables.records = tables.records.map((record) => (record === old ? { ...record, ...changes } : record));
}

function remove(tables: OpenTables, record: StoredRecord): void {
  tables.records = tables.records.filter((candidate) => candidate !== record);
}

/** What an attacker with write access does after a change: hash the chain anew, and move its head. */
function rehash(tables: OpenTables, from = 1): void {
  let previous = from === 1 ? genesisHash('acme', 'one') : at(tables, from - 1).hash;
  for (const record of chainOf(tables).filter(({ seq }) => seq >= from)) {
    const { tenant, writer, seq, body } = record;
    const hash = hashRecord({ tenant, writer, seq, previous, body });
    replace(tables, record, { hash });
    previous = hash;
  }
  const last = chainOf(tables).at(-1);
  tables.heads = tables.heads.map((head) =>
    head.writer === 'one' && head.tenant === 'acme' && last !== undefined
      ? { ...head, seq: last.seq, hash: last.hash }
      : head,
  );
}

async function verified(store: TestStore, options: VerifyOptions = {}): Promise<Verification> {
  return verifyLedger(store, 'acme', { pageSize, ...options });
}

async function attacked(attack: (tables: OpenTables) => void): Promise<Verification> {
  const store = await writtenLedger();
  attack(store.tables);
  return verified(store);
}

function found({ ok, problems }: Verification): [LedgerProblem, number][] {
  expect(ok).toBe(problems.length === 0);
  return problems.map(({ problem, seq }) => [problem, seq]);
}

describe('a ledger that nobody touched', () => {
  test('verifies, across pages and writers, for its own tenant only', async () => {
    const store = await writtenLedger();
    const pages: string[] = [];
    const verification = await verified(store, {
      onProgress: ({ writer, records }) => pages.push(`${writer}:${records}`),
    });
    expect(verification).toMatchObject({ ok: true, records: 14, problems: [] });
    expect(verification.heads.map(({ writer, seq }) => [writer, seq])).toEqual([
      ['one', 10],
      ['two', 4],
    ]);
    expect(pages).toEqual(['one:3', 'one:6', 'one:9', 'one:10', 'two:3', 'two:4']);
  });

  test('that is empty verifies', async () => {
    expect(await verifyLedger(createBench().store, 'acme')).toMatchObject({ ok: true, records: 0, heads: [] });
  });

  test('verifies while records are appended to it', async () => {
    const store = await writtenLedger();
    const { recorder } = createBench();
    const draft = (): ReturnType<typeof recorder.draft> =>
      recorder.draft({ kind: 'claim', event: 'claimed', tenant: 'acme' }, undefined);
    let reads = 0;
    const busy: TestStore = {
      ...store,
      async records(tenant, filter) {
        if ((reads += 1) < 6) await store.as(reads % 2 === 0 ? 'one' : 'new').append('acme', [draft()]);
        return store.records(tenant, filter);
      },
    };
    expect(found(await verified(busy))).toEqual([]);
  });
});

describe('an attack on the stored records is found:', () => {
  verifies('AUD-4', 'an edited body', async () => {
    const verification = await attacked((tables) => {
      const record = at(tables, 4);
      replace(tables, record, { body: record.body.replace('read', 'drop') });
    });
    expect(found(verification)).toEqual([['edited', 4]]);
    expect(verification.problems[0]?.message).toContain('record 4');
  });

  verifies('AUD-4', 'an edited body with its own hash made to fit', async () => {
    const verification = await attacked((tables) => {
      const record = at(tables, 4);
      const body = record.body.replace('read', 'drop');
      const hash = hashRecord({ tenant: 'acme', writer: 'one', seq: 4, previous: at(tables, 3).hash, body });
      replace(tables, record, { body, hash });
    });
    expect(found(verification)).toEqual([['edited', 5]]);
  });

  test('a column that the query filters by, changed under an untouched body', async () => {
    const changes: Partial<StoredRecord>[] = [
      { kind: 'identity' },
      { event: 'deny' },
      { call: 'another' },
      { call: undefined },
      { time: 5 },
    ];
    for (const change of changes) {
      const verification = await attacked((tables) => replace(tables, at(tables, 4), change));
      expect(found(verification)).toEqual([['edited', 4]]);
    }
  });

  test('a body that is no record, hashed to fit', async () => {
    const verification = await attacked((tables) => {
      replace(tables, at(tables, 10), { body: '{"v":1}' });
      rehash(tables, 10);
    });
    expect(found(verification)).toEqual([['edited', 10]]);
  });

  verifies('AUD-4', 'a record deleted from the middle', async () => {
    const verification = await attacked((tables) => remove(tables, at(tables, 5)));
    expect(found(verification)).toEqual([
      ['missing', 5],
      ['edited', 6],
    ]);
  });

  verifies('AUD-4', 'a record deleted, and those after it renumbered', async () => {
    const verification = await attacked((tables) => {
      remove(tables, at(tables, 5));
      tables.records = tables.records.map((record) =>
        record.tenant === 'acme' && record.writer === 'one' && record.seq > 5
          ? { ...record, seq: record.seq - 1 }
          : record,
      );
      tables.heads = tables.heads.map((head) => (head.seq === 10 ? { ...head, seq: 9 } : head));
    });
    expect(found(verification)[0]).toEqual(['edited', 5]);
    expect(verification.ok).toBe(false);
  });

  verifies('AUD-4', 'the first record deleted', async () => {
    const verification = await attacked((tables) => remove(tables, at(tables, 1)));
    expect(found(verification)[0]).toEqual(['missing', 1]);
  });

  verifies('AUD-4', 'a record inserted with a fitting hash, and those after it renumbered', async () => {
    const verification = await attacked((tables) => {
      tables.records = tables.records.map((record) =>
        record.tenant === 'acme' && record.writer === 'one' && record.seq > 4
          ? { ...record, seq: record.seq + 1 }
          : record,
      );
      const hash = hashRecord({
        tenant: 'acme',
        writer: 'one',
        seq: 5,
        previous: at(tables, 4).hash,
        body: at(tables, 4).body,
      });
      tables.records.splice(4, 0, { ...at(tables, 4), seq: 5, hash });
      tables.heads = tables.heads.map((head) => (head.seq === 10 ? { ...head, seq: 11 } : head));
    });
    expect(found(verification)[0]).toEqual(['edited', 6]);
  });

  test('a record smuggled in before the first, under a sequence that is none', async () => {
    for (const seq of [0, -3, 0.5]) {
      const verification = await attacked((tables) => tables.records.unshift({ ...at(tables, 1), seq }));
      expect(found(verification)).toContainEqual(['inserted', seq]);
    }
  });

  test('a second record under a sequence that is taken', async () => {
    const verification = await attacked((tables) => tables.records.push({ ...at(tables, 4) }));
    expect(found(verification)).toContainEqual(['inserted', 4]);
  });

  verifies('AUD-4', 'a record appended behind the head', async () => {
    const verification = await attacked((tables) => {
      const { body, ...last } = at(tables, 10);
      const hash = hashRecord({ tenant: 'acme', writer: 'one', seq: 11, previous: last.hash, body });
      tables.records.push({ ...last, body, seq: 11, hash });
    });
    expect(found(verification)).toEqual([['inserted', 11]]);
  });

  verifies('AUD-4', 'two records that changed places', async () => {
    const verification = await attacked((tables) => {
      const [fourth, fifth] = [at(tables, 4), at(tables, 5)];
      replace(tables, fourth, { ...fifth, seq: 4 });
      replace(tables, fifth, { ...fourth, seq: 5 });
    });
    expect(found(verification)).toEqual([
      ['edited', 4],
      ['reordered', 5],
      ['edited', 6],
    ]);
  });

  test('a store that answers out of order', async () => {
    const store = await writtenLedger();
    const shuffled: TestStore = {
      ...store,
      async records(tenant, filter) {
        const [first, second, ...rest] = await store.records(tenant, { ...filter, limit: 100 });
        return first === undefined || second === undefined ? [] : [second, first, ...rest];
      },
    };
    expect((await verified(shuffled)).problems.map(({ problem }) => problem)).toContain('reordered');
  });

  verifies('AUD-4', 'the chain of one writer given to another', async () => {
    const verification = await attacked((tables) => {
      tables.records = tables.records.filter((record) => record.writer !== 'two' || record.tenant !== 'acme');
      for (const record of chainOf(tables)) tables.records.push({ ...record, writer: 'two' });
      const head = tables.heads.find(({ writer, tenant }) => writer === 'one' && tenant === 'acme');
      tables.heads = tables.heads.map((other) => (other.writer === 'two' && head ? { ...head, writer: 'two' } : other));
    });
    expect(verification.problems.every(({ writer }) => writer === 'two')).toBe(true);
    expect(found(verification)[0]).toEqual(['edited', 1]);
  });

  verifies('AUD-4', 'a record of another tenant put into this one’s chain, with a fitting hash', async () => {
    const verification = await attacked((tables) => {
      replace(tables, at(tables, 10), { body: chainOf(tables, 'one', 'other')[0]?.body ?? '' });
      rehash(tables, 10);
    });
    expect(found(verification)).toContainEqual(['foreign', 10]);
  });

  test('a store that answers with records of another tenant', async () => {
    const store = await writtenLedger();
    const lying: TestStore = { ...store, records: (_tenant, filter) => store.records('other', filter) };
    expect((await verified(lying)).problems.map(({ problem }) => problem)).toContain('foreign');
  });

  test('a record relabelled as another tenant’s or writer’s', async () => {
    const store = await writtenLedger();
    for (const label of [{ tenant: 'other' }, { writer: 'two' }]) {
      const lying: TestStore = {
        ...store,
        records: async (tenant, filter) =>
          (await store.records(tenant, filter)).map((record) => (record.seq === 4 ? { ...record, ...label } : record)),
      };
      expect(found(await verified(lying))).toContainEqual(['foreign', 4]);
    }
  });

  test('a chain that begins at a genesis of its own', async () => {
    const verification = await attacked((tables) => {
      const { body, ...first } = at(tables, 1);
      const hash = hashRecord({ tenant: 'acme', writer: 'one', seq: 1, previous: genesisHash('other', 'one'), body });
      replace(tables, at(tables, 1), { ...first, body, hash });
      rehash(tables, 2);
    });
    expect(found(verification)).toEqual([['edited', 1]]);
  });

  verifies('AUD-4', 'records of a writer that never had a head', async () => {
    const verification = await attacked((tables) => {
      const { body, ...record } = at(tables, 1);
      const hash = hashRecord({
        tenant: 'acme',
        writer: 'ghost',
        seq: 1,
        previous: genesisHash('acme', 'ghost'),
        body,
      });
      tables.records.push({ ...record, body, writer: 'ghost', hash });
    });
    expect(verification.problems).toMatchObject([{ writer: 'ghost', problem: 'unknown_writer' }]);
  });

  verifies('AUD-4', 'newest records cut off while the head remains, and a whole chain deleted', async () => {
    expect(found(await attacked((tables) => remove(tables, at(tables, 10))))).toEqual([['truncated', 10]]);
    const verification = await attacked((tables) => {
      tables.records = tables.records.filter((record) => record.writer !== 'two');
    });
    expect(verification.problems).toMatchObject([{ writer: 'two', seq: 1, problem: 'truncated' }]);
  });

  test('a head that points elsewhere', async () => {
    const verification = await attacked((tables) => {
      tables.heads = tables.heads.map((head) => (head.seq === 10 ? { ...head, hash: at(tables, 9).hash } : head));
    });
    expect(found(verification)).toEqual([['edited', 10]]);
  });

  test('and a change near the beginning does not flood the answer', async () => {
    const { store, recorder } = createBench();
    const event = { kind: 'claim', event: 'claimed', tenant: 'acme' } as const;
    await store.append(
      'acme',
      Array.from({ length: 200 }, () => recorder.draft(event, undefined)),
    );
    store.tables.records = store.tables.records.slice(1).map((record) => ({ ...record, seq: record.seq - 1 }));
    expect((await verifyLedger(store, 'acme')).problems).toHaveLength(20);
  });
});

describe('what only heads kept outside can show', () => {
  async function withHeads(
    attack: (tables: OpenTables) => void,
  ): Promise<{ alone: Verification; outside: Verification }> {
    const store = await writtenLedger();
    const expectedHeads: readonly ChainHead[] = (await verified(store)).heads;
    attack(store.tables);
    return { alone: await verified(store), outside: await verified(store, { expectedHeads }) };
  }

  verifies('AUD-4', 'the newest records cut off together with the head', async () => {
    const { alone, outside } = await withHeads((tables) => {
      remove(tables, at(tables, 10));
      rehash(tables, 9);
    });
    expect(alone.ok).toBe(true);
    expect(found(outside)).toEqual([['truncated', 10]]);
  });

  verifies('AUD-4', 'history rewritten from one record on, with every hash and the head', async () => {
    const { alone, outside } = await withHeads((tables) => {
      const record = at(tables, 4);
      replace(tables, record, { body: record.body.replace('read', 'drop') });
      rehash(tables, 4);
    });
    expect(alone.ok).toBe(true);
    expect(found(outside)).toEqual([['edited', 10]]);
    expect(outside.writers.find(({ writer }) => writer === 'one')?.provenUpTo).toBe(0);
  });

  verifies('AUD-4', 'a writer removed with its head', async () => {
    const { alone, outside } = await withHeads((tables) => {
      tables.records = tables.records.filter((record) => record.writer !== 'two');
      tables.heads = tables.heads.filter((head) => head.writer !== 'two');
    });
    expect(alone.ok).toBe(true);
    expect(outside.problems).toMatchObject([{ writer: 'two', problem: 'truncated' }]);
  });

  test('the answer says how far it is proven, and no further', async () => {
    const store = await writtenLedger();
    const early = (await verified(store)).heads.map((head) =>
      head.writer === 'one' ? { ...head, seq: 6, hash: at(store.tables, 6).hash } : head,
    );
    expect((await verified(store)).writers.map(({ provenUpTo }) => provenUpTo)).toEqual([0, 0]);
    const verification = await verified(store, { expectedHeads: early });
    expect(verification).toMatchObject({
      ok: true,
      writers: [
        { writer: 'one', provenUpTo: 6 },
        { writer: 'two', provenUpTo: 4 },
      ],
    });
    replace(store.tables, at(store.tables, 3), { body: at(store.tables, 3).body.replace('read', 'drop') });
    expect((await verified(store, { expectedHeads: early })).writers[0]?.provenUpTo).toBe(0);
  });

  test('a head of another tenant is refused instead of ignored', async () => {
    const store = await writtenLedger();
    const expectedHeads = await store.heads('other');
    await expect(verified(store, { expectedHeads })).rejects.toThrow(/tenant other/);
  });
});

describe('a store that fails or lies', () => {
  test('an error while reading is no success', async () => {
    const store = await writtenLedger();
    let reads = 0;
    const failing: TestStore = {
      ...store,
      records: async (tenant, filter) =>
        (reads += 1) > 2 ? Promise.reject(new Error('gone')) : store.records(tenant, filter),
    };
    await expect(verified(failing)).rejects.toThrow('gone');
  });

  test('one that answers the same page for ever ends in an error', async () => {
    const store = await writtenLedger();
    const stuck: TestStore = {
      ...store,
      records: (tenant, { afterSeq: _afterSeq, ...filter }) => store.records(tenant, filter),
    };
    await expect(verified(stuck)).rejects.toMatchObject({ code: 'ERR_LEDGER' });
  });
});

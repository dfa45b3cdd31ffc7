import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ArchivePlace } from '../../../src/record/ledger.ts';
import { createNotary } from '../../../src/record/notary/notary.ts';
import { createNoteSigner } from '../../../src/record/notary/note-signer.ts';
import { findRecord, proveRecord, verifyProof } from '../../../src/record/notary/proof.ts';
import { openLedger } from '../../../src/record/open-ledger.ts';
import type { StoredRecord } from '../../../src/record/record.ts';
import type { Store } from '../../../src/store/store.ts';
import { verifies } from '../../../../../test/verifies.ts';
import { masterKey } from '../support.ts';
import { createSealedStore, recordAt, signer, tenant, type SealedStore } from './support.ts';

let ledger: SealedStore;
let files: Map<string, string>;
let place: ArchivePlace;
const later = Date.now() + 1e9;

/** Ten records of one writer in three segments. */
beforeEach(async () => {
  ledger = await createSealedStore();
  files = new Map();
  place = {
    write: async (name, contents) => void files.set(name, contents),
    read: async (name) => files.get(name),
  };
  await ledger.append(10);
  await ledger.seal();
});
afterEach(() => ledger.close());

async function archive(): Promise<number> {
  return ledger.open(async (store) => {
    let count = 0;
    const request = { tenant, by: 'olga', verifier: signer, place };
    for await (const _ of openLedger({ store, key: masterKey }).archive(request)) count += 1;
    return count;
  });
}

const prune = (before = later, with_: { place?: ArchivePlace; store?: (store: Store) => Store } = {}) =>
  ledger.open((store) =>
    openLedger({ store: with_.store?.(store) ?? store, key: masterKey }).prune({
      ...{ tenant, by: 'olga', signer, place: with_.place ?? place, before },
    }),
  );
const sequences = () =>
  ledger.open(async (store) => {
    const records = await store.records(tenant, {});
    return records.filter(({ kind }) => kind !== 'administration').map(({ seq }) => seq);
  });
const acts = () =>
  ledger.open(async (store) => {
    const found = [];
    for await (const record of openLedger({ store, key: masterKey }).query({ tenant, kind: 'administration' })) {
      found.push([record.event, record.approver, record.detail]);
    }
    return found;
  });

verifies(
  ['AUD-6', 'AUD-7'],
  'what was sealed, exported and old enough is removed; the rest verifies; both acts are recorded',
  async () => {
    expect(await archive()).toBe(3);
    expect(await prune()).toMatchObject({
      pruned: [
        { from: 1, to: 4 },
        { from: 5, to: 8 },
      ],
      kept: [{ from: 9, to: 10, because: 'newest_of_its_chain' }],
    });
    expect(await sequences()).toEqual([9, 10]);
    const verification = await ledger.verify();
    expect(verification.problems).toEqual([]);
    expect(verification.writers).toContainEqual(expect.objectContaining({ provenUpTo: 10, prunedUpTo: 8 }));
    const recorded = await acts();
    expect(recorded.map(([event, by]) => [event, by])).toEqual([
      ...Array.from({ length: 3 }, () => ['segment_archived', 'olga']),
      ...Array.from({ length: 2 }, () => ['segment_pruned', 'olga']),
    ]);
    expect(recorded[3]?.[2]).toMatch(/^segment 0: records 1 to 4 of w_\S+, archive sha256:\S{43}$/);
    await ledger.append(2);
    await ledger.seal();
    expect((await ledger.verify()).problems).toEqual([]);
  },
);

verifies(['AUD-4', 'AUD-6'], 'a record that was pruned is proven from its exported file', async () => {
  await archive();
  await prune();
  const [line = ''] = [...files.values()][0]?.split('\n') ?? [];
  const record = JSON.parse(line) as StoredRecord;
  const { id } = JSON.parse(record.body) as { id: string };
  await ledger.open(async (store) => {
    expect(await findRecord(store, tenant, id)).toBeUndefined();
    expect(verifyProof(await proveRecord(store, record, signer), signer).record.body).toBe(record.body);
  });
});

describe('nothing is removed', () => {
  verifies('AUD-6', 'that was not exported, or whose file is gone, or is another', async () => {
    const because = [{ because: 'not_archived' }];
    expect(await prune()).toMatchObject({ pruned: [], kept: because });
    await archive();
    for (const read of [async () => undefined, async () => 'something else']) {
      expect(await prune(later, { place: { ...place, read } })).toMatchObject({ pruned: [], kept: because });
    }
    expect(await sequences()).toHaveLength(10);
  });

  verifies('AUD-6', 'that only the store claims to be exported', async () => {
    await ledger.attack(
      `UPDATE entries SET value = replace(value, '"leaf"', '"archived":"made-up","leaf"') WHERE kind = 'segment'`,
    );
    expect(await prune()).toMatchObject({ pruned: [], kept: [{ because: 'not_archived' }] });
  });

  test('that is too young', async () => {
    await archive();
    expect(await prune(1)).toEqual({ pruned: [], kept: [] });
    await expect(prune(Number.NaN)).rejects.toThrow(/milliseconds/);
  });

  test('whose time column was set back', async () => {
    await archive();
    await ledger.attack('UPDATE records SET time = 1');
    expect((await prune(1000)).pruned).toEqual([]);
  });

  verifies('AUD-6', 'that an exporter has not delivered, also one that never began with this chain', async () => {
    await archive();
    const heads = await ledger.open((store) => store.heads(tenant));
    const writer = heads.find(({ seq }) => seq === 10)?.writer ?? '';
    const cursors: readonly [string, string, number][] = [
      [`otlp/${writer}`, '{"seq":4}', 1],
      [`otlp/${writer}`, '{"seq":3}', 0],
      [`otlp/${writer}`, 'damaged', 0],
      [`otlp/${writer}`, '{"seq":"9"}', 0],
      ['otlp/w_another', '{"seq":100}', 0],
      ['otlp', '{"seq":100}', 0],
    ];
    for (const [id, value, expected] of cursors) {
      const copy = await ledger.copyTo('before.db');
      await ledger.open((store) =>
        store.putEntry({ tenant, kind: 'cursor', id, expected: undefined, value, now: 1, records: [] }),
      );
      const { pruned, kept } = await prune();
      expect({ id, value, pruned: pruned.length }).toEqual({ id, value, pruned: expected });
      expect(kept).toMatchObject([{ because: 'not_exported_elsewhere' }]);
      await ledger.restore(copy);
    }
  });

  verifies('AUD-6', 'that is not what was sealed', async () => {
    await archive();
    await ledger.attack(`UPDATE records SET body = replace(body, 'read', 'drop') WHERE id = ${recordAt(6)}`);
    await expect(prune()).rejects.toThrow(/record 6 .* not the one that was sealed/);
    expect(await sequences()).toEqual([5, 6, 7, 8, 9, 10]);
  });

  verifies('AUD-7', 'by somebody who is not the notary', async () => {
    await archive();
    const forger = createNoteSigner(signer.name, Buffer.alloc(32, 9));
    const pruning = ledger.open((store) =>
      openLedger({ store, key: masterKey }).prune({ tenant, by: 'olga', signer: forger, place, before: later }),
    );
    await expect(pruning).rejects.toThrow(/not signed by/);
    expect(await sequences()).toHaveLength(10);
  });

  test('and nothing exported, when a record was changed', async () => {
    await ledger.attack(`UPDATE records SET body = replace(body, 'read', 'drop') WHERE id = ${recordAt(6)}`);
    await expect(archive()).rejects.toThrow(/record 6/);
  });

  test('and nothing exported, by a wrong audit key', async () => {
    await archive();
    const other = ledger.open(async (store) => {
      for await (const _ of openLedger({ store, key: Buffer.alloc(32, 1) }).archive({
        ...{ tenant, by: 'olga', verifier: signer, place },
      }));
    });
    await expect(other).rejects.toMatchObject({ code: 'ERR_KEY' });
  });
});

test('an export that was interrupted goes on where it was', async () => {
  let writes = 0;
  const failing: ArchivePlace = {
    ...place,
    async write(name, contents) {
      if ((writes += 1) === 2) throw new Error('disk full');
      await place.write(name, contents);
    },
  };
  const interrupted = ledger.open(async (store) => {
    for await (const _ of openLedger({ store, key: masterKey }).archive({
      ...{ tenant, by: 'olga', verifier: signer, place: failing },
    }));
  });
  await expect(interrupted).rejects.toThrow('disk full');
  expect(await archive()).toBe(2);
  expect(files.size).toBe(3);
});

test('an empty or unsealed ledger exports and prunes nothing', async () => {
  await ledger.attack("DELETE FROM entries WHERE kind IN ('segment', 'checkpoint')");
  expect(await archive()).toBe(0);
  expect(await prune()).toEqual({ pruned: [], kept: [] });
  await ledger.open(async (store) => {
    expect(await createNotary({ store, signer }).seal('nobody')).toMatchObject({ records: 0, note: undefined });
  });
});

verifies('AUD-6', 'a late archiver writes over no mark that records were pruned', async () => {
  let other: Promise<unknown> | undefined;
  const slow: ArchivePlace = {
    ...place,
    async write(name, contents) {
      other ??= archive().then(() => prune());
      await other;
      await place.write(name, contents);
    },
  };
  const late = ledger.open(async (store) => {
    const request = { tenant, by: 'olga', verifier: signer, place: slow };
    for await (const _ of openLedger({ store, key: masterKey }).archive(request));
  });
  await expect(late).rejects.toThrow(/changed meanwhile/);
  expect((await ledger.verify()).problems).toEqual([]);
});

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LedgerError } from '../../../src/errors.ts';
import { createNoteSigner } from '../../../src/record/notary/note-signer.ts';
import { createNotary } from '../../../src/record/notary/notary.ts';
import { verifyLedger, type Verification } from '../../../src/record/verify.ts';
import { verifies } from '../../../../../test/verifies.ts';
import { createSealedStore, recordAt, signer, tenant, type SealedStore } from './support.ts';

let ledger: SealedStore;

/** Two writers: ten records in three segments, six in two; everything sealed and witnessed. */
beforeEach(async () => {
  ledger = await createSealedStore();
  await ledger.append(10);
  await ledger.append(6);
  await ledger.seal();
});
afterEach(() => ledger.close());

function found({ ok, problems }: Verification): readonly [string, number][] {
  expect(ok).toBe(problems.length === 0);
  return problems.map(({ problem, seq }) => [problem, seq]);
}

const note = async (): Promise<string> => (await ledger.witness.newest(`${signer.name}/${tenant}`)) ?? '';

describe('a ledger that nobody touched', () => {
  verifies('AUD-4', 'verifies with the public key alone, up to the last record that was sealed', async () => {
    await ledger.append(2);
    const verification = await ledger.verify();
    expect(found(verification)).toEqual([]);
    expect(verification.checkpoint).toMatchObject({ origin: 'audit.example.com/test/acme', size: 5 });
    expect(
      verification.writers
        .map(({ records, provenUpTo }) => [records, provenUpTo])
        .toSorted(([a = 0], [b = 0]) => b - a),
    ).toEqual([
      [10, 10],
      [6, 6],
      [2, 0],
    ]);
  });

  test('is sealed further, a segment at a time, and every checkpoint begins with the one before', async () => {
    const first = await note();
    await ledger.append(3);
    expect(await ledger.seal()).toMatchObject({ records: 3, segments: 1, size: 6 });
    expect(await ledger.seal()).toMatchObject({ records: 0, segments: 0, size: 6 });
    expect(found(await ledger.verify([first, await note()]))).toEqual([]);
  });

  test('continues a writer where its last segment ended', async () => {
    await ledger.open(async (store) => {
      const notary = createNotary({ store, signer, witness: ledger.witness });
      for (let round = 0; round < 3; round += 1) {
        await store.append(tenant, [await draft()]);
        expect(await notary.seal(tenant)).toMatchObject({ records: 1, segments: 1, size: 6 + round });
      }
    });
    expect(found(await ledger.verify())).toEqual([]);
  });
});

async function draft() {
  const { createRecorder } = await import('../../../src/record/recorder.ts');
  const { createClock } = await import('../../../src/record/clock.ts');
  return createRecorder({ clock: createClock() }).draft({ kind: 'claim', event: 'claimed', tenant }, undefined);
}

const edit = `UPDATE records SET body = replace(body, 'read', 'drop') WHERE id = ${recordAt(6)}`;

describe('whoever can rewrite the whole file, hashes and all, is found out:', () => {
  verifies('AUD-4', 'by a record edited and the chain hashed anew', async () => {
    await ledger.attack(edit);
    await ledger.rehash(6);
    expect(found(await ledger.open((store) => verifyLedger(store, tenant)))).toEqual([]);
    expect(found(await ledger.verify())).toEqual([
      ['edited', 6],
      ['edited', 9],
    ]);
  });

  verifies('AUD-4', 'by a record deleted, the others renumbered and hashed anew', async () => {
    await ledger.attack(
      `DELETE FROM records WHERE id = ${recordAt(3)}`,
      'UPDATE records SET id = -id WHERE id >> 32 = 1 AND (id & 4294967295) > 3',
      'UPDATE records SET id = -id - 1 WHERE id < 0',
    );
    await ledger.rehash(3);
    expect(found(await ledger.verify())[0]).toEqual(['edited', 3]);
  });

  verifies('AUD-4', 'by a record inserted, the others renumbered and hashed anew', async () => {
    await ledger.attack(
      'UPDATE records SET id = -id WHERE id >> 32 = 1 AND (id & 4294967295) > 2',
      'UPDATE records SET id = -id + 1 WHERE id < 0',
      `INSERT INTO records (id, tenant, time, kind, event, call, body, hash)
        SELECT ${recordAt(3)}, tenant, time, kind, event, call, body, hash FROM records WHERE id = ${recordAt(2)}`,
    );
    await ledger.rehash(3);
    expect(found(await ledger.verify())[0]).toEqual(['edited', 3]);
  });

  verifies('AUD-4', 'by two records that changed places, hashed anew', async () => {
    await ledger.attack(
      `UPDATE records SET id = -1 WHERE id = ${recordAt(2)}`,
      `UPDATE records SET id = ${recordAt(2)} WHERE id = ${recordAt(3)}`,
      `UPDATE records SET id = ${recordAt(3)} WHERE id = -1`,
    );
    await ledger.rehash(2);
    expect(found(await ledger.verify())[0]).toEqual(['edited', 2]);
  });

  verifies('AUD-4', 'by the tail cut off', async () => {
    await ledger.attack('DELETE FROM records WHERE id >> 32 = 1 AND (id & 4294967295) > 8');
    expect(found(await ledger.open((store) => verifyLedger(store, tenant)))).toEqual([]);
    expect(found(await ledger.verify())).toEqual([['truncated', 9]]);
  });

  verifies('AUD-4', 'by a whole writer removed', async () => {
    await ledger.attack('DELETE FROM records WHERE id >> 32 = 2', 'DELETE FROM writers WHERE chain = 2');
    expect(found(await ledger.verify())).toEqual([['truncated', 1]]);
  });

  verifies('AUD-4', 'by an older copy put in the place of the store', async () => {
    const copy = await ledger.copyTo('older.db');
    await ledger.append(4);
    await ledger.seal();
    await ledger.restore(copy);
    expect(found(await ledger.verify([]))).toEqual([]);
    const verification = await ledger.verify();
    expect(found(verification)[0]).toEqual(['forged', 0]);
    expect(found(verification)).toContainEqual(['rolled_back', 0]);
  });

  verifies('AUD-4', 'by two logs shown to two verifiers', async () => {
    const copy = await ledger.copyTo('fork.db');
    await ledger.append(2);
    await ledger.seal({ witness: undefined });
    const seenByOne = await noteInStore();
    await ledger.restore(copy);
    await ledger.append(2);
    await ledger.seal({ witness: undefined });
    expect(found(await ledger.verify([]))).toEqual([]);
    expect(found(await ledger.verify([seenByOne]))).toEqual([['forked', 0]]);
  });

  verifies('AUD-4', 'by all seals removed', async () => {
    await ledger.attack("DELETE FROM entries WHERE kind IN ('segment', 'checkpoint')");
    expect(found(await ledger.verify([]))).toEqual([['unsealed', 0]]);
    expect(found(await ledger.verify())).toContainEqual(['rolled_back', 0]);
  });

  verifies('AUD-4', 'by everything rewritten and sealed again with another key', async () => {
    await ledger.attack(edit, "DELETE FROM entries WHERE kind IN ('segment', 'checkpoint')");
    await ledger.rehash(6);
    const forger = createNoteSigner(signer.name, Buffer.alloc(32, 9));
    await ledger.open((store) => createNotary({ store, signer: forger }).seal(tenant));
    expect(found(await ledger.verify([]))).toEqual([['forged', 0]]);
  });

  verifies('AUD-4', 'by a segment that was changed to fit a change', async () => {
    for (const change of [
      "UPDATE entries SET value = replace(value, '\"leaf\":\"countersign/segment/1\\nacme', '\"leaf\":\"countersign/segment/1\\nother') WHERE kind = 'segment' AND id LIKE '%1'",
      "UPDATE entries SET value = 'x' WHERE kind = 'segment' AND id LIKE '%1'",
      `UPDATE entries SET value = replace(value, '"v":1', '"v":2') WHERE kind = 'segment' AND id LIKE '%1'`,
      "DELETE FROM entries WHERE kind = 'segment' AND id LIKE '%1'",
      "UPDATE entries SET value = (SELECT value FROM entries WHERE kind = 'segment' AND id LIKE '%2') WHERE kind = 'segment' AND id LIKE '%1'",
    ]) {
      const copy = await ledger.copyTo('before.db');
      await ledger.attack(change);
      expect(found(await ledger.verify([]))[0]).toEqual(['forged', 0]);
      await ledger.restore(copy);
    }
  });

  verifies(['AUD-4', 'AUD-6'], 'by records removed with a made-up word of the notary', async () => {
    await ledger.attack(
      `UPDATE entries SET value = replace(value, '"leaf"', '"pruned":"countersign/pruned/1","leaf"') WHERE kind = 'segment' AND id LIKE '%0'`,
      'DELETE FROM records WHERE id >> 32 = 1 AND (id & 4294967295) <= 4',
    );
    expect(found(await ledger.verify())[0]).toEqual(['missing', 1]);
  });

  test('also where the hashes that name the record were changed too', async () => {
    await ledger.attack(edit);
    await ledger.rehash(6);
    await ledger.attack(
      `UPDATE entries SET value = replace(value, '"hashes":"', '"hashes":"AAAA') WHERE kind = 'segment' AND id LIKE '%1'`,
      `UPDATE entries SET value = substr(value, 1, length(value) - 6) || '"}' WHERE kind = 'segment' AND id LIKE '%1'`,
    );
    expect((await ledger.verify()).ok).toBe(false);
  });
});

async function noteInStore(): Promise<string> {
  return ledger.open(async (store) => (await store.entry(tenant, 'checkpoint', 'newest'))?.value ?? '');
}

describe('the notary signs nothing', () => {
  verifies('AUD-4', 'over a record that does not fit its chain', async () => {
    await ledger.append(3);
    await ledger.attack(
      `UPDATE records SET body = replace(body, 'read', 'drop') WHERE id >> 32 = 3 AND (id & 4294967295) = 2`,
    );
    await expect(ledger.seal()).rejects.toThrow(/record 2 of writer .* does not fit/);
    expect(await noteInStore()).toBe(await note());
  });

  verifies('AUD-4', 'after the store was rolled back behind what the witness saw', async () => {
    const copy = await ledger.copyTo('older.db');
    await ledger.append(4);
    await ledger.seal();
    await ledger.restore(copy);
    await ledger.append(4);
    await expect(ledger.seal()).rejects.toThrow(/rolled back/);
  });

  verifies('AUD-4', 'after the store and its seals were forged', async () => {
    await ledger.attack("DELETE FROM entries WHERE kind IN ('segment', 'checkpoint')");
    await expect(ledger.seal()).rejects.toThrow(/rolled back/);
    await ledger.attack("UPDATE entries SET value = 'forged' WHERE kind = 'checkpoint'");
    await expect(ledger.seal()).rejects.toThrow(LedgerError);
  });

  test('when the witness cannot be reached', async () => {
    const gone = { ...ledger.witness, newest: () => Promise.reject(new Error('unreachable')) };
    await ledger.append(1);
    await expect(ledger.seal({ witness: gone })).rejects.toThrow('unreachable');
    expect(await ledger.seal()).toMatchObject({ records: 1 });
  });

  verifies('AUD-4', 'when another notary works on the same log', async () => {
    await ledger.append(3);
    await ledger.open(async (store) => {
      let other: Promise<unknown> | undefined;
      const slow = {
        ...store,
        async records(...args: Parameters<typeof store.records>) {
          other ??= createNotary({ store, signer, witness: ledger.witness }).seal(tenant);
          await other;
          return store.records(...args);
        },
      };
      await expect(createNotary({ store: slow, signer, witness: ledger.witness }).seal(tenant)).rejects.toThrow(
        /another notary/,
      );
    });
    expect(found(await ledger.verify())).toEqual([]);
  });

  verifies('AUD-4', 'and writes over no segment that another notary signed meanwhile', async () => {
    await ledger.append(3);
    await ledger.open(async (store) => {
      let other: Promise<unknown> | undefined;
      const slow = {
        ...store,
        async records(...args: Parameters<typeof store.records>) {
          const read = await store.records(...args);
          other ??= createNotary({ store, signer, witness: ledger.witness, segmentRecords: 4 }).seal(tenant);
          await other;
          return read;
        },
      };
      const late = createNotary({ store: slow, signer, witness: ledger.witness, segmentRecords: 2 });
      await expect(late.seal(tenant)).rejects.toThrow(/another notary/);
    });
    expect(found(await ledger.verify())).toEqual([]);
  });

  test('and goes on where one died between segments and checkpoint', async () => {
    await ledger.append(6);
    await ledger.open(async (store) => {
      const dying = {
        ...store,
        putEntry: (input: Parameters<typeof store.putEntry>[0]) =>
          input.kind === 'checkpoint' && input.value !== '' && input.value?.includes('\n7\n') === true
            ? Promise.reject(new Error('died'))
            : store.putEntry(input),
      };
      const notary = createNotary({ store: dying, signer, witness: ledger.witness, segmentRecords: 4 });
      await expect(notary.seal(tenant)).rejects.toThrow('died');
    });
    expect(found(await ledger.verify())).toEqual([]);
    expect(await ledger.seal()).toMatchObject({ records: 6, size: 7 });
    expect(found(await ledger.verify())).toEqual([]);
  });
});

describe('the witness', () => {
  const origin = `${signer.name}/${tenant}`;

  verifies('AUD-4', 'does not go back, and takes no other log', async () => {
    const old = await note();
    await ledger.append(4);
    await ledger.seal();
    await expect(ledger.witness.add({ origin, oldSize: 6, path: [], note: old })).rejects.toThrow(/rolled back/);
    await expect(ledger.witness.add({ origin, oldSize: 5, path: [], note: await note() })).rejects.toThrow(
      /read it again/,
    );
    const forged = await signAnother(6);
    await expect(ledger.witness.add({ origin, oldSize: 6, path: [], note: forged })).rejects.toThrow(
      /forked or rewritten/,
    );
  });

  test('takes nothing that the notary did not sign', async () => {
    const forger = createNoteSigner(signer.name, Buffer.alloc(32, 9));
    const forged = await signAnother(9, forger);
    await expect(ledger.witness.add({ origin, oldSize: 5, path: [], note: forged })).rejects.toThrow(/not signed by/);
    expect(await ledger.witness.origins()).toEqual([origin]);
  });

  test('whose file was changed is not believed', async () => {
    await writeFile(join(ledger.path, '..', 'witness', `${encodeURIComponent(origin)}.checkpoint`), 'nothing');
    await ledger.append(1);
    await expect(ledger.seal()).rejects.toThrow(/no signed note/);
  });

  async function signAnother(size: number, by = signer): Promise<string> {
    const { signCheckpoint } = await import('../../../src/record/notary/checkpoint.ts');
    return signCheckpoint({ origin, size, root: Buffer.alloc(32, 5) }, by);
  }
});

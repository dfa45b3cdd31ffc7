import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LedgerError } from '../../../src/errors.ts';
import { createNoteSigner } from '../../../src/record/notary/note-signer.ts';
import { proveRecord, verifyProof } from '../../../src/record/notary/proof.ts';
import { formatVerifierKey, parseVerifierKey } from '../../../src/record/notary/signed-note.ts';
import type { StoredRecord } from '../../../src/record/record.ts';
import { verifies } from '../../../../../test/verifies.ts';
import { createSealedStore, signer, tenant, type SealedStore } from './support.ts';

let ledger: SealedStore;
let records: readonly StoredRecord[];
const verifier = parseVerifierKey(formatVerifierKey(signer));
const prove = (record: StoredRecord): Promise<string> => ledger.open((store) => proveRecord(store, record, signer));

/** Of the writer that has so many. */
function recordOf(count: number, seq: number): StoredRecord {
  const ofWriter = (name: string) => records.filter(({ writer }) => writer === name);
  const found = records.find((record) => record.seq === seq && ofWriter(record.writer).length === count);
  if (found === undefined) throw new Error(`no record ${seq} of ${count}`);
  return found;
}

beforeAll(async () => {
  ledger = await createSealedStore();
  await ledger.append(10);
  await ledger.append(6);
  await ledger.seal();
  await ledger.append(1);
  records = await ledger.open((store) => store.records(tenant, {}));
});
afterAll(() => ledger.close());

verifies('AUD-4', 'every sealed record is proven offline, with the public key alone', async () => {
  const sealed = records.filter(({ writer }) => records.filter((other) => other.writer === writer).length > 1);
  expect(sealed).toHaveLength(16);
  for (const record of sealed) {
    const { writer, seq, body, hash } = record;
    expect(verifyProof(await prove(record), verifier)).toMatchObject({ record: { tenant, writer, seq, body }, hash });
  }
});

verifies('AUD-4', 'a proof changed in any place proves nothing, or what it proved before', async () => {
  const proof = await prove(recordOf(10, 6));
  const proven = verifyProof(proof, verifier);
  const tampered = fc.tuple(fc.nat(proof.length - 1), fc.constantFrom('A', 'b', '0', '9', '\n', ' ', '=', '—', '"'));
  fc.assert(
    fc.property(tampered, fc.boolean(), ([place, character], insert) => {
      const changed = proof.slice(0, place) + character + proof.slice(insert ? place : place + 1);
      if (changed === proof) return;
      try {
        expect(verifyProof(changed, verifier)).toEqual(proven);
        // Only what is not signed and leads nowhere may differ: a signature of somebody unknown.
        expect(changed.split('\n\n')[0]).toBe(proof.split('\n\n')[0]);
      } catch (error) {
        if (!(error instanceof LedgerError)) throw error;
      }
    }),
    { numRuns: 1500 },
  );
});

verifies('AUD-4', 'a proof with a field exchanged, dropped or added is refused', async () => {
  const proof = await prove(recordOf(10, 6));
  const other = await prove(recordOf(6, 2));
  const extraOf = (text: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(/^extra (\S+)$/m.exec(text)?.[1] ?? '', 'base64').toString()) as Record<string, unknown>;
  const rebuilt = (change: (extra: Record<string, unknown>) => unknown): string =>
    proof.replace(/^extra .*$/m, `extra ${Buffer.from(JSON.stringify(change(extraOf(proof)))).toString('base64')}`);
  const record = (changes: object) => (extra: Record<string, unknown>) => ({
    ...extra,
    record: { ...(extra['record'] as object), ...changes },
  });
  expect(() =>
    verifyProof(
      rebuilt((extra) => extra),
      verifier,
    ),
  ).not.toThrow();
  const changes: ((extra: Record<string, unknown>) => unknown)[] = [
    record({ tenant: 'globex' }),
    record({ writer: 'w_other' }),
    record({ seq: 5 }),
    record({ seq: -1 }),
    record({ previous: '0'.repeat(64) }),
    record({ body: '{}' }),
    record({ extra: 1 }),
    (extra) => ({ ...extra, segment: extraOf(other)['segment'] }),
    (extra) => ({ ...extra, path: extraOf(other)['path'] }),
    (extra) => ({ ...extra, path: 'none' }),
    (extra) => ({ ...extra, more: true }),
    ({ record: kept }) => ({ record: kept }),
    () => null,
    () => [],
  ];
  for (const change of changes) expect(() => verifyProof(rebuilt(change), verifier)).toThrow(LedgerError);
  for (const index of [0, 1, 99]) {
    const moved = proof.replace(/^index \d+$/m, `index ${index}`);
    if (moved !== proof) expect(() => verifyProof(moved, verifier)).toThrow(LedgerError);
  }
  for (const text of ['', 'c2sp.org/tlog-proof@v1\n', proof.replace('@v1', '@v2'), proof.slice(0, -20)]) {
    expect(() => verifyProof(text, verifier)).toThrow(LedgerError);
  }
});

test('another key proves nothing', async () => {
  const proof = await prove(recordOf(10, 6));
  for (const stranger of [
    createNoteSigner(signer.name, Buffer.alloc(32, 9)),
    createNoteSigner('audit.example.com/other', Buffer.alloc(32, 3)),
  ]) {
    expect(() => verifyProof(proof, stranger)).toThrow(/not signed by/);
  }
});

test('a record that is not sealed, or is another than was sealed, gets no proof', async () => {
  await expect(prove(recordOf(1, 1))).rejects.toThrow(/not sealed yet/);
  const edited = { ...recordOf(10, 6), body: '{}' };
  await expect(prove(edited)).rejects.toThrow(/not the one that was sealed/);
});

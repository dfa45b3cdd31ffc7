import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StoreError } from '../../src/errors.ts';
import { createChain, genesisHash, hashRecord, newWriter } from '../../src/record/chain.ts';
import type { RecordDraft } from '../../src/record/record.ts';

const draft = (body: string, tenant = 'acme'): RecordDraft => ({
  id: 'rec_1',
  tenant,
  time: 1,
  kind: 'claim',
  event: 'claimed',
  call: undefined,
  body,
});

describe('the hash of a record', () => {
  const record = { tenant: 'acme', writer: 'w_1', seq: 2, previous: 'ab', body: '{"text":"ü"}' };

  test('is SHA-256 over a domain tag and length-prefixed fields', () => {
    const encoded = 'countersign/record/1\n4:acme\n3:w_1\n1:2\n2:ab\n12:{"text":"ü"}';
    expect(hashRecord(record)).toBe(hash('sha256', Buffer.from(encoded, 'utf8'), 'hex'));
    expect(hashRecord(record)).toBe('ae3057d120407c5e1f29d649ada91a3532b7eecfebabf3c147d04284f14fe0ce');
    expect(genesisHash('acme', 'w_1')).toBe('875a669dc8217a18f2bf785cad5dfb0c58fccb67d1902d20e52bb3d31203e2eb');
  });

  test('differs for every other field', () => {
    const others = [{ tenant: 'globex' }, { writer: 'w_2' }, { seq: 3 }, { previous: 'ac' }, { body: '{}' }];
    const hashes = [record, ...others.map((other) => ({ ...record, ...other }))].map(hashRecord);
    expect(new Set(hashes).size).toBe(6);
  });

  test('cannot be kept by moving text from one field to the next', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '\n', ':', '1', '2') });
    const records = fc.record({ tenant: text, writer: text, seq: fc.nat(30), previous: text, body: text });
    fc.assert(
      fc.property(records, records, (left, right) => {
        expect(hashRecord(left) === hashRecord(right)).toBe(JSON.stringify(left) === JSON.stringify(right));
      }),
      { numRuns: 2000 },
    );
    expect(hashRecord({ ...record, previous: 'a', body: '\n1:b' })).not.toBe(
      hashRecord({ ...record, previous: 'a\n1:b', body: '' }),
    );
  });

  test('of a chain of one tenant or writer never fits another', () => {
    const genesis = [genesisHash('a', 'b'), genesisHash('b', 'a'), genesisHash('ab', ''), genesisHash('a\n1:b', '')];
    expect(new Set(genesis).size).toBe(4);
  });
});

describe('a chain', () => {
  test('links each record to the one before, apart for each tenant', () => {
    const chain = createChain('w_1', () => undefined);
    const [first, second] = chain.link('acme', [draft('1'), draft('2')]);
    const [third] = chain.link('acme', [draft('3')]);
    const [other] = chain.link('globex', [draft('1', 'globex')]);
    expect([first?.seq, second?.seq, third?.seq, other?.seq]).toEqual([1, 2, 3, 1]);
    expect(first?.hash).toBe(
      hashRecord({ tenant: 'acme', writer: 'w_1', seq: 1, previous: genesisHash('acme', 'w_1'), body: '1' }),
    );
    expect(third?.hash).toBe(
      hashRecord({ tenant: 'acme', writer: 'w_1', seq: 3, previous: second?.hash ?? '', body: '3' }),
    );
  });

  test('goes on from the durable head after a failed write', () => {
    const chain = createChain('w_1', () => ({ seq: 7, hash: 'durable' }));
    chain.link('acme', [draft('lost')]);
    chain.forget();
    const [record] = chain.link('acme', [draft('kept')]);
    expect(record).toMatchObject({
      seq: 8,
      hash: hashRecord({ tenant: 'acme', writer: 'w_1', seq: 8, previous: 'durable', body: 'kept' }),
    });
  });

  test('refuses a record of another tenant, and a text that storage would change', () => {
    const chain = createChain('w_1', () => undefined);
    expect(() => chain.link('acme', [draft('1', 'globex')])).toThrow(StoreError);
    expect(() => chain.link('acme', [draft('\ud800')])).toThrow(StoreError);
    expect(chain.link('acme', [draft('1')])[0]?.seq).toBe(1);
  });

  test('has a writer of its own, with 128 bits of chance', () => {
    const writers = Array.from({ length: 100 }, newWriter);
    expect(new Set(writers).size).toBe(100);
    for (const writer of writers) expect(writer).toMatch(/^w_[A-Za-z0-9_-]{22}$/);
  });
});

/** Whether the word of a trusted tool is its own, or what the model gave it before. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { traceLimits, traceValues, type ObservedSource, type ValueOrigin } from '../../src/authorize/provenance.ts';

const iban = 'DE89370400440532013000';
const tool = { name: 'crm', source: 'local' };
const event = (text: string, given: string): ObservedSource => ({
  ...{ origin: 'tool', form: 'json', tool, trusted: true },
  ...{ text, given },
});
const began = (given: unknown): ObservedSource => event('', JSON.stringify(given));
const ended = (value: unknown): ObservedSource => event(JSON.stringify(value), '');

/** The value's origin when one call was given this, and the trusted tool then answers that. */
function originOf(value: unknown, given: unknown, answer: unknown): ValueOrigin['origin'] | undefined {
  return traceValues({ value }, [began(given), ended(answer)])[0]?.origin;
}

const hex = (code: number): string => code.toString(16).padStart(4, '0');
const escaped = iban.replaceAll(/./g, (character) => `\\u${hex(character.charCodeAt(0))}`);

function within(levels: number, text: string): string {
  return `${'['.repeat(levels)}${text}${']'.repeat(levels)}`;
}

function documents(levels: number, innermost: string): string {
  return levels === 0 ? innermost : documents(levels - 1, JSON.stringify([innermost]));
}

/** Escapes the backslashes of escapes by escapes: each reading takes one level away. */
function escapedAgain(levels: number, text: string): string {
  return levels === 0 ? text : escapedAgain(levels - 1, text.replaceAll('\\', '\\u005c'));
}

describe('a value that the model gave is not the word of the trusted tool that hands it back', () => {
  const document = `["${escaped}", 1.5e3]`;
  const deep = within(62, `"${escaped}"`);
  const many = documents(3, `["${escaped}"]`);
  const blind = `["${escapedAgain(40, escaped)}"]`;
  const attacks: Record<string, readonly [value: unknown, given: unknown, answer: unknown]> = {
    'trimmed of what JSON does not permit': [iban, { note: `${document}\u00a0` }, { note: document }],
    'trimmed, as a number': [1500, { note: `${document}\u00a0` }, { note: document }],
    'one level of objects higher': [iban, { filter: { query: deep } }, { query: deep }],
    'deeper than anybody looks': [iban, { query: within(500, `"${escaped}"`) }, { query: `["${escaped}"]` }],
    'without the outermost of five documents': [iban, { body: JSON.stringify({ note: many }) }, { note: many }],
    'out of many documents': [iban, { body: documents(9, document) }, { body: document }],
    'out of a longer text': [iban, { body: `note: {"a":"${escaped}"}, thanks` }, { a: iban }],
    'out of JSON with comments': [iban, { body: `[ // mine\n "${escaped}",]` }, [iban]],
    'out of JSON with more behind it': [iban, { body: `["${escaped}"] and so on` }, [iban]],
    'out of a text that only a quotation mark opens': [iban, { body: `"${escaped}` }, [iban]],
    'out of a quoted text': [iban, { body: JSON.stringify(document).slice(1, -1) }, { body: document }],
    'out of the name of a member': [iban, { [document]: 1 }, [iban]],
    'out of the name of a member in a document': [iban, { body: `{"${escaped}":1}` }, [iban]],
    'with an escaped stroke': ['acme/42', { body: String.raw`["acme\/42"]` }, ['acme/42']],
    'with an escaped line break': ['one\ntwo three', { body: String.raw`["one\ntwo three"]` }, ['one\ntwo three']],
    'with an escaped backslash': [String.raw`C:\new\x`, { body: String.raw`["C:\\new\\x"]` }, [String.raw`C:\new\x`]],
    'with more escapes of escapes than anybody reads': [iban, { body: blind }, { body: blind.replace('[', ' [') }],
    'the same, read by the tool': [iban, { body: blind }, [iban]],
    'at the end of a Greek word': ['ΟΔΟΣ', { name: 'ΟΔΟΣ.Α' }, { name: 'ΟΔΟΣ' }],
    'at the end of a Greek word, in small letters': ['οδος', { name: 'ΟΔΟΣΑ' }, { name: 'οδος' }],
    'in capitals, of which one letter has two': ['STRASSE', { name: 'straße' }, { name: 'STRASSE' }],
    'in small letters, of which a capital has two': ['i\u0307ban', { name: '\u0130BAN' }, { name: 'i\u0307ban' }],
    'in capitals, of an accent that is a letter there': ['ΤΩΙ ΘΕΩΙ', { name: 'τῷ θεῷ' }, { name: 'ΤΩΙ ΘΕΩΙ' }],
    'without accents': ['Zoe Muller', { name: 'Zo\u00eb M\u00fcller' }, { name: 'Zoe Muller' }],
    'of letters that decompose into marks': ['\uff9e\uff9e\uff9e', { name: 'x' }, { name: '\uff9e\uff9e\uff9e' }],
    'put together out of a list': ['DE8937040044', { parts: ['DE8937', '040044'] }, { iban: 'DE8937040044' }],
    'as a number with an exponent': [12_345_678_901, { id: '1.2345678901e10' }, { id: 12_345_678_901 }],
    'as a number with an exponent, in a text': [1500, { body: 'pay=15.0E+2;' }, { amount: 1500 }],
    'as a small number with an exponent': [0.000_25, { body: 'pay 250e-6' }, { rate: 0.000_25 }],
    'as a text of a number with an exponent': ['1500', { body: 'pay=1.50e3;' }, { amount: 1500 }],
    'as a text that is how people write the number': ['1,500.00', { amount: 1500 }, { total: '1,500.00' }],
    'as a number in a list of numbers': [2.5, { body: '1,2.5,3' }, [1, 2.5, 3]],
    'as a number with strokes between': [12_345_678, { body: '1234-5678' }, { id: 12_345_678 }],
    'as a number with escaped digits': [1500, { body: String.raw`["\u0031\u0035\u0030\u0030"]` }, [1500]],
    'as a wide number': [1500, { body: '１５００' }, [1500]],
    'as a number to another base': [1500, { body: '0x5DC' }, [1500]],
    'as a number without its sign': [1500, { amount: -1500 }, [1500]],
  };
  for (const [how, [value, given, answer]] of Object.entries(attacks))
    verifies('CAP-12', how, () => expect(originOf(value, given, answer)).toBe('model'));

  verifies('CAP-12', 'however the case of letters is changed', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 3, maxLength: 12 }), (name) => {
        fc.pre(name.isWellFormed());
        return [name.toUpperCase(), name.toLowerCase(), name.toUpperCase().toLowerCase()].every(
          (answer) => originOf(answer, { name: `${name}.Α` }, { name: answer }) === 'model',
        );
      }),
      { numRuns: 100 },
    );
  });

  verifies('CAP-12', 'however deep it is wrapped, cut out and wrapped again', () => {
    const wraps: readonly ((text: string) => string)[] = [
      (text) => JSON.stringify([text]),
      (text) => JSON.stringify({ note: text }),
      (text) => `[${JSON.stringify(text)}, 1]\u00a0`,
      (text) => `note: ${JSON.stringify({ a: { b: text } })}`,
      (text) => text.replace(/[A-Z]/gu, (letter) => `\\u${hex(letter.charCodeAt(0))}`),
    ];
    const wrapped = (indices: readonly number[], text: string): string =>
      indices.reduce((inner, index) => wraps[index]?.(inner) ?? inner, text);
    const levels = fc.array(fc.nat(wraps.length - 1), { maxLength: 6 });
    fc.assert(
      fc.property(levels, levels, (inner, outer) => {
        const stored = wrapped(inner, `["${escaped}"]`);
        return originOf(iban, { note: wrapped(outer, stored) }, { note: stored }) === 'model';
      }),
      { numRuns: 500 },
    );
  });
});

describe('what a trusted tool answers of its own is its word', () => {
  test.each<[string, unknown]>([
    ['nothing', {}],
    ['prose', { question: 'What did the user ("Ada") want? See [1] and {draft}: it\'s 5 o\'clock…' }],
    ['prose with a bracket that nothing closes', { question: '[sic! who "is Ada' }],
    ['a path with backslashes', { path: String.raw`C:\Users\new\report.txt` }],
    ['a pattern', { pattern: String.raw`^\w+\s"(\d{3})"\\$` }],
    ['JSON', { filter: { name: ['Ada'], limit: 20, active: true } }],
    ['JSON as a text', { body: JSON.stringify({ name: 'Ada "the" Countess\n', tags: ['x/y'] }, undefined, 2) }],
    ['JSON in JSON in JSON', { body: documents(3, JSON.stringify({ name: 'Ada\u00e9' })) }],
    ['JSON that is none', { body: '{name: "Ada", /* who */ limit: 1e3,}' }],
    ['source text', { code: String.raw`if (a["b"] !== '\n') { return "\u00e9\t" + 0x1f; }` }],
    ['numbers', { ids: [4711, 12, 0.5], page: '3 of 12', since: '2024-05-17T10:00:00Z' }],
  ])('although a call was given %s', (_, given) => {
    const answer = { iban, note: 'to be paid at once', amount: 1499.5, account: '0532013000' };
    for (const value of Object.values(answer)) expect(originOf(value, given, answer)).toBe('tool');
  });

  test('although it was given other values that are like it', () => {
    expect(originOf(1500, { note: '21500 or 15000, 1.501e3' }, { amount: 1500 })).toBe('tool');
    expect(originOf('Ada Lovelace', { note: 'Ada, not Lovelace' }, { name: 'Ada Lovelace' })).toBe('tool');
  });

  verifies('CAP-12', 'from before a call that repeats it, and not from after one', () => {
    const write = (): ObservedSource => began({ note: escaped });
    const read = (): ObservedSource => ended([iban]);
    const origins = (...sources: readonly ObservedSource[]) =>
      traceValues({ iban }, sources).map(({ origin }) => origin);
    expect(origins(write(), read())).toEqual(['model']);
    expect(origins(read(), write())).toEqual(['tool']);
    expect(origins(read(), write(), read())).toEqual(['tool']);
    expect(origins(read(), began({}), write(), ended('x'), read())).toEqual(['tool']);
    expect(origins(began({}), write(), read(), began({}), read())).toEqual(['model']);
  });
});

describe('looking for repetitions costs a bounded time', () => {
  const members = (count: number, value: (index: number) => unknown): object =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`m${index}`, value(index)]));
  const hostile: Record<string, readonly [args: object, sources: readonly ObservedSource[]]> = {
    'of many calls without arguments': [
      members(200, () => 'abc '.repeat(1_200)),
      [...Array.from({ length: 1_000 }, () => began({})), ended({ page: 'abc '.repeat(1_200) })],
    ],
    'of many small calls': [
      members(200, (index) => `${'abc '.repeat(3_000)}${index}`),
      [
        ...Array.from({ length: 1_000 }, (_, index) => began({ index })),
        ...Array.from({ length: 20 }, () => ended(members(5, (index) => `${'abc '.repeat(3_000)}${index}`))),
      ],
    ],
    'of long values and many results': [
      members(200, () => 'a'.repeat(16_384)),
      Array.from({ length: 1_000 }, () => ended(['a'.repeat(200)])),
    ],
    'of short values in long texts': [members(200, () => 'aaa'), [began({}), ended('aaa.,-'.repeat(43_000))]],
    'of numbers in long arguments': [
      members(200, (index) => index + 0.5),
      [began({ n: '1 '.repeat(120_000) }), ended(members(200, (index) => index + 0.5))],
    ],
    'of numbers in many results': [
      members(200, (index) => `x${index}`),
      [ended(Array.from({ length: 100_000 }, () => 1))],
    ],
    'of escapes of escapes': [
      members(200, () => iban),
      [began({ body: '\\'.repeat(120_000) }), began({ body: '\\u005c'.repeat(30_000) }), ended([iban])],
    ],
    'of letters that decompose into many': [
      members(200, () => '\ufdfa'.repeat(1_000)),
      [began({ body: `${'\ufdfa'.repeat(100_000)}${escapedAgain(15, escaped)}` }), ended(['\ufdfa'.repeat(1_000)])],
    ],
  };
  for (const [how, [args, sources]] of Object.entries(hostile)) {
    verifies('CAP-12', how, () => {
      const start = performance.now();
      expect(traceValues(args, sources)).toHaveLength(200);
      expect(performance.now() - start).toBeLessThan(5_000);
    });
  }

  verifies('CAP-12', 'what is done for each value and call is counted, and past the bound nothing is trusted', () => {
    const calls = Array.from({ length: 100 }, (_, index) => began({ note: `note ${index}` }));
    const sources = [...calls, ended({ iban, other: 'acme-42' })];
    const workFor = (args: object): number => {
      const work = { left: traceLimits.maxWork };
      traceValues(args, sources, traceLimits, work);
      return traceLimits.maxWork - work.left;
    };
    expect(workFor({ iban }) - workFor({})).toBeGreaterThan(100 * '{"note":"note 1"}'.length);
    expect(workFor({ iban, same: iban }) - workFor({ iban })).toBeLessThan(100);
    const origins = traceValues({ iban, other: 'acme-42' }, sources, { ...traceLimits, maxWork: 2_000 });
    expect(origins.map(({ trusted }) => trusted)).toEqual([false, false]);
  });
});

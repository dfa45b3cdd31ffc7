import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { traceValues, type ObservedSource, type ValueOrigin } from '../../src/authorize/provenance.ts';

const user = (text: string): ObservedSource => ({ origin: 'user', form: 'text', text, trusted: true });
const system = (text: string): ObservedSource => ({ origin: 'system', form: 'text', text, trusted: true });
const result = (value: unknown, trusted: boolean, given: unknown = {}): ObservedSource => ({
  origin: 'tool',
  form: 'json',
  tool: { name: trusted ? 'crm' : 'web', source: 'local' },
  text: JSON.stringify(value),
  given: JSON.stringify(given),
  trusted,
});

function originOf(value: unknown, ...sources: readonly ObservedSource[]): ValueOrigin['origin'] | undefined {
  return traceValues({ value }, sources)[0]?.origin;
}

describe('where a value came from', () => {
  verifies('CAP-12', 'each value gets the pointer and the source that holds it literally', () => {
    const args = { payee: { iban: 'DE89370400440532013000', name: 'Ada' }, 'a/b': ['acme-42', 12.5], memo: 'made up' };
    const sources = [
      user('Please pay 12,50 to Ada.'),
      system('You work for acme-42.'),
      result({ accounts: [{ iban: 'DE89370400440532013000' }] }, true),
    ];
    expect(traceValues(args, sources)).toEqual([
      { pointer: '/payee/iban', origin: 'tool', tool: { name: 'crm', source: 'local' }, trusted: true },
      { pointer: '/payee/name', origin: 'user', trusted: true },
      { pointer: '/a~1b/0', origin: 'system', trusted: true },
      { pointer: '/a~1b/1', origin: 'user', trusted: true },
      { pointer: '/memo', origin: 'model', trusted: false },
    ]);
  });

  test.each<[string, unknown, string]>([
    ['a name at the end of a sentence', 'Ada Lovelace', 'Pay Ada Lovelace.'],
    ['a quoted name', 'Ada', 'pay "Ada", please'],
    ['an address in brackets', 'ada@example.com', 'mail Ada <ada@example.com>; thanks'],
    ['a path', '/srv/data', 'look into /srv/data now'],
    ['another composition of the same characters', 'Zoe\u0301', 'pay Zo\u00e9'],
    ['several lines', 'one\ntwo', 'one\ntwo'],
    ['a number', 1500, 'send 1500 euros'],
    ['a number with a currency', 1500, 'send €1500'],
    ['two decimals', 12.5, 'send 12.50.'],
    ['a decimal comma', 12.5, 'sende 12,50 €'],
    ['groups with decimals', 1234567.5, 'send $1,234,567.50'],
    ['groups with points', 1500.25, 'sende 1.500,25'],
    ['several groups', 1_500_000, 'send 1,500,000 now'],
    ['a negative number', -40, 'correct it by -40'],
    ['a year before a count', 500, 'in 2024 500 people'],
  ])('the user said it: %s', (_, value, text) => {
    expect(originOf(value, user(text))).toBe('user');
  });

  test.each<[string, unknown, string]>([
    ['too short for a text', 'a', 'a payee'],
    ['only punctuation', '...', 'well ... yes'],
    ['nothing', '', 'anything'],
    ['part of a word', 'bob', 'bobby pays'],
    ['the domain of an address', 'evil.example', 'mail bob@evil.example'],
    ['the host of a URL', 'evil.example', 'see https://evil.example/x'],
    ['part of a hyphenated word', 'Smith', 'pay Smith-Jones'],
    ['part of a path', '/etc/passwd', 'read /srv/etc/passwd'],
    ['other letter case', 'ada', 'pay Ada'],
    ['an invisible character inside', 'Ada', 'pay Ada\u200bm'],
    ['a combining mark behind', 'Zoe', 'pay Zoe\u0301'],
    ['part of a grouped number', '500', 'send 1,500.00'],
    ['a group of a number with spaces', '500', 'send 500 000'],
    ['a text before more groups', 'EUR 500', 'send EUR 500 000'],
    ['the size of a negative text', '500', 'correct by -500'],
    ['a number that two people read differently', 1500, 'send 1,500'],
    ['the other reading of it', 1.5, 'send 1,500'],
    ['the same with a point', 1.5, 'send 1.500'],
    ['a number within one with spaces', 500, 'send 500 000'],
    ['the end of one with spaces', 500, 'send 1 500'],
    ['the whole of one', 0, 'send 500 000'],
    ['a number inside a word', 42, 'order A42'],
    ['a number with a unit', 5, 'send 5k'],
    ['more digits than a number has', 12345678901234567000, 'id 12345678901234567890'],
    ['a truth value', true, 'true'],
    ['null', null, 'null'],
  ])('nobody said it: %s', (_, value, text) => {
    expect(originOf(value, user(text))).toBe('model');
  });

  test('values of a result are found in JSON inside its texts, its member names are not', () => {
    const answer = {
      content: [{ type: 'text', text: JSON.stringify({ iban: 'DE89370400440532013000', cents: 12.345 }) }],
    };
    expect(originOf('DE89370400440532013000', result(answer, true))).toBe('tool');
    expect(originOf(12.345, result(answer, true))).toBe('tool');
    expect(originOf('content', result(answer, true))).toBe('model');
    expect(originOf('4711', result({ id: 4711 }, true))).toBe('tool');
  });
});

describe('laundering', () => {
  verifies('CAP-12', 'an untrusted result that repeats the user does not take the value from them', () => {
    const sources = [user('pay Ada Lovelace'), result({ payee: 'Ada Lovelace' }, false)];
    expect(originOf('Ada Lovelace', ...sources)).toBe('user');
    expect(originOf('Ada Lovelace', ...sources.toReversed())).toBe('user');
  });

  verifies('CAP-12', 'a trusted tool that repeats what it was asked does not vouch for it', () => {
    const echo = { query: 'DE00 attacker', hits: [{ iban: 'DE89370400440532013000' }] };
    expect(originOf('DE00 attacker', result(echo, true, { query: 'DE00 attacker' }))).toBe('model');
    expect(originOf('attacker', result(echo, true, { query: 'DE00 attacker' }))).toBe('model');
    expect(originOf(7, result({ seven: 7 }, true, { number: '7' }))).toBe('model');
    expect(originOf('DE89370400440532013000', result(echo, true, { query: 'DE00 attacker' }))).toBe('tool');
  });

  test.each<[string, unknown, unknown, unknown]>([
    ['as part of an address', 'DE89EVIL00', 'DE89EVIL00', { url: 'https://api.example/x?iban=DE89EVIL00' }],
    ['joined to a word', 'DE89EVIL00', 'DE89EVIL00', { query: 'x.DE89EVIL00' }],
    ['in another letter case', 'DE89EVIL00', 'DE89EVIL00', { query: 'de89evil00' }],
    ['with spaces between', 'DE89 EVIL 00', 'DE89 EVIL 00', { query: 'DE89EVIL00' }],
    ['as the name of a member', 'DE89EVIL00', 'DE89EVIL00', { fields: { DE89EVIL00: 1 } }],
    ['as a number that two people read differently', 1500, { amount: 1500 }, { query: 'send 1,500' }],
    ['as a number within an address', 1500, { amount: 1500 }, { url: '/x?amount=1500&y=2' }],
    ['as a number in a text', '1500', '1500', { query: 'amount=1500' }],
  ])('a trusted tool is made to repeat a value that the model gave it %s', (_, value, answer, given) => {
    expect(originOf(value, result(answer, true, given))).toBe('model');
  });

  verifies('CAP-12', 'a value that the model stored by one call is not trusted because another reads it back', () => {
    const iban = 'DE89370400440532013000';
    const write = result({ saved: true }, false, { note: `pay to ${iban}` });
    const read = (): ObservedSource => result({ note: iban }, true, { id: 'note-1' });
    expect(originOf(iban, write, read())).toBe('model');
    expect(originOf(iban, read(), write)).toBe('tool');
    expect(originOf(iban, read(), write, read())).toBe('tool');
  });

  verifies('CAP-12', 'a value that is spread over two parts of a result is in none of them', () => {
    expect(originOf('Ada Lovelace', result(['Ada', 'Lovelace'], true))).toBe('model');
  });
});

const words = fc.stringMatching(/^[a-z0-9 .,@/-]{0,40}$/);

describe('whatever it is given', () => {
  verifies('CAP-12', 'a value that the user did not write is never the user’s', () => {
    fc.assert(
      fc.property(
        fc.oneof(words, fc.string(), fc.string({ unit: 'grapheme' })),
        fc.string({ unit: 'grapheme' }),
        (value, text) => {
          const held = text.normalize('NFC').includes(value.normalize('NFC'));
          return held || originOf(value, user(text)) === 'model';
        },
      ),
      { numRuns: 2_000 },
    );
  });

  verifies('CAP-12', 'a number that is in no text of the user is never the user’s', () => {
    fc.assert(
      fc.property(fc.nat(99_999), fc.nat(99_999), (value, other) => {
        fc.pre(value !== other);
        const forms = [
          `${other}`,
          `${other}.00`,
          `${other},00`,
          other.toLocaleString('en-US'),
          other.toLocaleString('de-DE'),
        ];
        return forms.every((form) => originOf(value, user(`pay ${form} now`)) === 'model');
      }),
    );
  });

  test('a value between spaces is found wherever it stands', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z]{3,20}$/), words, words, (value, before, after) => {
        return originOf(value, user(`${before} ${value} ${after}`)) === 'user';
      }),
      { numRuns: 500 },
    );
  });

  verifies('CAP-12', 'hostile megabytes cost a bounded time and make nothing trusted', () => {
    const big = `${'a'.repeat(131_072)}b`;
    const args = Object.fromEntries(
      Array.from({ length: 400 }, (_, index) => [`k${index}`, `${'a'.repeat(8_000)}c${index}`]),
    );
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    const sources = [
      user(big),
      user('1 '.repeat(50_000)),
      ...Array.from({ length: 50 }, () => result({ text: big, deep }, true, { text: big })),
      user('"' + '.'.repeat(100_000)),
      result('\u0301'.repeat(100_000), false),
    ];
    const began = performance.now();
    const origins = traceValues(args, sources);
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(origins).toHaveLength(200);
    expect(origins.every(({ origin, trusted }) => origin === 'model' && !trusted)).toBe(true);
  });

  verifies('CAP-12', 'a flood of untrusted results does not push the user’s words out', () => {
    const flood = Array.from({ length: 200 }, () => result('x '.repeat(60_000), false));
    expect(originOf('Ada Lovelace', user('pay Ada Lovelace'), ...flood)).toBe('user');
  });

  test('a text that is too long counts not at all, instead of in half', () => {
    expect(originOf('1500 euros', user(`${'x '.repeat(200_000)} 1500 euros`))).toBe('model');
  });

  test('values behind the limit, and very deep ones, are not listed', () => {
    const many = Array.from({ length: 300 }, () => 'Ada');
    expect(traceValues([...many], [user('Ada')])).toHaveLength(200);
    expect(traceValues({ ['x'.repeat(500)]: 'Ada' }, [user('Ada')])).toEqual([]);
  });
});

import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import type { ArgumentSchema } from '../../src/authorize/policy-document.ts';
import { ask, oneTool, refusalOf } from './support.ts';

function permits(schema: ArgumentSchema, args: unknown): boolean {
  return ask(oneTool({ risk: 'low', arguments: schema }), { tool: 'act', args }).verdict === 'allow';
}

function textMatching(pattern: string): ArgumentSchema {
  return { properties: { text: { type: 'string', pattern } }, required: ['text'] };
}

describe('regular expressions', () => {
  verifies(
    ['CAP-5'],
    'run in linear time on the input that makes others hang',
    () => {
      const long = `${'a'.repeat(100_000)}!`;
      for (const pattern of ['^(a+)+$', '^(a|a)*$', '^(a|aa)+$', '(.*a){20}x', '^([a-zA-Z]+)*$']) {
        expect(permits(textMatching(pattern), { text: long })).toBe(false);
      }
      const keys: ArgumentSchema = {
        patternProperties: { '^(a+)+$': { type: 'number' } },
        additionalProperties: false,
      };
      expect(permits(keys, { [long]: 1 })).toBe(false);
    },
    { timeout: 20_000 },
  );

  test('in a condition run in linear time too', { timeout: 20_000 }, () => {
    const when = [{ arguments: textMatching('^(a+)+$'), risk: 'high' }] as const;
    const args = { text: `${'a'.repeat(100_000)}!` };
    expect(ask(oneTool({ risk: 'low', when }), { tool: 'act', args }).verdict).toBe('allow');
  });

  test.each(['(?=a)b', '(?!a)b', '(?<=a)b', '(a)\\1', 'a{1001}', '(a{1000}){1000}', '(', 'a'.repeat(1001)])(
    'that linear time does not allow are refused by name: %j',
    (pattern) => {
      const [issue, ...others] = refusalOf(oneTool({ arguments: textMatching(pattern) }));
      expect(issue?.path).toBe('/tools/act/arguments/properties/text/pattern');
      expect(issue?.message).toContain(pattern.length > 1000 ? 'at most 1000' : JSON.stringify(pattern));
      expect(others).toEqual([]);
    },
  );

  test('as the name of members are refused too', () => {
    expect(refusalOf(oneTool({ arguments: { patternProperties: { '(?=a)': {} } } }))).toMatchObject([
      { path: '/tools/act/arguments/patternProperties/(?=a)' },
    ]);
  });

  test('two of them in one schema are not taken for one', () => {
    const schema: ArgumentSchema = {
      properties: { a: { type: 'string', pattern: '^a$' }, b: { type: 'string', pattern: '^b$' } },
    };
    expect(permits(schema, { a: 'a', b: 'b' })).toBe(true);
    expect(permits(schema, { a: 'a', b: 'a' })).toBe(false);
  });

  test('end at the end of the text, not before a last line break', () => {
    expect(permits(textMatching('^a$'), { text: 'a' })).toBe(true);
    expect(permits(textMatching('^a$'), { text: 'a\n' })).toBe(false);
  });
});

describe('a schema is refused', () => {
  const deep = (levels: number): ArgumentSchema => (levels === 0 ? {} : { not: deep(levels - 1) });
  const doubling = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => [
      `d${index}`,
      index === 29 ? {} : { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
    ]),
  );
  const cases: readonly [string, ArgumentSchema, string][] = [
    ['with a reference to the network', { $ref: 'https://example.com/schema.json' }, 'only "#/$defs/<name>"'],
    ['with a reference to a file', { properties: { a: { $ref: 'other.json' } } }, 'only "#/$defs/<name>"'],
    ['with a reference to itself', { $ref: '#' }, 'only "#/$defs/<name>"'],
    ['with a reference to nothing', { $ref: '#/$defs/constructor' }, 'no definition "constructor"'],
    ['with recursion', { $defs: { a: { not: { $ref: '#/$defs/a' } } } }, 'refers to itself'],
    ['with definitions that multiply', { $defs: doubling, $ref: '#/$defs/d0' }, 'more than 10000 subschemas'],
    ['of a dialect of its own', { $schema: 'https://example.com/dialect' }, '"$schema" is not taken'],
    ['with an $id', { $id: 'https://example.com/a' }, '"$id" is not taken'],
    ['with a dynamic reference', { $dynamicRef: '#a' }, '"$dynamicRef" is not taken'],
    // A validator that answers with a promise would answer with something true.
    ['that is asynchronous', { $async: true }, '"$async" is not taken'],
    ['with a format, which would not be checked', { properties: { a: { format: 'email' } } }, '"format" is not taken'],
    ['with a keyword of the prototype', { constructor: {} }, '"constructor" is not taken'],
    ['with a misspelt keyword', { properties: { a: { maximun: 1 } } }, '"maximun" is not taken'],
    [
      'with a bound that a value of another type passes',
      { properties: { a: { maximum: 1 } } },
      'missing type "number"',
    ],
    ['with a wrong type name', { properties: { a: { type: 'int' } } }, 'must be equal to one of the allowed values'],
    ['with a wrong kind of bound', { properties: { a: { type: 'number', maximum: '1' } } }, 'must be number'],
    ['that compares all items with all others', uniqueList({}), 'uniqueItems needs maxItems'],
    ['that compares too many', uniqueList({ maxItems: 100_000 }), 'uniqueItems needs maxItems'],
    ['that is too deep', deep(40), 'deeper than 32'],
    ['that is too long', { description: 'x'.repeat(70_000) }, 'longer than 65536'],
    ['with else but no if', { else: {} }, '"if"'],
  ];
  test.each(cases)('%s', (_, schema, message) => {
    const expected = { path: expect.stringMatching(/^\/tools\/act\//), message: expect.stringContaining(message) };
    expect(refusalOf(oneTool({ arguments: schema }))).toContainEqual(expected);
  });

  test.each(['tool', 'capability', 'list', 'agent', 'user'])('wherever it stands: %s', (place) => {
    const bad = { $ref: 'https://example.com' };
    const grant = { capability: 'svc:thing:act', arguments: bad };
    const change = {
      tool: { tools: { act: { capability: 'svc:thing:act', when: [{ arguments: bad, risk: 'high' }] } } },
      capability: { capabilities: { 'svc:thing:act': { when: [{ arguments: bad, risk: 'high' }] } } },
      list: { grants: { unused: [grant] } },
      agent: { agents: { support: { capabilities: [grant] } } },
      user: {
        users: { alice: { capabilities: [{ ...grant, arguments: {}, when: [{ arguments: bad, risk: 'high' }] }] } },
      },
    }[place];
    expect(refusalOf({ ...oneTool({}), ...change })).toMatchObject([{ message: expect.stringContaining('$defs') }]);
  });
});

function uniqueList(bounds: ArgumentSchema): ArgumentSchema {
  return { properties: { a: { type: 'array', items: {}, uniqueItems: true, ...bounds } } };
}

test('a schema that is good enough for a condition is not for that reason a constraint', () => {
  const untyped = { properties: { a: { maximum: 1 } } };
  const document = oneTool({ when: [{ arguments: untyped, risk: 'high' }], arguments: untyped });
  expect(refusalOf(document).map(({ path }) => path)).toEqual(['/tools/act/arguments']);
});

test('what JSON Schema offers for constraints is there', () => {
  const schema: ArgumentSchema = {
    $defs: { id: { type: 'string', minLength: 2, maxLength: 4 } },
    properties: {
      id: { $ref: '#/$defs/id' },
      kind: { enum: ['a', 'b'] },
      list: { type: 'array', items: { $ref: '#/$defs/id' }, uniqueItems: true, maxItems: 3 },
    },
    required: ['id'],
    additionalProperties: false,
    if: { properties: { kind: { const: 'b' } }, required: ['kind'] },
    // oxlint-disable-next-line unicorn/no-thenable -- the keyword of JSON Schema
    then: { required: ['list'] },
  };
  expect(permits(schema, { id: 'ab' })).toBe(true);
  expect(permits(schema, { id: 'ab', kind: 'b', list: ['ab', 'cd'] })).toBe(true);
  expect(permits(schema, { id: 'abcde' })).toBe(false);
  expect(permits(schema, { id: 'ab', kind: 'b' })).toBe(false);
  expect(permits(schema, { id: 'ab', list: ['ab', 'ab'] })).toBe(false);
  expect(permits(schema, { id: 'ab', Id: 'ab' })).toBe(false);
});

test('a schema never changes the arguments', () => {
  const args = { amount: '5' };
  expect(permits({ properties: { amount: { type: 'number' }, extra: { type: 'string', default: 'x' } } }, args)).toBe(
    false,
  );
  expect(args).toEqual({ amount: '5' });
});

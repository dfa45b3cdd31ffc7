import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { verifies } from '../../../../test/verifies.ts';
import { parsePolicy } from '../../src/authorize/parse-policy.ts';
import { policyFile } from '../../src/authorize/policy-file.ts';
import { definePolicy } from '../../src/authorize/policy.ts';
import { issuesOf, policyDocument } from './support.ts';

const head = 'countersign: 1\nname: acme\nversion: "1"\ntenants: [acme]\n';
const body = 'tools: {}\nagents: {}\nusers: {}\n';

describe('the same policy', () => {
  verifies(['CAP-9'], 'has the same digest in TypeScript, YAML and JSON, whatever the order of its members', () => {
    const document = policyDocument();
    const { digest } = definePolicy(document);
    const reversed = Object.fromEntries(Object.entries(document).toReversed());
    expect(parsePolicy(stringify(document)).digest).toBe(digest);
    expect(parsePolicy(JSON.stringify(document)).digest).toBe(digest);
    expect(parsePolicy(JSON.stringify(reversed, null, '\t')).digest).toBe(digest);
    expect(definePolicy(policyDocument({ version: '2' })).digest).not.toBe(digest);
  });

  test('comments and unquoted numeric ids are fine', () => {
    const policy = parsePolicy(`# mine\n${head}tools: {}\nagents: { 123: { capabilities: ["a:b"] } }\nusers: {}\n`);
    expect(policy.tenants).toEqual(['acme']);
  });
});

describe('an issue says where', () => {
  verifies(['CAP-9'], 'by path, line and column', () => {
    const text = `${head}tools:\n  act:\n    capability: "git:*"\n    rsik: low\nagents:\n  idle: {}\nusers: {}\n`;
    expect(issuesOf(() => parsePolicy(text))).toEqual([
      { path: '/tools/act/rsik', line: 8, column: 5, message: expect.stringContaining('unknown key') },
      { path: '/tools/act/capability', line: 7, column: 5, message: expect.stringContaining('wildcards') },
      { path: '/agents/idle', line: 10, column: 3, message: expect.stringContaining('at least one capability') },
    ]);
  });

  test('in a list at the item, for what is missing at its parent', () => {
    const text = `${head}tools:\n  act: {}\nagents: {}\nusers:\n  alice:\n    capabilities:\n      - "a:b"\n      - "*"\n`;
    expect(issuesOf(() => parsePolicy(text))).toMatchObject([
      { path: '/tools/act', line: 6, column: 3 },
      { path: '/users/alice/capabilities/1', line: 12, column: 9 },
    ]);
  });

  test('in JSON too', () => {
    const text = JSON.stringify({ ...policyDocument(), extra: 1 }, null, 2);
    const line = text.split('\n').findIndex((content) => content.includes('"extra"')) + 1;
    expect(issuesOf(() => parsePolicy(text))).toMatchObject([{ path: '/extra', line, column: 3 }]);
  });

  test('within an argument schema', () => {
    const text = `${head}tools:\n  act:\n    capability: "a:b"\n    arguments:\n      properties:\n        text: { type: string, pattern: "(?=x)" }\nagents: {}\nusers: {}\n`;
    expect(issuesOf(() => parsePolicy(text))).toMatchObject([{ line: 10, column: 31 }]);
  });
});

describe('text that says something else than it seems to is refused', () => {
  const bomb = Array.from({ length: 30 }, (_, index) =>
    index === 0 ? 'a0: &a0 [x]' : `a${index}: &a${index} [*a${index - 1}, *a${index - 1}]`,
  ).join('\n');
  const cases: readonly [string, string, string][] = [
    ['a key twice', `${head}${body}users: { eve: {} }\n`, '"users" stands here twice'],
    [
      'a nested key twice',
      `${head}tools: {}\nagents: {}\nusers: { a: {}, a: { active: false } }\n`,
      '"a" stands here twice',
    ],
    ['a key twice, once quoted', `${head}tools: {}\nagents: {}\nusers: { a: {}, "a": {} }\n`, '"a" stands here twice'],
    ['an alias', `${head}tools: {}\nagents: {}\nusers: { a: &a {}, b: *a }\n`, 'anchors and aliases are refused'],
    ['a bomb of aliases', `${head}${body}${bomb}\n`, 'anchors and aliases are refused'],
    ['a merge key', `${head}tools: {}\nagents: {}\nusers: { "<<": {} }\n`, 'merge keys are refused'],
    ['an alias to nothing', `${head}tools: *nothing\n`, 'anchors and aliases are refused'],
    ['another version of YAML', `%YAML 1.1\n---\n${head}${body}`, 'policies are YAML 1.2'],
    ['several documents', `${head}${body}---\n${head}${body}`, 'multiple documents'],
    ['a tag', `${head}tools: !!js/function "x"\n`, 'tag'],
    ['a tag of a set', `${head}tools: {}\nagents: {}\nusers: !!set { a }\n`, 'tag'],
    ['a key that is a map', `${head}tools: { { a: b }: c }\n`, 'keys'],
    ['a number that JSON has not', `${head}${body}extra: .inf\n`, 'not a JSON number'],
    ['the key __proto__', `${head}tools: {}\nagents: {}\nusers: { __proto__: {} }\n`, '__proto__ is refused'],
    ['broken syntax', `${head}tools: {`, ''],
    ['nothing', '', 'expected object, got null'],
    ['a bare word', 'policy', 'expected object, got string'],
    ['a list', '[]', 'expected object, got array'],
    ['endless nesting', '['.repeat(200_000), ''],
  ];
  test.each(cases)('%s', { timeout: 30_000 }, (_, text, message) => {
    const issues = issuesOf(() => parsePolicy(text));
    expect(issues.map((issue) => issue.message).join('\n')).toContain(message);
  });

  test.each(['"users":{"alice":{}}', '"\\u0075sers":{"alice":{}}'])('a member twice in JSON: %s', (again) => {
    const text = `${JSON.stringify(policyDocument()).slice(0, -1)},${again}}`;
    expect(issuesOf(() => parsePolicy(text))).toMatchObject([{ message: expect.stringContaining('twice') }]);
  });

  test('a member twice in JSON is found behind strings full of colons and quotes', () => {
    const text = JSON.stringify(
      policyDocument({
        grants: { basics: [{ capability: 'tickets:ticket:read', arguments: { description: '":\\":\\\\' } }] },
      }),
    );
    expect(parsePolicy(text).name).toBe('acme-support');
    expect(issuesOf(() => parsePolicy(text.replace('"name":', '"name":"x","name":')))).toHaveLength(1);
  });

  test.each([undefined, 7, {}, Buffer.from('x')])('what is no text: %s', (text) => {
    expect(issuesOf(() => parsePolicy(text as never))).toMatchObject([
      { message: expect.stringContaining('expected text') },
    ]);
  });
});

describe('a file', () => {
  test('is read, and refused when it is missing or no UTF-8', () => {
    const directory = mkdtempSync(join(tmpdir(), 'countersign-policy-'));
    try {
      const path = join(directory, 'policy.yaml');
      expect(issuesOf(() => policyFile(path))).toMatchObject([{ message: expect.stringContaining('cannot be read') }]);
      expect(issuesOf(() => policyFile(directory))).toHaveLength(1);
      writeFileSync(path, Buffer.from([0xff, 0xfe, 0x00]));
      expect(issuesOf(() => policyFile(path))).toHaveLength(1);
      writeFileSync(path, stringify(policyDocument()));
      expect(policyFile(path).digest).toBe(definePolicy(policyDocument()).digest);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { PolicyError } from '../../src/errors.ts';
import { requireId } from '../../src/identify/principal.ts';
import { definePolicy } from '../../src/authorize/policy.ts';
import { policySchema } from '../../src/authorize/policy-schema.ts';
import { alice, issuesOf, oneTool, policyDocument, refusalOf } from './support.ts';

describe('wildcards', () => {
  const wildcards = ['*', '*:*', 'github:*', '*:read', 'github:push:*', 'git?:push', 'github:**', 'a:b*', 'a:*b:c'];
  const places: readonly [string, (wildcard: string) => unknown][] = [
    ['an agent', (wildcard) => ({ agents: { support: { capabilities: ['a:b', wildcard] } } })],
    ["an agent's constrained grant", (wildcard) => ({ agents: { x: { capabilities: [{ capability: wildcard }] } } })],
    ['a user', (wildcard) => ({ users: { alice: { capabilities: [wildcard] } } })],
    ['a service account', (wildcard) => ({ users: { 'svc-nightly': { capabilities: [wildcard] } } })],
    ['an included list', (wildcard) => ({ grants: { basics: [wildcard] } })],
    ['a list that nobody includes', (wildcard) => ({ grants: { basics: ['a:b'], spare: [wildcard] } })],
    ['a tool', (wildcard) => ({ tools: { act: { capability: wildcard } } })],
    ['an entry of capabilities', (wildcard) => ({ capabilities: { [wildcard]: { risk: 'low' } } })],
  ];
  for (const [name, change] of places) {
    verifies(['CAP-2'], `are refused in ${name}`, () => {
      for (const wildcard of wildcards) {
        expect(refusalOf({ ...policyDocument(), ...(change(wildcard) as object) })).toContainEqual({
          path: expect.any(String),
          message: expect.stringContaining('wildcards are refused'),
        });
      }
    });
  }
});

describe('a capability', () => {
  test.each([
    'github',
    '',
    ':',
    'a:',
    ':b',
    'a::b',
    'A:b',
    'a:B',
    'a b:c',
    'a:b\n',
    'ä:b',
    '-a:b',
    'a:b:',
    `a:${'b'.repeat(300)}`,
  ])('has two or more parts in lower case: %j is refused', (capability) => {
    expect(refusalOf(oneTool({ capability }))).not.toEqual([]);
  });

  test.each(['github:push', 'aws:rds:backup', 'a:b:c:d', 'github:branch:push-protected', 'v1.2:x_y'])(
    '%j is taken',
    (capability) => {
      expect(definePolicy(oneTool({ capability })).tools('acme')).toEqual(['act']);
    },
  );
});

describe('refused when loaded', () => {
  const cases: readonly [string, object, string, string][] = [
    ['an unknown version of the format', { countersign: 2 }, '/countersign', 'expected 1, got 2'],
    ['an unknown key', { agent: {} }, '/agent', 'unknown key'],
    [
      'an unknown key of a tool',
      { tools: { act: { capability: 'a:b', rsik: 'low' } } },
      '/tools/act/rsik',
      'unknown key',
    ],
    ['a tool without a capability', { tools: { act: { risk: 'low' } } }, '/tools/act', 'missing key "capability"'],
    ['an agent without a capability', { agents: { idle: {} } }, '/agents/idle', 'at least one capability'],
    [
      'an agent with empty lists',
      { agents: { idle: { capabilities: [], include: [] } } },
      '/agents/idle',
      'at least one',
    ],
    ['an empty list', { grants: { basics: [] } }, '/grants/basics', 'at least 1'],
    ['an unknown include', { agents: { a: { include: ['nope'] } } }, '/agents/a/include/0', 'no list "nope"'],
    ['an include of the prototype', { users: { a: { include: ['constructor'] } } }, '/users/a/include/0', 'no list'],
    ['no tenant', { tenants: [] }, '/tenants', 'at least 1'],
    ['a tenant twice', { tenants: ['acme', 'acme'] }, '/tenants', '"acme" twice'],
    ['a tenant of the wrong form', { tenants: ['../x'] }, '/tenants/0', 'expected a tenant id'],
    ['a user of the wrong form', { users: { 'a/b': {} } }, '/users/a~1b', 'expected an id'],
    ['an agent of the wrong form', { agents: { 'a b': { capabilities: ['a:b'] } } }, '/agents/a b', 'expected an id'],
    ['a tool of the wrong form', { tools: { 'a\n': { capability: 'a:b' } } }, '/tools/a\n', 'the name of a tool'],
    ['an unknown risk', { tools: { a: { capability: 'a:b', risk: 'none' } } }, '/tools/a/risk', 'low, medium, high'],
    [
      'a condition that would lower',
      { tools: { a: { capability: 'a:b', when: [{ arguments: {}, risk: 'low' }] } } },
      '/tools/a/when/0/risk',
      'one of medium, high',
    ],
    ['a user that is a list', { users: { alice: [] } }, '/users/alice', 'expected object, got array'],
    [
      'a long-lived credential',
      credential({ service: 'x', ttl: '16m' }),
      '/tools/a/credential/ttl',
      'at most 15 minutes',
    ],
    ['an endless credential', credential({ service: 'x', ttl: '0s' }), '/tools/a/credential/ttl', 'a duration like'],
    [
      'an approval that waits for weeks',
      { tools: { a: { capability: 'a:b', approval: { expires: '8d' } } } },
      '/tools/a/approval/expires',
      'at most 10080 minutes',
    ],
    [
      'credential and credentials',
      { tools: { a: { capability: 'a:b', credential: { service: 'x' }, credentials: [{ service: 'y' }] } } },
      '/tools/a/credential',
      'either',
    ],
    [
      'two credentials of one service',
      { tools: { a: { capability: 'a:b', credentials: [{ service: 'x' }, { service: 'x' }] } } },
      '/tools/a/credentials/1/service',
      'one credential of a service',
    ],
    [
      'an orchestrating tool with a credential',
      { tools: { a: { capability: 'a:b', orchestrates: true, credential: { service: 'x' } } } },
      '/tools/a/orchestrates',
      'takes no credential',
    ],
    ['a wildcard source', { tools: { a: { capability: 'a:b', source: 'mcp:*' } } }, '/tools/a/source', 'a source like'],
    ['the key __proto__', { users: JSON.parse('{"__proto__":{}}') }, '/users/__proto__', '__proto__ is refused'],
    ['a function', { name: () => 'x' }, '/name', 'function is not JSON'],
    ['undefined', { grants: undefined }, '/grants', 'undefined is not JSON'],
    ['a date', { version: new Date(0) }, '/version', 'plain objects'],
    ['a lone surrogate', { name: '\ud800' }, '/name', 'lone surrogate'],
  ];
  test.each(cases)('%s', (_, change, path, message) => {
    expect(refusalOf({ ...policyDocument(), ...change })).toContainEqual({
      path,
      message: expect.stringContaining(message),
    });
  });

  test.each([undefined, null, 'text', 7, [], new Map()])('what is no document at all: %s', (document) => {
    expect(refusalOf(document)).not.toEqual([]);
  });

  test('a cycle and a document that is too deep', () => {
    const cycle: Record<string, unknown> = { ...policyDocument() };
    cycle['tools'] = cycle;
    expect(refusalOf(cycle)).toContainEqual({ path: expect.any(String), message: expect.stringContaining('a cycle') });
  });

  test('with every issue, not only the first', () => {
    const document = policyDocument({
      tools: {
        good: { capability: 'a:b', arguments: { format: 'email' } },
        bad: { capability: '*' },
        low: { capability: 'git:main:push', risk: 'low' },
      },
      agents: { idle: {}, lost: { include: ['nope'] } },
      grants: { wild: ['x:*'] },
      users: { alice: { include: ['wild', 'basics'] } },
    });
    const paths = refusalOf(document).map(({ path }) => path);
    expect(paths.toSorted()).toEqual([
      '/agents/idle',
      '/agents/lost/include/0',
      '/grants/wild/0',
      '/tools/bad/capability',
      '/tools/good/arguments/format',
      '/tools/low/risk',
      '/users/alice/include/1',
    ]);
    expect(() => definePolicy(document)).toThrow(PolicyError);
  });

  test('an issue in a shared list is named at every holder that causes it', () => {
    const holder = { include: ['nope'] };
    const issues = refusalOf(policyDocument({ agents: { a: holder, b: holder }, users: {} }));
    expect(issues.map(({ path }) => path)).toEqual(['/agents/a/include/0', '/agents/b/include/0']);
  });
});

function credential(entry: object): object {
  return { tools: { a: { capability: 'a:b', credential: entry } } };
}

describe('the schema and the rest of the library agree', () => {
  test.each([
    ['tenant', 'tenantId'],
    ['agent', 'principalId'],
    ['user', 'principalId'],
  ] as const)('on the form of a %s id', (kind, name) => {
    const { pattern } = (policySchema['$defs'] as Record<string, { pattern: string }>)[name] ?? { pattern: '' };
    expect(() => requireId(kind, '')).toThrow(`must match ${pattern}, got`);
  });
});

describe('many agents', () => {
  test('a hundred thousand load, decide, and share what is equal', { timeout: 60_000 }, () => {
    const agents = Object.fromEntries(
      Array.from({ length: 100_000 }, (_, index) => [
        `agent-${index}`,
        {
          include: ['basics'],
          capabilities: [
            {
              capability: 'billing:refund:create',
              arguments: { properties: { amount: { type: 'number', maximum: 100 } } },
            },
          ],
        },
      ]),
    );
    const policy = definePolicy(policyDocument({ agents }));
    const refund = { name: 'refund', source: 'local' };
    for (const agent of ['agent-0', 'agent-99999']) {
      expect(policy.decide({ ...alice, agent }, refund, { amount: 100 }).verdict).toBe('allow');
      expect(policy.decide({ ...alice, agent }, refund, { amount: 101 }).verdict).toBe('deny');
    }
    expect(issuesOf(() => definePolicy(policyDocument({ agents: { ...agents, idle: {} } })))).toHaveLength(1);
  });
});

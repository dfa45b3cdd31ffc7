import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { ask, oneTool, policyDocument } from './support.ts';

function detail(...question: Parameters<typeof ask>): string | undefined {
  return ask(...question).reasons[0]?.detail;
}

const refund = { tool: 'refund' };

describe('an operator reads', () => {
  const cases: readonly [string, string | undefined, string][] = [
    [
      'which tenant',
      detail(policyDocument(), { subject: { tenant: 'x' } }),
      'tenant "x" is not in tenants of policy acme-support; to pass, list it there',
    ],
    [
      'which agent',
      detail(policyDocument(), { subject: { agent: 'x' } }),
      'agent "x" is not in agents of policy acme-support; to pass, add it there',
    ],
    [
      'which user',
      detail(policyDocument(), { subject: { user: 'x' } }),
      'user "x" is not in users of policy acme-support; to pass, add them there',
    ],
    [
      'that a user is inactive',
      detail(policyDocument(), { subject: { user: 'gone' } }),
      'user "gone" is set inactive in users of policy acme-support; to pass, set active: true',
    ],
    [
      'which tool',
      detail(policyDocument(), { tool: 'x' }),
      'tool "x" is not in tools of policy acme-support; to pass, give it an entry with its capability',
    ],
    [
      'which source',
      detail(policyDocument(), { source: 'mcp:x' }),
      'tools/read_ticket of policy acme-support takes calls from source local, this one came from "mcp:x"',
    ],
    [
      'what the agent lacks',
      detail(policyDocument(), { tool: 'close_ticket' }),
      'tools/close_ticket needs tickets:ticket:close, which agent "support" does not hold; to pass, grant it in agents/support',
    ],
    [
      'what the user lacks',
      detail(policyDocument(), { ...refund, subject: { user: 'bob' } }),
      'tools/refund needs billing:refund:create, which user "bob" does not hold; to pass, grant it in users/bob',
    ],
    [
      'what a delegating agent lacks',
      detail(policyDocument(), { ...refund, subject: { delegation: ['planner'] } }),
      'tools/refund needs billing:refund:create, which agent "planner" does not hold; to pass, grant it in agents/planner',
    ],
    [
      "which bound of the tool's constraint",
      detail(policyDocument(), { ...refund, args: { amount: 901 } }),
      'tools/refund/arguments: argument /amount must be <= 900',
    ],
    [
      'which member is missing',
      detail(policyDocument(), refund),
      "tools/refund/arguments: the arguments must have required property 'amount'",
    ],
    [
      'why a call is reviewed',
      detail(policyDocument(), { ...refund, args: { amount: 501 } }),
      'when[0] of tool refund raises the risk to high: the arguments match {"properties":{"amount":{"exclusiveMinimum":500}},"required":["amount"]}',
    ],
    [
      'that nobody stated a risk',
      detail(oneTool({}), { tool: 'act' }),
      'no risk is stated for tool act or its capability, and the catalogue has none: unknown is high',
    ],
    [
      'that the catalogue rates it',
      detail(oneTool({ capability: 'git:main:push' }), { tool: 'act' }),
      "the catalogue's entry of git:main:push states risk high",
    ],
  ];
  for (const [name, got, expected] of cases) {
    verifies(['CAP-10'], name, () => {
      expect(got).toBe(expected);
    });
  }

  verifies(['CAP-10'], 'which grants would have to hold, and whose', () => {
    const kind = (value: string) => ({
      capability: 'svc:thing:act',
      arguments: { properties: { kind: { const: value } }, required: ['kind'] },
    });
    const document = oneTool(
      { risk: 'low' },
      { grants: { shared: [kind('a')] }, users: { alice: { include: ['shared'], capabilities: [kind('b')] } } },
    );
    expect(detail(document, { tool: 'act', args: { kind: 'c' } })).toBe(
      'users/alice holds svc:thing:act for other arguments; to pass, one of these must hold: ' +
        'grants/shared/0: argument /kind must be "a"; or capabilities/0: argument /kind must be "b"',
    );
  });

  test('that a delegating agent is the one who may not', () => {
    const only = { capability: 'svc:thing:act', arguments: { maxProperties: 0 } };
    const agents = { support: { capabilities: ['svc:thing:act'] }, lead: { capabilities: [only] } };
    const question = { tool: 'act', args: { a: 1 }, subject: { delegation: ['lead'] } };
    expect(detail(oneTool({ risk: 'low' }, { agents }), question)).toContain('agents/lead (delegating) holds');
  });
});

describe('a detail', () => {
  test('never quotes a value of the arguments', () => {
    const schema = {
      properties: { token: { type: 'string', enum: ['a', 'b'] }, text: { type: 'string', pattern: '^a$' } },
      additionalProperties: { type: 'number' },
    };
    const document = oneTool({ risk: 'low', arguments: schema });
    for (const args of [{ token: 'secret' }, { text: 'secret' }, { other: 'secret' }, 'secret']) {
      expect(ask(document, { tool: 'act', args }).verdict).toBe('deny');
      expect(JSON.stringify(ask(document, { tool: 'act', args }))).not.toContain('secret');
    }
  });

  test('is bounded, whatever names and arguments are sent', () => {
    const long = 'x'.repeat(1_000_000);
    const document = oneTool({ risk: 'low', arguments: { additionalProperties: false } });
    expect(detail(document, { tool: long })?.length).toBeLessThan(500);
    expect(detail(document, { tool: 'act', source: long })?.length).toBeLessThan(500);
    expect(detail(document, { tool: 'act', args: { [long]: 1 } })?.length).toBeLessThan(500);
    const nested = oneTool({ risk: 'low', arguments: { additionalProperties: { type: 'number' } } });
    expect(detail(nested, { tool: 'act', args: { [long]: 'x' } })?.length).toBeLessThan(500);
  });

  test('quotes names so that they cannot pretend to be something else', () => {
    expect(detail(policyDocument(), { tool: 'a\nb"; to pass' })).toContain('tool "a\\nb\\"; to pass" is not');
  });
});

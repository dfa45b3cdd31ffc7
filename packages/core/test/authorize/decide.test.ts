import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { definePolicy } from '../../src/authorize/policy.ts';
import { alice, ask, codeOf, oneTool, policyDocument } from './support.ts';

describe('only what is granted is allowed', () => {
  verifies(['CAP-1'], 'a granted call of low risk is allowed', () => {
    expect(ask(policyDocument())).toMatchObject({
      verdict: 'allow',
      capability: 'tickets:ticket:read',
      risk: 'low',
      reasons: [{ code: 'permitted' }],
      rule: {
        capability: 'tickets:ticket:read',
        idempotent: false,
        retain: 'run',
        approval: { high: { ttlMs: 900_000 } },
      },
    });
  });

  const denials: readonly [string, Parameters<typeof ask>[1], string][] = [
    ['an unknown tenant', { subject: { tenant: 'other' } }, 'tenant_unknown'],
    ['an unknown agent', { subject: { agent: 'stranger' } }, 'agent_unknown'],
    ['an unknown delegating agent', { subject: { delegation: ['stranger'] } }, 'agent_unknown'],
    ['an unknown user', { subject: { user: 'stranger' } }, 'user_unknown'],
    ['an inactive user', { subject: { user: 'gone' } }, 'user_inactive'],
    ['a tool without an entry', { tool: 'drop_table' }, 'tool_unmapped'],
    ['the same tool from another source', { source: 'mcp:evil' }, 'tool_source_mismatch'],
    ['a capability the agent lacks', { tool: 'close_ticket' }, 'capability_missing'],
    ['a capability the user lacks', { tool: 'refund', subject: { user: 'bob' } }, 'capability_missing_user'],
    [
      'a capability a delegating agent lacks',
      { tool: 'refund', subject: { delegation: ['planner'] } },
      'capability_missing_delegation',
    ],
    ['arguments beyond the constraint', { tool: 'refund', args: { amount: 901 } }, 'constraint_failed'],
    ['arguments without the constrained member', { tool: 'refund', args: {} }, 'constraint_failed'],
    ['a number sent as text', { tool: 'refund', args: { amount: '5' } }, 'constraint_failed'],
    ['NaN as an amount', { tool: 'refund', args: { amount: Number.NaN } }, 'constraint_failed'],
    ['a list as arguments', { tool: 'refund', args: [] }, 'constraint_failed'],
    ['text as arguments', { tool: 'refund', args: 'amount' }, 'constraint_failed'],
  ];
  for (const [name, question, code] of denials) {
    verifies(['CAP-1'], `denied: ${name}`, () => {
      const decision = ask(policyDocument(), question);
      expect([decision.verdict, codeOf(decision)]).toEqual(['deny', code]);
    });
  }

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'prototype', ''])(
    'a name of the prototype is unknown everywhere: %j',
    (name) => {
      const policy = definePolicy(policyDocument());
      const identity = { name: 'read_ticket', source: 'local' };
      const code = (subject: object, tool: object) =>
        codeOf(policy.decide({ ...alice, ...subject }, { ...identity, ...tool }, {}));
      expect(code({ tenant: name }, {})).toBe('tenant_unknown');
      expect(code({ agent: name }, {})).toBe('agent_unknown');
      expect(code({ user: name }, {})).toBe('user_unknown');
      expect(code({ delegation: [name] }, {})).toBe('agent_unknown');
      expect(code({}, { name })).toBe('tool_unmapped');
      expect(code({}, { source: name })).toBe('tool_source_mismatch');
      expect(policy.version(name)).toBeUndefined();
      expect(policy.tools(name)).toEqual([]);
    },
  );

  test('a tool called constructor is a tool like any other', () => {
    const { act } = oneTool({ risk: 'low' }).tools;
    const document = oneTool({}, { tools: { constructor: act as never } });
    expect(ask(document, { tool: 'constructor' }).verdict).toBe('allow');
    expect(ask(document, { tool: 'toString' }).verdict).toBe('deny');
  });

  test('an inherited member does not satisfy a required one', () => {
    const document = oneTool({ risk: 'low', arguments: { required: ['toString'] } });
    expect(ask(document, { tool: 'act', args: {} }).verdict).toBe('deny');
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a subject without a delegation', { tenant: 'acme', user: 'alice', agent: 'support' }],
    ['a delegation that only looks empty', { ...alice, delegation: { length: 0 } }],
    ['text as the delegation', { ...alice, delegation: 'planner' }],
    [
      'a subject that throws',
      {
        get tenant(): string {
          throw new Error('secret');
        },
      },
    ],
  ])('a malformed subject is denied, not thrown at: %s', (_, subject) => {
    const decision = definePolicy(policyDocument()).decide(
      subject as never,
      { name: 'read_ticket', source: 'local' },
      {},
    );
    expect([decision.verdict, codeOf(decision)]).toEqual(['deny', 'authorizer_failed']);
    expect(JSON.stringify(decision)).not.toContain('secret');
  });

  test('arguments that throw while a constraint looks at them are denied', () => {
    const args = {
      get amount(): number {
        throw new Error('secret');
      },
    };
    const decision = ask(policyDocument(), { tool: 'refund', args });
    expect([decision.verdict, codeOf(decision)]).toEqual(['deny', 'authorizer_failed']);
    expect(JSON.stringify(decision)).not.toContain('secret');
  });
});

describe('the order of checks leaks nothing', () => {
  test('who is not known learns nothing about tools', () => {
    const wrong = { subject: { user: 'stranger' }, tool: 'drop_table' };
    expect(ask(policyDocument(), wrong)).toMatchObject({ reasons: [{ code: 'user_unknown' }], capability: undefined });
    expect(codeOf(ask(policyDocument(), { ...wrong, subject: { agent: 'x', user: 'x' } }))).toBe('agent_unknown');
    expect(codeOf(ask(policyDocument(), { ...wrong, subject: { tenant: 'x', agent: 'x' } }))).toBe('tenant_unknown');
  });

  test('who lacks the capability learns nothing about constraints', () => {
    const decision = ask(policyDocument(), { tool: 'refund', subject: { agent: 'planner' }, args: { amount: 9e9 } });
    expect(codeOf(decision)).toBe('capability_missing');
  });

  test('a tool from another source is refused before its capability is looked at', () => {
    expect(codeOf(ask(policyDocument(), { tool: 'close_ticket', source: 'mcp:x' }))).toBe('tool_source_mismatch');
  });
});

describe('permissions intersect', () => {
  const upTo = (maximum: number) => ({
    capability: 'svc:thing:act',
    arguments: { properties: { amount: { type: 'number', maximum } }, required: ['amount'] },
  });
  const document = oneTool(
    { risk: 'low', arguments: upTo(40).arguments },
    {
      agents: { support: { capabilities: [upTo(30)] }, lead: { capabilities: [upTo(20)] } },
      users: { alice: { capabilities: [upTo(10)] } },
    },
  );
  const verdict = (amount: number, change: object = {}, delegation: string[] = []) =>
    ask({ ...document, ...change }, { tool: 'act', args: { amount }, subject: { delegation } }).verdict;

  verifies(['IDN-6', 'CAP-5'], 'tool, agent, user and every delegating agent must permit the arguments', () => {
    const free = { capabilities: ['svc:thing:act'] };
    expect(verdict(10)).toBe('allow');
    expect(verdict(11)).toBe('deny');
    const freeUser = { users: { alice: free } };
    expect([30, 31].map((amount) => verdict(amount, freeUser))).toEqual(['allow', 'deny']);
    expect([20, 21].map((amount) => verdict(amount, freeUser, ['lead']))).toEqual(['allow', 'deny']);
    const freeBoth = { ...freeUser, agents: { support: free } };
    expect([40, 41].map((amount) => verdict(amount, freeBoth))).toEqual(['allow', 'deny']);
  });

  test('one of several grants of the same capability suffices, whichever', () => {
    for (const capabilities of [
      [upTo(1), upTo(5)],
      [upTo(5), upTo(1)],
    ]) {
      const users = { alice: { capabilities } };
      expect([1, 5, 6].map((amount) => verdict(amount, { users }))).toEqual(['allow', 'allow', 'deny']);
    }
  });

  test('grants of different holders do not add up', () => {
    const only = (amount: number) => ({
      capabilities: [{ capability: 'svc:thing:act', arguments: { properties: { amount: { const: amount } } } }],
    });
    const change = { agents: { support: only(1) }, users: { alice: only(2) } };
    expect([1, 2, 3].map((amount) => verdict(amount, change))).toEqual(['deny', 'deny', 'deny']);
  });
});

describe('the tools of a principal', () => {
  const policy = definePolicy(policyDocument());

  test('those whose capability agent, delegating agents and user hold', () => {
    expect(policy.permittedTools(alice)).toEqual(['read_ticket', 'refund']);
    expect(policy.permittedTools({ ...alice, user: 'bob' })).toEqual(['read_ticket']);
    expect(policy.permittedTools({ ...alice, delegation: ['planner'] })).toEqual(['read_ticket']);
    expect(policy.tools('acme')).toEqual(['close_ticket', 'read_ticket', 'refund']);
  });

  test.each([{ tenant: 'x' }, { user: 'x' }, { user: 'gone' }, { agent: 'x' }, { delegation: ['x'] }])(
    'none for an unknown or inactive part: %j',
    (change) => {
      expect(policy.permittedTools({ ...alice, ...change })).toEqual([]);
    },
  );
});

describe('the rule of a tool', () => {
  test('carries what the entry says', () => {
    const document = oneTool({
      risk: 'low',
      idempotent: true,
      retain: 'none',
      approval: { expires: '2h' },
      credentials: [
        { service: 'crm', scope: { role: 'reader' }, ttl: '30s' },
        { service: 'mail', acceptResidual: true },
      ],
    });
    const approval = { ttlMs: 7_200_000, groups: [], quorum: 1, reasonRequired: false, edit: false, escalation: [] };
    expect(ask(document, { tool: 'act' }).rule).toEqual({
      capability: 'svc:thing:act',
      idempotent: true,
      orchestrates: false,
      retain: 'none',
      approval: { medium: approval, high: approval },
      credentials: [
        { service: 'crm', scope: { role: 'reader' }, ttlMs: 30_000 },
        { service: 'mail', scope: {}, ttlMs: 300_000, acceptResidual: true },
      ],
    });
    expect(ask(oneTool({ credential: { service: 'crm' } }), { tool: 'act' }).rule?.credentials).toHaveLength(1);
  });

  test('cannot be changed by who gets the decision', () => {
    const { rule } = ask(oneTool({ credential: { service: 'crm', scope: { role: { name: 'reader' } } } }), {
      tool: 'act',
    });
    expect(() => Object.assign(rule?.credentials[0]?.scope['role'] as object, { name: 'admin' })).toThrow(TypeError);
    expect(() => Object.assign(rule as object, { retain: 'none' })).toThrow(TypeError);
  });

  test('a document changed after it was loaded changes nothing', () => {
    const capabilities = ['svc:thing:act'];
    const policy = definePolicy(oneTool({ risk: 'low' }, { users: { alice: { capabilities } } }));
    capabilities.length = 0;
    expect(policy.decide(alice, { name: 'act', source: 'local' }, {}).verdict).toBe('allow');
  });
});

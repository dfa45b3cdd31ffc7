import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import type { Risk } from '../../src/call.ts';
import { riskCatalogue } from '../../src/authorize/catalogue.ts';
import { capabilityProblem } from '../../src/authorize/capability.ts';
import type { RiskCondition } from '../../src/authorize/policy-document.ts';
import { ask, oneTool, policyDocument, refusalOf } from './support.ts';

const always = (risk: RiskCondition['risk']): RiskCondition => ({ arguments: {}, risk });

function riskOf(document: Parameters<typeof ask>[0], args: unknown = {}): [Risk, string] {
  const { risk, verdict } = ask(document, { tool: 'act', args });
  return [risk, verdict];
}

describe('risk', () => {
  verifies(['CAP-4'], 'low runs, medium and high are reviewed', () => {
    expect(riskOf(oneTool({ risk: 'low' }))).toEqual(['low', 'allow']);
    expect(riskOf(oneTool({ risk: 'medium' }))).toEqual(['medium', 'review']);
    expect(riskOf(oneTool({ risk: 'high' }))).toEqual(['high', 'review']);
  });

  verifies(['CAP-4'], 'a risk that nobody stated is high', () => {
    expect(riskOf(oneTool({}))).toEqual(['high', 'review']);
    expect(riskOf(oneTool({ capability: 'constructor:x' }))).toEqual(['high', 'review']);
  });

  verifies(['CAP-4'], 'the highest of tool, capability and catalogue counts', () => {
    const capability = { 'svc:thing:act': { risk: 'medium' } } as const;
    expect(riskOf(oneTool({}, { capabilities: capability }))).toEqual(['medium', 'review']);
    expect(riskOf(oneTool({ risk: 'high' }, { capabilities: capability }))).toEqual(['high', 'review']);
    expect(riskOf(oneTool({ capability: 'database:row:select' }))).toEqual(['low', 'allow']);
    expect(riskOf(oneTool({ capability: 'database:row:insert' }))).toEqual(['medium', 'review']);
    expect(riskOf(oneTool({ capability: 'aws:rds:delete' }))).toEqual(['high', 'review']);
    const raised = { 'database:row:select': { risk: 'high' } } as const;
    expect(riskOf(oneTool({ capability: 'database:row:select' }, { capabilities: raised }))).toEqual([
      'high',
      'review',
    ]);
  });

  const lowered: readonly [string, unknown, string][] = [
    ['a tool below the catalogue', oneTool({ capability: 'git:main:push', risk: 'medium' }), '/tools/act/risk'],
    [
      'a capability below the catalogue',
      oneTool({ capability: 'git:main:push' }, { capabilities: { 'git:main:push': { risk: 'low' } } }),
      '/capabilities/git:main:push/risk',
    ],
    [
      'a tool below its capability',
      oneTool({ risk: 'low' }, { capabilities: { 'svc:thing:act': { risk: 'high' } } }),
      '/tools/act/risk',
    ],
  ];
  for (const [name, document, path] of lowered) {
    verifies(['CAP-4'], `cannot be lowered: ${name} is refused`, () => {
      expect(refusalOf(document)).toEqual([{ path, message: expect.stringContaining('can only be raised') }]);
    });
  }

  const holders: readonly [string, Parameters<typeof oneTool>[0], Parameters<typeof oneTool>[1]][] = [
    ['the tool', { when: [always('high')] }, {}],
    ['the capability', {}, { capabilities: { 'svc:thing:act': { when: [always('high')] } } }],
    [
      "the agent's grant",
      {},
      { agents: { support: { capabilities: [{ capability: 'svc:thing:act', when: [always('high')] }] } } },
    ],
    [
      "the user's grant",
      {},
      { users: { alice: { capabilities: [{ capability: 'svc:thing:act', when: [always('high')] }] } } },
    ],
  ];
  for (const [name, tool, change] of holders) {
    verifies(['CAP-4'], `is raised by a condition of ${name}`, () => {
      expect(riskOf(oneTool({ risk: 'low', ...tool }, change))).toEqual(['high', 'review']);
    });
  }

  test("is raised by a condition of a delegating agent's grant", () => {
    const plain = ['svc:thing:act'];
    const strict = [{ capability: 'svc:thing:act', when: [always('high')] }];
    const agents = { support: { capabilities: plain }, lead: { capabilities: strict } };
    const document = oneTool({ risk: 'low' }, { agents });
    expect(ask(document, { tool: 'act' }).risk).toBe('low');
    expect(ask(document, { tool: 'act', subject: { delegation: ['lead'] } }).risk).toBe('high');
  });

  test('every matching grant of one holder has its say', () => {
    const capabilities = ['svc:thing:act', { capability: 'svc:thing:act', when: [always('medium')] }];
    expect(riskOf(oneTool({ risk: 'low' }, { users: { alice: { capabilities } } }))).toEqual(['medium', 'review']);
  });

  test('a grant that does not permit the arguments has no say', () => {
    const arguments_ = { properties: { amount: { const: 1 } }, required: ['amount'] };
    const strict = { capability: 'svc:thing:act', arguments: arguments_, when: [always('high')] };
    const document = oneTool({ risk: 'low' }, { users: { alice: { capabilities: ['svc:thing:act', strict] } } });
    expect([1, 2].map((amount) => riskOf(document, { amount })[0])).toEqual(['high', 'low']);
  });

  test('the highest matching condition counts, in any order', () => {
    for (const when of [
      [always('high'), always('medium')],
      [always('medium'), always('high')],
    ]) {
      expect(riskOf(oneTool({ risk: 'low', when }))).toEqual(['high', 'review']);
    }
  });

  verifies(['CAP-4'], 'a condition that cannot be evaluated means high, whatever it would raise to', () => {
    const amount = { arguments: { properties: { amount: { minimum: 1 } } }, risk: 'medium' } as const;
    const args = {
      get amount(): number {
        throw new Error('no');
      },
    };
    expect(riskOf(oneTool({ risk: 'low', when: [amount] }), args)).toEqual(['high', 'review']);
  });

  test('a condition without types also matches values of another type', () => {
    const refunds = policyDocument().tools['refund']?.when ?? [];
    const document = oneTool({ risk: 'low', when: refunds });
    expect([500, 501, '501', { value: 1 }].map((amount) => riskOf(document, { amount })[0])).toEqual([
      'low',
      'high',
      'high',
      'high',
    ]);
    expect(riskOf(document, 'amount')[0]).toBe('high');
  });
});

describe('the catalogue', () => {
  verifies(['CAP-4'], 'rates common operations', () => {
    const risks = Object.fromEntries(Object.entries(riskCatalogue).map(([name, { risk }]) => [name, risk]));
    expect(risks).toMatchObject({
      'git:main:push': 'high',
      'github:push:main': 'high',
      'github:branch:push-protected': 'high',
      'deploy:production:create': 'high',
      'database:table:delete': 'high',
      'database:database:delete': 'high',
      'aws:rds:delete': 'high',
      'infrastructure:stack:update': 'high',
      'storage:production:write': 'medium',
      'database:row:insert': 'medium',
      'git:repository:read': 'low',
      'database:row:select': 'low',
    });
  });

  verifies(['CAP-4'], 'a payment above the threshold, or of an unreadable amount, is high', () => {
    const document = oneTool({ capability: 'payments:payment:create' });
    expect(riskOf(document, { amount: 1000 })).toEqual(['medium', 'review']);
    for (const amount of [1000.01, -1, '5', Number.NaN, null, [1], undefined]) {
      expect(riskOf(document, { amount })).toEqual(['high', 'review']);
    }
    expect(riskOf(document, {})).toEqual(['high', 'review']);
    expect(riskOf(document, 'no object')).toEqual(['high', 'review']);
  });

  test('holds exact capabilities only and cannot be changed', () => {
    expect(Object.keys(riskCatalogue).flatMap((name) => capabilityProblem(name) ?? [])).toEqual([]);
    expect(() => Object.assign(riskCatalogue['git:main:push'] as object, { risk: 'low' })).toThrow(TypeError);
    expect(() => Object.assign(riskCatalogue, { 'git:main:push': { risk: 'low' } })).toThrow(TypeError);
  });
});

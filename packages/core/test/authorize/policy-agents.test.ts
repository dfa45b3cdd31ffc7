import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createCountersign, definePolicy, memoryStore } from '../../src/index.ts';
import { policyDocument } from './support.ts';

const policy = definePolicy({
  countersign: 1,
  name: 'matrix',
  version: '1',
  tenants: ['acme'],
  tools: {
    read: { capability: 'tickets:ticket:read', risk: 'low' },
    peek: { capability: 'tickets:ticket:read', risk: 'medium' },
    refund: {
      capability: 'payments:refund:create',
      risk: 'medium',
      when: [{ arguments: { properties: { amount: { exclusiveMinimum: 100 } } }, risk: 'high' }],
      credentials: [{ service: 'bank' }],
    },
  },
  agents: {
    support: { owner: 'user:alice', capabilities: ['tickets:ticket:read', 'unheard:of:thing'] },
    billing: {
      owner: 'user:alice',
      capabilities: [
        { capability: 'payments:refund:create', arguments: { properties: { currency: { const: 'EUR' } } } },
        {
          capability: 'tickets:ticket:read',
          when: [{ arguments: { properties: { secret: { const: true } } }, risk: 'high' }],
        },
      ],
    },
  },
  users: { alice: { capabilities: ['tickets:ticket:read'] } },
});

describe('the matrix of a policy', () => {
  verifies('OPS-3', 'says for each agent which capability it holds, at what risk, and under what limits', () => {
    expect(policy.agents()).toEqual([
      {
        agent: 'billing',
        capabilities: [
          {
            ...{ capability: 'payments:refund:create', risk: 'medium', conditional: true, constrained: true },
            tools: ['refund'],
          },
          {
            ...{ capability: 'tickets:ticket:read', risk: 'medium', conditional: true, constrained: false },
            tools: ['peek', 'read'],
          },
        ],
      },
      {
        agent: 'support',
        capabilities: [
          {
            ...{ capability: 'tickets:ticket:read', risk: 'medium', conditional: false, constrained: false },
            tools: ['peek', 'read'],
          },
          // No tool of the policy needs it, and nothing states its risk.
          { capability: 'unheard:of:thing', risk: 'high', conditional: false, constrained: false, tools: [] },
        ],
      },
    ]);
    expect(policy.agents(1).map(({ agent }) => agent)).toEqual(['billing']);
    expect(policy.rules.map(({ tool, services }) => [tool, services])).toEqual([
      ['peek', []],
      ['read', []],
      ['refund', ['bank']],
    ]);
  });

  verifies('CAP-6', 'a gate, and what an agent gets from it, has no way to it', async () => {
    const key = new Uint8Array(32).fill(3);
    const instance = createCountersign({ policy, store: memoryStore(), audit: { key } });
    const gate = instance.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
    const reached = new Set<unknown>();
    const walk = (value: unknown): void => {
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || reached.has(value)) return;
      reached.add(value);
      for (const name of Reflect.ownKeys(value)) walk(Reflect.get(value, name));
    };
    walk(gate);
    expect(reached.has(policy)).toBe(false);
    expect([...reached].some((value) => typeof value === 'function' && value.name === 'agents')).toBe(false);
    const tool = { name: 'refund', source: 'local' };
    const call = { tool, callId: '1', step: '#0', origin: 'model', arguments: {} } as const;
    const refused = await gate.execute(call, () => 'never');
    if (refused.status !== 'denied') throw new Error(refused.status);
    // What reaches the model is the message.
    expect(refused.message).not.toMatch(/billing|payments|refund/);
    expect(gate.permittedTools()).toEqual(['peek', 'read']);
    await instance.close();
  });

  test('of a large policy is no larger than its kinds of agents', () => {
    const agents = Object.fromEntries(
      Array.from({ length: 5_000 }, (_, index) => [`agent-${index}`, { owner: 'user:alice', include: ['basics'] }]),
    );
    const large = definePolicy(policyDocument({ agents }));
    const listed = large.agents();
    expect(listed).toHaveLength(5_000);
    expect(new Set(listed.map(({ capabilities }) => capabilities)).size).toBe(1);
  });
});

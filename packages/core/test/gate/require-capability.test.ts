import { expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { definePolicy, requireCapability, UnauthorizedToolCall } from '../../src/index.ts';
import { document, fixture } from '../support/fixture.ts';

verifies(
  'ADP-8',
  'a function behind a capability runs through the gate, and a missing capability throws with agent and capability',
  async () => {
    const f = fixture();
    const read = requireCapability(
      f.gate,
      'tickets:ticket:read',
    )(async (id: number, options: { full: boolean }) => ({ id, ...options }));
    expect(await read(7, { full: true })).toEqual({ id: 7, full: true });
    const records = await f.store.records('acme', {});
    expect(records.map(({ kind, event }) => `${kind}:${event}`)).toEqual([
      'decision:allow',
      'claim:claimed',
      'outcome:completed',
    ]);

    let runs = 0;
    const dump = requireCapability(f.gate, 'vault:secret:read')(() => (runs += 1));
    const error = await dump().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(UnauthorizedToolCall);
    expect(error).toMatchObject({ agent: 'support', capability: 'vault:secret:read' });
    expect(runs).toBe(0);
  },
);

test('each invocation is a call of its own; errors of the function come out as they are', async () => {
  const f = fixture();
  let runs = 0;
  const count = requireCapability(f.gate, 'tickets:ticket:read')(() => (runs += 1));
  expect([await count(), await count()]).toEqual([1, 2]);
  const fail = requireCapability(
    f.gate,
    'tickets:ticket:read',
  )(() => {
    throw new RangeError('no such ticket');
  });
  await expect(fail()).rejects.toThrow(new RangeError('no such ticket'));
});

test('constraints on the grant see the object that is the only argument', async () => {
  const limit = { type: 'object', properties: { amount: { type: 'number', maximum: 10 } }, required: ['amount'] };
  const agents = {
    support: { owner: 'user:alice', capabilities: [{ capability: 'tickets:ticket:read', arguments: limit }] },
  };
  const f = fixture({ policy: definePolicy({ ...document, agents }) });
  const pay = requireCapability(f.gate, 'tickets:ticket:read')(({ amount }: { amount: number }) => amount);
  expect(await pay({ amount: 10 })).toBe(10);
  await expect(pay({ amount: 11 })).rejects.toBeInstanceOf(UnauthorizedToolCall);
});

verifies(
  'CAP-4',
  'a function is at least as risky as any tool of its capability, and high where nothing is stated',
  async () => {
    const f = fixture({ options: { timeouts: { approvalMs: 50 } } });
    await expect(requireCapability(f.gate, 'deploy:staging:create')(() => 1)()).rejects.toMatchObject({
      code: 'ERR_UNAUTHORIZED_TOOL_CALL',
    });
    const silent = definePolicy({
      ...document,
      agents: { support: { owner: 'user:alice', capabilities: ['odd:thing:do'] } },
      users: { alice: { capabilities: ['odd:thing:do'] } },
    });
    const g = fixture({ policy: silent, options: { timeouts: { approvalMs: 50 } } });
    await expect(requireCapability(g.gate, 'odd:thing:do')(() => 1)()).rejects.toMatchObject({
      code: 'ERR_UNAUTHORIZED_TOOL_CALL',
    });
    expect(await g.store.approvals('acme', {})).toMatchObject([{ risk: 'high', state: 'expired' }]);
  },
);

verifies('CAP-4', 'a condition that the policy states on the capability raises the risk of a function', async () => {
  const f = fixture({
    policy: definePolicy({
      ...document,
      capabilities: {
        'odd:thing:do': {
          risk: 'low',
          when: [{ arguments: { properties: { amount: { minimum: 5 } }, required: ['amount'] }, risk: 'high' }],
        },
      },
      agents: { support: { owner: 'user:alice', capabilities: ['odd:thing:do'] } },
      users: { alice: { capabilities: ['odd:thing:do'] } },
    }),
    options: { timeouts: { approvalMs: 50 } },
  });
  const act = requireCapability(f.gate, 'odd:thing:do')(({ amount }: { amount: number }) => amount);
  expect(await act({ amount: 4 })).toBe(4);
  await expect(act({ amount: 5 })).rejects.toBeInstanceOf(UnauthorizedToolCall);
});

test('a tool cannot be called under the source of functions, nor a function under that of tools', async () => {
  const f = fixture();
  const call = { callId: 'c', step: '#0', origin: 'model', arguments: {} } as const;
  expect(await f.gate.execute({ ...call, tool: { name: 'read', source: 'capability' } }, () => 1)).toMatchObject({
    status: 'denied',
  });
  expect(
    await f.gate.execute({ ...call, tool: { name: 'tickets:ticket:read', source: 'local' } }, () => 1),
  ).toMatchObject({ status: 'denied' });
});

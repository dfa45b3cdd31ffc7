import { describe, expect, test } from 'vitest';
import { memoryStore, type OpenedRecord } from '../../src/index.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, fixture, type Fixture } from '../support/fixture.ts';

async function recordsOf(f: Fixture, tenant = 'acme'): Promise<readonly OpenedRecord[]> {
  // Refusals are recorded without being waited for.
  await new Promise((resolve) => setTimeout(resolve, 20));
  const found: OpenedRecord[] = [];
  for await (const record of f.countersign.ledger.query({ tenant })) found.push(record);
  return found;
}

describe('an identity that is refused leaves a record:', () => {
  const refusals: readonly [string, (f: Fixture) => unknown, object][] = [
    [
      'a principal that was copied, as out of a saved state',
      (f) => f.countersign.gate({ principal: { ...f.gate.principal }, run: 'run-1' }),
      { agent: 'support', detail: expect.stringContaining('user alice: PrincipalError') },
    ],
    [
      'the principal of another installation',
      (f) => f.countersign.gate({ principal: fixture().gate.principal, run: 'run-1' }),
      { agent: 'support' },
    ],
    [
      'a user id that is none',
      (f) => f.countersign.principal({ tenant: 'acme', user: '../bob', agent: 'support' }),
      { agent: 'support', detail: expect.stringContaining('IdentifierError: user id') },
    ],
    [
      'an agent that is missing',
      (f) => f.countersign.gate({ tenant: 'acme', user: 'alice', run: 'run-1' } as never),
      { detail: expect.stringContaining('agent id') },
    ],
    [
      'a run that is none',
      (f) => f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'a b' }),
      { detail: expect.stringContaining('run id') },
    ],
  ];
  for (const [name, refused, expected] of refusals) {
    verifies('AUD-1', name, async () => {
      const f = fixture();
      expect(() => refused(f)).toThrow(/principal|must match/);
      expect(await recordsOf(f)).toMatchObject([
        { kind: 'identity', event: 'refused', verdict: 'deny', code: 'principal_missing', ...expected },
      ]);
    });
  }

  verifies('AUD-1', 'a tenant, a user or an agent that the policy does not know, in the decision', async () => {
    const f = fixture();
    for (const [tenant, user, agent, code] of [
      ['nowhere', 'alice', 'support', 'tenant_unknown'],
      ['acme', 'nobody', 'support', 'user_unknown'],
      ['acme', 'alice', 'nobody', 'agent_unknown'],
      ['acme', 'mallory', 'support', 'user_inactive'],
    ] as const) {
      const gate = f.countersign.gate({ tenant, user, agent, run: f.countersign.newRun() });
      expect(await gate.execute(callTo('read'), () => 'done')).toMatchObject({ status: 'denied', reason: code });
      expect((await recordsOf(f, tenant)).at(-1)).toMatchObject({ kind: 'decision', verdict: 'deny', code, user });
    }
  });

  test('but no ledger is opened for a tenant that somebody made up', async () => {
    const f = fixture();
    expect(() => f.countersign.gate({ principal: { tenant: 'ghost' } as never, run: 'run-1' })).toThrow(/principal/);
    for (const claimed of [undefined, null, 'acme', Object.create(null), { tenant: 7 }]) {
      expect(() => f.countersign.gate({ principal: claimed as never, run: 'run-1' })).toThrow(/countersign\.principal/);
    }
    const hostile = {
      get tenant(): never {
        throw new Error('no');
      },
    };
    expect(() => f.countersign.gate({ principal: hostile as never, run: 'run-1' })).toThrow(/countersign\.principal/);
    await recordsOf(f);
    expect(await f.store.system.tenants()).toEqual(['acme']);
  });
});

verifies(
  'AUD-1',
  'a call that was permitted and never run is recorded, and running it adds no second decision',
  async () => {
    const f = fixture();
    const call = callTo('read', { ticket: 1 });
    await f.gate.check(call);
    await f.gate.check(call);
    await f.countersign.maintain();
    expect((await recordsOf(f)).map(({ kind, event }) => [kind, event])).toEqual([['decision', 'allow']]);
    await f.gate.execute(call, () => 'done');
    const after = await recordsOf(f);
    expect(after.map(({ kind }) => kind)).toEqual(['decision', 'claim', 'outcome']);
  },
);

verifies(
  'AUD-1',
  'a call that is checked and then runs leaves the three records of a call, in two writes',
  async () => {
    const store = memoryStore();
    let writes = 0;
    const counting = {
      ...store,
      observe: (input: Parameters<typeof store.observe>[0]) => ((writes += 1), store.observe(input)),
      claim: (input: Parameters<typeof store.claim>[0]) => ((writes += 1), store.claim(input)),
      settle: (input: Parameters<typeof store.settle>[0]) => ((writes += 1), store.settle(input)),
      append: (...input: Parameters<typeof store.append>) => ((writes += 1), store.append(...input)),
    };
    const f = fixture({ store: counting });
    const call = callTo('read');
    await f.gate.check(call);
    await f.gate.execute(call, () => 'done');
    await f.countersign.maintain();
    expect((await recordsOf(f)).map(({ kind }) => kind)).toEqual(['decision', 'claim', 'outcome']);
    expect(writes).toBe(2);
  },
);

test('more unrun calls than are kept are written down, and so are those of a process that ends', async () => {
  const f = fixture();
  for (let index = 0; index < 1001; index += 1) await f.gate.check(callTo('read', { index }));
  expect((await recordsOf(f)).length).toBe(1000);
  const { store } = f;
  const closing = fixture({ store: { ...store, close: async () => undefined }, key: f.key });
  await closing.gate.check(callTo('read', { last: true }));
  await closing.countersign.close();
  expect((await recordsOf(f)).length).toBe(1001);
});

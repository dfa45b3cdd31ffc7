/** What a tool, a consumer or a store can throw at the gate after the claim: the call must still come to its end. */
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import {
  createCountersign,
  currentCall,
  memoryStore,
  requireCapability,
  Secret,
  type CredentialProvider,
} from '../../src/index.ts';
import { callTo, document, fixture, type Fixture } from '../support/fixture.ts';
import { definePolicy } from '../../src/index.ts';

const events = async (f: Fixture): Promise<string[]> =>
  (await f.store.records('acme', { limit: 1000 })).map(({ kind, event }) => `${kind}:${event}`);

function counting(): { readonly provider: CredentialProvider; readonly live: Set<string> } {
  const live = new Set<string>();
  const provider: CredentialProvider = {
    name: 'counting',
    services: ['tickets'],
    maxLifetimeMs: 60_000,
    revocable: true,
    findable: true,
    async get({ leaseId, ttlMs }) {
      live.add(leaseId);
      return { credentialId: leaseId, secret: new Secret('a-secret-that-is-counted'), expiresAt: Date.now() + ttlMs };
    },
    async provision() {},
    async revoke({ leaseId }) {
      live.delete(leaseId);
    },
    async rotate() {},
  };
  return { provider, live };
}

const revoked = Proxy.revocable({}, {});
revoked.revoke();
const hostile: readonly [string, () => unknown][] = [
  ['an error whose message is an object', () => Object.assign(new Error('x'), { message: { a: 1 } })],
  [
    'an error whose message throws',
    () =>
      Object.defineProperty(new Error('x'), 'message', {
        get: () => {
          throw new Error('no');
        },
      }),
  ],
  ['an error whose message is a symbol', () => Object.assign(new Error('x'), { message: Symbol('x') })],
  ['an error without a message', () => new Error('')],
  ['a revoked proxy', () => revoked.proxy],
  ['text', () => 'boom'],
  ['nothing', () => undefined],
  ['a message of 10 MB', () => new Error('x'.repeat(10_000_000))],
];

describe('a body that throws', () => {
  for (const tool of ['read', 'secret']) {
    for (const [name, thrown] of hostile) {
      verifies(
        ['ADP-6', 'REL-2'],
        `${name} (${tool}): the outcome is failed and written, and the credential is gone`,
        async () => {
          const { provider, live } = counting();
          const f = fixture({ options: { credentials: [provider] } });
          const outcome = await f.gate.execute(callTo(tool), () => {
            throw thrown();
          });
          expect(outcome).toMatchObject({ status: 'failed' });
          expect('message' in outcome && outcome.message.length).toBeLessThan(5_000);
          expect('message' in outcome && outcome.message).not.toContain('Nothing was executed');
          expect((await events(f)).at(-1)).toBe('outcome:failed');
          expect(live.size).toBe(0);
        },
      );
    }
  }

  verifies(
    'REL-2',
    'whatever it throws, the next call with the same arguments does not pass for one in flight',
    async () => {
      const store = memoryStore();
      const f = fixture({ store: { ...store, settle: () => Promise.reject(new Error('down')) } });
      await f.gate.execute(callTo('read', { a: 1 }), () => {
        throw hostile[0]?.[1]();
      });
      expect(await f.gate.execute(callTo('read', { a: 1 }), () => 1)).toMatchObject({ status: 'pending' });
    },
  );
});

verifies(
  'CRD-7',
  'a long message is cut after the secret was taken out: no part of it is left at the edge',
  async () => {
    const { provider } = counting();
    const f = fixture({ options: { credentials: [provider] } });
    for (const before of [3_980, 3_990, 3_999]) {
      const outcome = await f.gate.execute(callTo('secret', { before }), () => {
        throw new Error(`${'x'.repeat(before)}a-secret-that-is-counted and more`);
      });
      expect('message' in outcome && outcome.message.replaceAll('x', '')).not.toMatch(/^a/);
    }
  },
);

test('a result that cannot be read is not given away, and its credential is gone', async () => {
  const { provider, live } = counting();
  const f = fixture({ options: { credentials: [provider] } });
  let reads = 0;
  const trap = (): never => {
    throw new Error('trap');
  };
  const result = new Proxy(
    { a: 'a-secret-that-is-counted' },
    { getPrototypeOf: (target) => ((reads += 1) > 3 ? trap() : Object.getPrototypeOf(target)), isExtensible: trap },
  );
  const outcome = await f.gate.execute(callTo('secret'), () => result);
  expect(['failed', 'completed']).toContain(outcome.status);
  expect(JSON.stringify(outcome)).not.toContain('a-secret-that-is-counted');
  expect(live.size).toBe(0);
});

test('a body that answers a lazy thenable finds its call there', async () => {
  const f = fixture();
  // oxlint-disable-next-line unicorn/no-thenable -- query builders are objects of this kind
  const lazy = { then: (resolve: (value: string) => void) => resolve(currentCall().tool) };
  expect(await f.gate.execute(callTo('read'), () => lazy as unknown as Promise<string>)).toMatchObject({
    result: 'read',
  });
});

test('minus zero runs as the zero that was digested', async () => {
  const f = fixture();
  const outcome = await f.gate.execute(callTo('read', { n: -0 }), (args) => Object.is((args as { n: number }).n, 0));
  expect(outcome).toMatchObject({ result: true });
});

describe('a stream', () => {
  const bodies: readonly [string, () => AsyncIterable<number>][] = [
    [
      'throws when it is closed',
      () => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false, value: 1 }),
          return: () => {
            throw new Error('no');
          },
        }),
      }),
    ],
    [
      'has a getter that throws where it should close',
      () => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false, value: 1 }),
          get return(): never {
            throw new Error('no');
          },
        }),
      }),
    ],
  ];
  for (const [name, body] of bodies) {
    verifies(
      'CRD-2',
      `whose body ${name}: left by its consumer, it is settled and its credential is gone`,
      async () => {
        const { provider, live } = counting();
        const f = fixture({ options: { credentials: [provider] } });
        for await (const _value of f.gate.stream(callTo('secret'), body)) break;
        expect(live.size).toBe(0);
        expect((await events(f)).at(-1)).toBe('outcome:failed');
      },
    );
  }

  test('that its consumer throws into lets the body clean up', async () => {
    const f = fixture();
    let cleaned = false;
    const stream = f.gate.stream(callTo('read'), async function* () {
      try {
        yield 1;
        yield 2;
      } finally {
        cleaned = true;
      }
    });
    await stream.next();
    expect(await stream.throw(new Error('stop'))).toMatchObject({ done: true, value: { status: 'failed' } });
    expect(cleaned).toBe(true);
  });
});

describe('an idempotent tool', () => {
  verifies('REL-2', 'evaluated five times at once runs once, and all get its outcome', async () => {
    const f = fixture({ options: { timeouts: { settleMs: 2_000 } } });
    let runs = 0;
    const call = callTo('sync');
    const body = async (): Promise<number> => {
      runs += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
      return runs;
    };
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map(() => f.gate.execute(call, body)));
    expect(runs).toBe(1);
    expect(outcomes.every(({ status }) => status === 'completed')).toBe(true);
  });
});

test('a settle whose answer was lost is completed, as the ledger says', async () => {
  const store = memoryStore();
  let lost = true;
  const settle: typeof store.settle = async (input) => {
    await store.settle(input);
    if (lost) {
      lost = false;
      throw new Error('the connection broke');
    }
  };
  const f = fixture({ store: { ...store, settle } });
  const call = callTo('read');
  expect(await f.gate.execute(call, () => 'did it')).toMatchObject({ status: 'completed', replayed: false });
  expect(await f.gate.execute(call, () => 'again')).toMatchObject({
    status: 'completed',
    result: 'did it',
    replayed: true,
  });
  expect((await events(f)).filter((event) => event.startsWith('outcome'))).toEqual(['outcome:completed']);
});

verifies(
  'CAP-1',
  'a user who is deactivated while the claim waits for the store is denied, and the claim is given back',
  async () => {
    let active = true;
    const store = memoryStore();
    const slow: typeof store.claim = async (input) => {
      await new Promise((resolve) => setTimeout(resolve, 40));
      const result = await store.claim(input);
      active = false;
      return result;
    };
    const f = fixture({ store: { ...store, claim: slow }, options: { users: { active: () => active } } });
    let runs = 0;
    expect(await f.gate.execute(callTo('read'), () => (runs += 1))).toMatchObject({
      status: 'denied',
      reason: 'user_inactive',
    });
    expect(runs).toBe(0);
    expect(await events(f)).toContain('outcome:released');
  },
);

verifies(
  'CAP-5',
  'a function cannot be called around its constraint by an object with a member "arguments"',
  async () => {
    const safe = {
      type: 'object',
      properties: {
        arguments: {
          type: 'array',
          minItems: 1,
          prefixItems: [{ type: 'string', pattern: '^https://safe\\.test/' }],
          items: false,
        },
      },
      required: ['arguments'],
    };
    const policy = definePolicy({
      ...document,
      agents: {
        support: { owner: 'user:alice', capabilities: [{ capability: 'tickets:ticket:read', arguments: safe }] },
      },
    });
    const f = fixture({ policy });
    const load = requireCapability(f.gate, 'tickets:ticket:read')((input: unknown) => input);
    expect(await load('https://safe.test/a')).toBe('https://safe.test/a');
    await expect(load({ arguments: ['https://safe.test/a'], url: 'http://evil.test' })).rejects.toMatchObject({
      code: 'ERR_UNAUTHORIZED_TOOL_CALL',
    });
  },
);

test('a foreign error is not quoted: neither the decision nor the ledger repeats its message', async () => {
  const quoting = (): never => {
    throw Object.assign(new Error('Authorization: Bearer sk-live-CANARY'), {
      name: 'RequestError',
      code: 'ECONNREFUSED',
    });
  };
  const f = fixture({ policy: { decide: quoting, version: () => '1', tools: () => [], permittedTools: () => [] } });
  const { decision } = await f.gate.check(callTo('read'));
  expect(decision.reasons).toEqual([{ code: 'authorizer_failed', detail: 'RequestError (ECONNREFUSED)' }]);
});

verifies('AUD-1', 'a denial that could not be written is written the next time it falls', async () => {
  const store = memoryStore();
  let down = true;
  const f = fixture({
    store: { ...store, append: (...input) => (down ? Promise.reject(new Error('down')) : store.append(...input)) },
  });
  const call = callTo('read', {}, { origin: 'resume' });
  await f.gate.execute(call, () => 1);
  down = false;
  await f.gate.execute(call, () => 1);
  await f.gate.execute(call, () => 1);
  expect(await events(f)).toEqual(['decision:deny']);
});

test('a hostile call object is denied, by check and by execute', async () => {
  const f = fixture();
  const trap = new Proxy(
    {},
    {
      get: () => {
        throw new Error('getter');
      },
      has: () => {
        throw new Error('has');
      },
    },
  ) as never;
  expect((await f.gate.check(trap)).decision.verdict).toBe('deny');
  expect(await f.gate.execute(trap, () => 1)).toMatchObject({ status: 'denied' });
});

test('no approvals key is refused at the start, not at the first review', () => {
  const f = fixture();
  expect(() => createCountersign({ ...f.options, approvals: { keys: [] } })).toThrow('approvals.keys');
});

import { describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createCountersign, currentCall, type Authorizer, type Outcome, type PrincipalInput } from '../../src/index.ts';
import { callTo, counted, fixture } from '../support/fixture.ts';

async function kinds(f: ReturnType<typeof fixture>, tenant = 'acme'): Promise<string[]> {
  const records = await f.store.records(tenant, { limit: 1000 });
  return records.map(({ kind, event }) => `${kind}:${event}`);
}

describe('a low-risk call', () => {
  test('runs once, with its own copy of the arguments, and leaves decision, claim and outcome in that order', async () => {
    const f = fixture();
    const args = { id: 7, tags: ['a'] };
    const outcome = await f.gate.execute(callTo('read', args), (given) => {
      (given as { tags: string[] }).tags.push('changed');
      return { subject: 'hello', run: currentCall().run };
    });
    expect(outcome).toMatchObject({ status: 'completed', result: { subject: 'hello', run: 'run-1' }, replayed: false });
    expect(args).toEqual({ id: 7, tags: ['a'] });
    expect(await kinds(f)).toEqual(['decision:allow', 'claim:claimed', 'outcome:completed']);
    expect(await f.countersign.ledger.verify('acme')).toMatchObject({ ok: true, records: 3 });
  });

  test('asked again with the same key, it answers the stored outcome and does not run', async () => {
    const f = fixture();
    const { body, runs } = counted({ at: new Date(0), link: new URL('https://example.test/'), gone: undefined });
    const call = callTo('read', { id: 1 });
    const first = await f.gate.execute(call, body);
    const second = await f.gate.execute(call, body);
    expect(runs).toHaveLength(1);
    expect(second).toEqual({ ...first, replayed: true });
  });

  test('a result that is not kept answers unknown, and the body does not run again', async () => {
    const f = fixture();
    const { body, runs } = counted('x');
    const call = callTo('forget');
    await f.gate.execute(call, body);
    expect((await f.gate.execute(call, body)).status).toBe('unknown');
    expect((await f.gate.execute(callTo('read'), () => () => 1)).status).toBe('completed');
    expect(runs).toHaveLength(1);
  });

  test('a body that throws is failed, stored as such, and does not run again', async () => {
    const f = fixture();
    let runs = 0;
    const call = callTo('read');
    const body = (): never => {
      runs += 1;
      throw new RangeError('no such ticket');
    };
    expect(await f.gate.execute(call, body)).toMatchObject({
      status: 'failed',
      message: 'no such ticket',
      replayed: false,
    });
    expect(await f.gate.execute(call, body)).toMatchObject({
      status: 'failed',
      message: 'no such ticket',
      replayed: true,
    });
    expect(runs).toBe(1);
  });

  test('the same call executed twice at the same time runs once, and both get its outcome', async () => {
    const f = fixture();
    let runs = 0;
    const call = callTo('read');
    const body = async (): Promise<number> => {
      runs += 1;
      await new Promise((resolve) => setTimeout(resolve, 60));
      return runs;
    };
    const outcomes = await Promise.all([
      f.gate.execute(call, body),
      f.gate.execute(call, body),
      f.gate.execute(call, body),
    ]);
    expect(runs).toBe(1);
    expect(outcomes.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed']);
  });

  test('two calls with equal arguments and different ids, at the same time, both run', async () => {
    const f = fixture();
    const { body, runs } = counted(1);
    const slow = async (args: unknown): Promise<number> => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return body(args);
    };
    await Promise.all([f.gate.execute(callTo('read', { a: 1 }), slow), f.gate.execute(callTo('read', { a: 1 }), slow)]);
    expect(runs).toHaveLength(2);
  });
});

describe('denials', () => {
  const cases: readonly [string, string, PrincipalInput & { run: string }, string][] = [
    ['an unknown tenant', 'tenant_unknown', { tenant: 'nowhere', user: 'alice', agent: 'support', run: 'r' }, 'read'],
    ['an unknown agent', 'agent_unknown', { tenant: 'acme', user: 'alice', agent: 'constructor', run: 'r' }, 'read'],
    ['an unknown user', 'user_unknown', { tenant: 'acme', user: 'eve', agent: 'support', run: 'r' }, 'read'],
    ['an inactive user', 'user_inactive', { tenant: 'acme', user: 'mallory', agent: 'support', run: 'r' }, 'read'],
    ['an unmapped tool', 'tool_unmapped', { tenant: 'acme', user: 'alice', agent: 'support', run: 'r' }, 'rm'],
    [
      'a tool named constructor',
      'tool_unmapped',
      { tenant: 'acme', user: 'alice', agent: 'support', run: 'r' },
      'constructor',
    ],
    [
      'a tool named __proto__',
      'tool_unmapped',
      { tenant: 'acme', user: 'alice', agent: 'support', run: 'r' },
      '__proto__',
    ],
    [
      'a capability that is not granted',
      'capability_missing',
      { tenant: 'acme', user: 'alice', agent: 'support', run: 'r' },
      'vault',
    ],
    [
      'arguments outside the constraint',
      'constraint_failed',
      { tenant: 'acme', user: 'alice', agent: 'support', run: 'r' },
      'bounded',
    ],
  ];
  for (const [name, reason, who, tool] of cases) {
    verifies(
      ['CAP-1', 'CAP-3'],
      `${name} is denied before anything runs, and the denial is recorded once`,
      async () => {
        const f = fixture();
        const { body, runs } = counted(1);
        const gate = f.countersign.gate(who);
        const call = callTo(tool, { amount: 99 });
        expect((await gate.check(call)).decision).toMatchObject({ verdict: 'deny' });
        expect(await gate.execute(call, body)).toMatchObject({ status: 'denied', reason });
        expect(await gate.execute(call, body)).toMatchObject({ status: 'denied', reason });
        expect(runs).toEqual([]);
        expect(await kinds(f, who.tenant)).toEqual(['decision:deny']);
      },
    );
  }

  verifies(
    'CAP-6',
    'the message for a model does not tell a missing capability from an unknown agent or tool',
    async () => {
      const f = fixture();
      const messages = new Set<string>();
      for (const [, , who, tool] of cases.filter(([, reason]) => reason !== 'constraint_failed')) {
        const outcome = await f.countersign.gate(who).execute(callTo(tool), () => 1);
        if (outcome.status === 'denied') messages.add(outcome.message);
      }
      expect(messages.size).toBe(1);
      expect([...messages].join()).not.toMatch(/capability|agent|tenant|user/);
    },
  );

  verifies('CAP-6', 'a gate exposes nothing of the policy but its own tools', () => {
    const f = fixture();
    expect(Object.keys(f.gate).toSorted()).toEqual([
      'check',
      'delegate',
      'execute',
      'permittedTools',
      'principal',
      'run',
      'stream',
    ]);
    expect(
      f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'helper', run: 'r' }).permittedTools(),
    ).not.toContain('deploy');
  });

  const hostile: readonly [string, unknown][] = [
    ['10,000 levels of nesting', JSON.parse(`${'['.repeat(10_000)}${']'.repeat(10_000)}`)],
    ['10 MB of text', { text: 'x'.repeat(10_000_000) }],
    ['a function', { f: () => 1 }],
    ['a bigint', { n: 1n }],
    ['NaN', { n: Number.NaN }],
    ['a lone surrogate', { s: '\uD800' }],
    ['an own __proto__ member', JSON.parse('{"__proto__": {"admin": true}}')],
    ['constructor.prototype', { constructor: { prototype: { admin: true } } }],
    ['a getter', Object.defineProperty({}, 'a', { enumerable: true, get: () => 1 })],
    ['a class instance', new Map([[1, 2]])],
    ['toJSON', { toJSON: () => ({}) }],
    [
      'a throwing proxy',
      new Proxy(
        {},
        {
          ownKeys: () => {
            throw new Error('boom');
          },
        },
      ),
    ],
    [
      'a cycle',
      (() => {
        const a: { a?: unknown } = {};
        a.a = a;
        return a;
      })(),
    ],
    ['a sparse array', [1, , 3]], // eslint-disable-line no-sparse-arrays
    ['the mark of tagged values', { at: { '\u0000countersign': 'date', value: '2026-01-01' } }],
    ['200 levels of nesting', JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`)],
    ['an invalid date', { at: new Date(Number.NaN) }],
  ];
  for (const [name, args] of hostile) {
    verifies('REL-4', `arguments with ${name} are denied, and nothing runs`, async () => {
      const f = fixture();
      const { body, runs } = counted(1);
      expect(await f.gate.execute(callTo('read', args), body)).toMatchObject({
        status: 'denied',
        reason: 'arguments_invalid',
      });
      expect((await f.gate.check(callTo('read', args))).decision.verdict).toBe('deny');
      expect(runs).toEqual([]);
      expect((await kinds(f)).every((kind) => kind === 'decision:deny')).toBe(true);
    });
  }

  verifies('REL-4', 'a malformed call (no id, no name, a wrong origin) is denied and never throws', async () => {
    const f = fixture();
    for (const broken of [
      { callId: '' },
      { step: '' },
      { tool: { name: '', source: 'local' } },
      { origin: 'x' },
      { tool: undefined },
      { callId: 7 },
    ]) {
      const call = { ...callTo('read'), ...broken } as never;
      expect(await f.gate.execute(call, () => 1)).toMatchObject({ status: 'denied' });
      expect((await f.gate.check(call)).decision.verdict).toBe('deny');
    }
    expect(await f.gate.execute(undefined as never, () => 1)).toMatchObject({ status: 'denied' });
  });

  verifies('REL-4', 'duplicate members in the JSON text of the arguments are denied', async () => {
    const f = fixture();
    const call = callTo('read', { amount: 5 }, { wire: '{"amount":500,"amount":5}' });
    expect(await f.gate.execute(call, () => 1)).toMatchObject({ status: 'denied', reason: 'arguments_invalid' });
    const nested = callTo('read', { a: [{ b: 1 }] }, { wire: '{"a":[{"b":1,"\\u0062":1}]}' });
    expect(await f.gate.execute(nested, () => 1)).toMatchObject({ status: 'denied', reason: 'arguments_invalid' });
    const fine = callTo('read', { a: { x: 1 }, b: { x: 1 } }, { wire: '{"a":{"x":1},"b":{"x":"{,\\"x\\":"}}' });
    expect(await f.gate.execute(fine, () => 1)).toMatchObject({ status: 'completed' });
  });

  verifies(
    'APR-4',
    'a call id used again in the same step with other arguments is denied; in another step it is another call',
    async () => {
      const f = fixture();
      const { body, runs } = counted(1);
      await f.gate.execute(callTo('read', { a: 1 }, { callId: 'c1' }), body);
      expect(await f.gate.execute(callTo('read', { a: 2 }, { callId: 'c1' }), body)).toMatchObject({
        status: 'denied',
        reason: 'call_id_reused',
      });
      expect(await f.gate.execute(callTo('read', { a: 2 }, { callId: 'c1', step: '#1' }), body)).toMatchObject({
        status: 'completed',
      });
      expect(runs).toEqual([{ a: 1 }, { a: 2 }]);
    },
  );

  verifies(
    ['APR-4', 'CAP-8'],
    'an outcome is not given to another user of the run, nor for a tool whose schema changed',
    async () => {
      const f = fixture();
      const call = callTo('read', { a: 1 });
      await f.gate.execute(call, () => 'for alice');
      const bob = f.countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-1' });
      const changed = { ...call, tool: { ...call.tool, schemaDigest: 'new' } };
      expect(await bob.execute(call, () => 'for bob')).toMatchObject({ status: 'completed', result: 'for bob' });
      expect(await f.gate.execute(changed, () => 1)).toMatchObject({ status: 'denied', reason: 'call_id_reused' });
    },
  );

  verifies('APR-5', 'a resumed call that the model never made is denied at every risk', async () => {
    const f = fixture();
    const { body, runs } = counted(1);
    for (const tool of ['read', 'note', 'deploy']) {
      const call = callTo(tool, {}, { origin: 'resume' });
      expect(await f.gate.execute(call, body)).toMatchObject({ status: 'denied', reason: 'call_never_made' });
    }
    expect(runs).toEqual([]);
    expect(await f.store.approvals('acme', {})).toEqual([]);
  });
});

describe('an authorizer that is not well', () => {
  const rule = {
    capability: 'a:b',
    idempotent: false,
    orchestrates: false,
    retain: 'run',
    credentials: [],
  };
  const bare = { verdict: 'allow', capability: 'a:b', risk: 'low', reasons: [], policyVersion: '1', ruleDigest: 'd' };
  const allow = { ...bare, rule };
  const base = { version: () => '1', tools: () => [], permittedTools: () => [] };
  const answers: readonly [string, () => unknown][] = [
    [
      'throws',
      () => {
        throw new Error('down');
      },
    ],
    ['rejects', () => Promise.reject(new Error('down'))],
    ['hangs', () => new Promise(() => undefined)],
    ['answers nothing', () => undefined],
    ['answers a verdict that does not exist', () => ({ ...allow, verdict: 'sure' })],
    ['answers a risk that does not exist', () => ({ ...allow, risk: 'none' })],
    ['allows without a rule', () => bare],
  ];
  for (const [name, decide] of answers) {
    verifies('CAP-1', `an authorizer that ${name} denies`, async () => {
      const f = fixture({ policy: { ...base, decide } as unknown as Authorizer });
      const { body, runs } = counted(1);
      expect(await f.gate.execute(callTo('read'), body)).toMatchObject({
        status: 'denied',
        reason: 'authorizer_failed',
      });
      expect(runs).toEqual([]);
    });
  }

  verifies('CAP-4', 'an authorizer that allows a high risk gets a review', async () => {
    const f = fixture({
      policy: { ...base, decide: () => ({ ...allow, risk: 'high' }) } as unknown as Authorizer,
    });
    expect(await f.gate.execute(callTo('read'), () => 1)).toMatchObject({ status: 'pending', mode: 'blocking' });
  });

  const changes: readonly [string, object, string][] = [
    ['denies', { verdict: 'deny', reasons: [{ code: 'capability_missing' }] }, 'capability_missing'],
    ['finds another rule', { ruleDigest: 'e' }, 'approval_stale'],
    ['finds a higher risk', { risk: 'high' }, 'approval_stale'],
  ];
  for (const [name, change, reason] of changes) {
    verifies('APR-4', `a policy that ${name} while a person is deciding: what they approve does not run`, async () => {
      let approved = false;
      const review = { ...allow, verdict: 'review', risk: 'medium' };
      const decide = (): unknown => (approved ? { ...review, ...change } : review);
      const f = fixture({ policy: { ...base, decide } as unknown as Authorizer });
      const { body, runs } = counted(1);
      const waiting = f.gate.execute(callTo('read'), body, { wait: true });
      await expect.poll(() => f.store.approvals('acme', { state: 'pending' })).toHaveLength(1);
      approved = true;
      await f.decide((await f.store.approvals('acme', {}))[0]?.id ?? '', 'approve');
      expect(await waiting).toMatchObject({ status: 'denied', reason });
      expect(runs).toEqual([]);
    });
  }

  verifies('CAP-8', 'the user directory is asked on every call: inactive, throwing and hanging deny', async () => {
    let answer: () => boolean | Promise<boolean> = () => true;
    const f = fixture({ options: { users: { active: () => answer() } } });
    expect(await f.gate.execute(callTo('read'), () => 1)).toMatchObject({ status: 'completed' });
    for (const bad of [
      () => false,
      () => Promise.resolve(false),
      () => 'yes' as unknown as boolean,
      () => Promise.reject(new Error('down')),
      () => new Promise<boolean>(() => undefined),
    ]) {
      answer = bad;
      expect(await f.gate.execute(callTo('read'), () => 1)).toMatchObject({ status: 'denied' });
    }
  });
});

describe('principals', () => {
  test('a cloned, deserialized or hand-made principal is refused, and so is one of another instance', () => {
    const f = fixture();
    const principal = f.countersign.principal({ tenant: 'acme', user: 'alice', agent: 'support' });
    const other = createCountersign(f.options).principal({ tenant: 'acme', user: 'alice', agent: 'support' });
    for (const fake of [
      { ...principal },
      JSON.parse(JSON.stringify(principal)),
      structuredClone(principal),
      Object.create(principal),
      other,
    ]) {
      expect(() => f.countersign.gate({ principal: fake, run: 'r' })).toThrow('principal');
    }
    expect(f.countersign.gate({ principal, run: 'r' }).principal).toBe(principal);
  });

  test('ids with separators, empty ids and overlong ids are refused', () => {
    const f = fixture();
    for (const tenant of ['', '../etc', 'a/b', 'a b', 'a'.repeat(65), 'a.b', '-a']) {
      expect(() => f.countersign.principal({ tenant, user: 'alice', agent: 'support' })).toThrow('tenant id');
    }
    expect(() => f.countersign.principal({ tenant: 'acme', user: 'a/b', agent: 'x' })).toThrow('user id');
  });

  verifies(
    'IDN-6',
    'a delegated gate permits only what every agent of the chain may do, and records the chain',
    async () => {
      const f = fixture();
      const sub = f.gate.delegate('helper');
      expect(await sub.execute(callTo('read'), () => 1)).toMatchObject({ status: 'completed' });
      expect(await sub.execute(callTo('note'), () => 1)).toMatchObject({
        status: 'denied',
        reason: 'capability_missing',
      });
      const escalating = f.countersign
        .gate({ tenant: 'acme', user: 'alice', agent: 'helper', run: 'r' })
        .delegate('support');
      expect(await escalating.execute(callTo('note'), () => 1)).toMatchObject({
        status: 'denied',
        reason: 'capability_missing_delegation',
      });
      const [record] = await f.store.records('acme', {});
      expect(JSON.parse(record?.body ?? '{}')).toMatchObject({ agent: 'helper', delegation: ['support'] });
    },
  );
});

describe('streams', () => {
  async function* numbers(): AsyncGenerator<number> {
    yield 1;
    yield 2;
  }
  async function drain<Value>(
    stream: AsyncGenerator<Value, Outcome<Value>>,
  ): Promise<{ values: Value[]; outcome: Outcome<Value> }> {
    const values: Value[] = [];
    for (;;) {
      const step = await stream.next();
      if (step.done === true) return { values, outcome: step.value };
      values.push(step.value);
    }
  }

  test('yields what the body yields inside the ambient context, and returns the last value as the outcome', async () => {
    const f = fixture();
    const call = callTo('read');
    async function* body(): AsyncGenerator<string> {
      yield currentCall().tool;
      await Promise.resolve();
      yield currentCall().callKey;
    }
    const { values, outcome } = await drain(f.gate.stream(call, body));
    expect(values[0]).toBe('read');
    expect(outcome).toMatchObject({ status: 'completed', result: values[1] });
    const again = await drain(f.gate.stream(call, body));
    expect(again).toMatchObject({ values: [], outcome: { status: 'completed', replayed: true, result: values[1] } });
  });

  test('a denied stream yields nothing; one that the consumer leaves is settled as failed', async () => {
    const f = fixture();
    expect(await drain(f.gate.stream(callTo('vault'), numbers))).toMatchObject({
      values: [],
      outcome: { status: 'denied' },
    });
    for await (const _value of f.gate.stream(callTo('read'), numbers)) break;
    expect((await kinds(f)).at(-1)).toBe('outcome:failed');
  });
});

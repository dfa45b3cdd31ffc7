/** Pausing and resuming: what the SDK's own state can and cannot do, natively and behind the gate. */
import { randomBytes } from 'node:crypto';
import { Agent, RunContext, RunState, type RunToolApprovalItem } from '@openai/agents';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { guardAgent, resumeRunState, runnableTools, signRunState, type PendingCall } from '../src/index.ts';
import { fixture, recording, resultsIn, serve, type Fixture } from './support/fixture.ts';

const calls = (name: string, amount: number, id = 'c1') => ({ calls: [{ name, id, args: { amount } }] });

/** Natively the tool asks for approval itself; behind the gate the policy does. */
function agentOf(f: Fixture | undefined, ran: unknown[], names: readonly string[] = ['deploy', 'read']): Agent {
  const tools = names.map((name) => recording(name, ran, f === undefined ? { needsApproval: async () => true } : {}));
  const agent = new Agent({ name: 'A', tools });
  return f === undefined ? agent : guardAgent(agent, f.gate);
}

async function suspended(f: Fixture | undefined, ran: unknown[]): Promise<string> {
  const served = await serve([calls('deploy', 50)]);
  const result = await served.runner.run(agentOf(f, ran), 'go');
  expect(result.interruptions.map(({ name, arguments: args }) => [name, args])).toEqual([['deploy', '{"amount":50}']]);
  return result.state.toString();
}

interface Approvable {
  getInterruptions(): readonly RunToolApprovalItem[];
  approve(item: RunToolApprovalItem): void;
}

function approveAll(state: Approvable): void {
  for (const item of state.getInterruptions()) state.approve(item);
}

type Edit = (state: Record<string, never>) => void;

async function resume(
  f: Fixture | undefined,
  ran: unknown[],
  text: string,
  how: { readonly edit?: Edit; readonly approve?: boolean } = {},
): Promise<string> {
  const json = JSON.parse(text) as Record<string, never>;
  how.edit?.(json);
  const served = await serve(['done', 'done']);
  try {
    const state = await RunState.fromString(agentOf(f, ran), JSON.stringify(json));
    if (how.approve !== false) approveAll(state as never);
    const result = await served.runner.run(agentOf(f, ran), state as never);
    return result.interruptions.length > 0 ? 'waits' : (resultsIn(served)['c1'] ?? 'done');
  } catch (error) {
    return `error: ${String(error)}`;
  }
}

/** Everywhere in a document. */
function replaceAll(from: string, to: string): Edit {
  return (state) => {
    const text = JSON.stringify(state).replaceAll(from, to);
    for (const key of Object.keys(state)) delete state[key];
    Object.assign(state, JSON.parse(text));
  };
}

const sticky: Edit = (state) => {
  const approvals = { '["bare","deploy"]': { approved: true, rejected: [] } };
  Object.assign(state['context'] as unknown as object, { functionApprovals: [{ agentIdentity: 'A', approvals }] });
};

describe('a blocking review', () => {
  verifies(
    ['ADP-2', 'APR-8', 'APR-5'],
    'pauses natively, runs once after a signed vote, and a replay of the state runs nothing; natively it runs again',
    async () => {
      const native: unknown[] = [];
      const text = await suspended(undefined, native);
      await resume(undefined, native, text);
      await resume(undefined, native, text);
      expect(native).toHaveLength(2);

      const f = fixture();
      const ran: unknown[] = [];
      const guarded = await suspended(f, ran);
      expect(await resume(f, ran, guarded)).toContain('blocked until a person approves');
      expect(ran).toEqual([]);
      await f.decide('approve');
      expect(await resume(f, ran, guarded)).toBe('deploy ran with 50');
      expect(await resume(f, ran, guarded)).toBe('deploy ran with 50');
      expect(ran).toEqual([{ amount: 50 }]);
    },
  );

  verifies('APR-5', 'resumed at the same time from two copies of the state, it runs once; natively twice', async () => {
    for (const f of [undefined, fixture()]) {
      const ran: unknown[] = [];
      const text = await suspended(f, ran);
      await f?.decide('approve');
      await Promise.all([resume(f, ran, text), resume(f, ran, text)]);
      expect(ran).toHaveLength(f === undefined ? 2 : 1);
    }
  });

  verifies('APR-2', 'a rejection is told to the model, and approving in the state does not flip it', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const text = await suspended(f, ran);
    await f.decide('reject');
    expect(await resume(f, ran, text)).toContain('A person rejected');
    expect(ran).toEqual([]);
  });

  test('rejected in the SDK, it is told so, and the gate never runs it', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const served = await serve([calls('deploy', 50), 'done']);
    const first = await served.runner.run(agentOf(f, ran), 'go');
    for (const item of first.interruptions) first.state.reject(item, { message: 'Carol said no' });
    await served.runner.run(agentOf(f, ran), first.state);
    expect(resultsIn(served)['c1']).toBe('Carol said no');
    expect(ran).toEqual([]);
  });

  test('resumed before anybody decided and without approving in the state, it waits again', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const text = await suspended(f, ran);
    expect(await resume(f, ran, text, { approve: false })).toBe('waits');
    const served = await serve([calls('deploy', 50)]);
    const agent = agentOf(f, ran);
    const first = await served.runner.run(agent, 'go');
    expect((await served.runner.run(agent, first.state)).interruptions).toHaveLength(1);
    expect(await f.pending()).toHaveLength(1);
  });

  test('streaming pauses and resumes alike', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const served = await serve([calls('deploy', 50), 'done']);
    const agent = agentOf(f, ran);
    const first = await served.runner.run(agent, 'go', { stream: true });
    await first.completed;
    expect(first.interruptions).toHaveLength(1);
    await f.decide('approve');
    approveAll(first.state as never);
    const second = await served.runner.run(agent, first.state, { stream: true });
    await second.completed;
    expect([second.finalOutput, ran]).toEqual(['done', [{ amount: 50 }]]);
  });

  test('in one response: allowed runs at once, review waits, denied is told, and nothing runs twice', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const served = await serve([
      {
        calls: [
          { name: 'pay', id: 'p1', args: { amount: 1 } },
          { name: 'pay', id: 'p2', args: { amount: 500 } },
          { name: 'pay', id: 'p3', args: { amount: 5000 } },
        ],
      },
      'done',
    ]);
    const agent = agentOf(f, ran, ['pay']);
    const first = await served.runner.run(agent, 'go');
    expect([first.interruptions.length, ran]).toEqual([1, [{ amount: 1 }]]);
    await f.decide('approve');
    const state = await RunState.fromString(agent, first.state.toString());
    approveAll(state as never);
    await served.runner.run(agent, state);
    expect(ran).toEqual([{ amount: 1 }, { amount: 500 }]);
    expect(resultsIn(served)['p3']).toContain('not permitted');
  });

  test('tells the application which approval a paused call waits for', async () => {
    const f = fixture();
    const told: PendingCall[] = [];
    const served = await serve([calls('deploy', 50)]);
    await served.runner.run(
      guardAgent(new Agent({ name: 'A', tools: [recording('deploy', [])] }), f.gate, {
        onPending: (pending) => void told.push(pending),
      }),
      'go',
    );
    expect(told).toEqual([{ approval: (await f.pending())[0], agentName: 'A', toolName: 'deploy', callId: 'c1' }]);
  });

  verifies('ADP-2', "a tool's own rule still pauses, survives the state, and the gate decides again", async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const agent = () =>
      guardAgent(
        new Agent({
          name: 'A',
          tools: [recording('read', ran, { needsApproval: true }), recording('vault', ran, { needsApproval: true })],
        }),
        f.gate,
      );
    const served = await serve([calls('read', 1), 'done']);
    const first = await served.runner.run(agent(), 'go');
    expect(first.interruptions).toHaveLength(1);
    const state = await RunState.fromString(agent(), first.state.toString());
    approveAll(state as never);
    await served.runner.run(agent(), state);
    expect(ran).toEqual([{ amount: 1 }]);
    const vault = await serve([calls('vault', 1), 'done'], { toolNotFoundBehavior: 'return_error_to_model' });
    expect((await vault.runner.run(agent(), 'go')).interruptions).toEqual([]);
  });

  test('nobody is asked about a call that would be denied anyway', async () => {
    const agent = guardAgent(
      new Agent({ name: 'A', tools: [recording('pay', [], { needsApproval: true })] }),
      fixture().gate,
    );
    const served = await serve([calls('pay', 5000), 'done']);
    expect((await served.runner.run(agent, 'go')).interruptions).toEqual([]);
  });

  verifies(
    'ADP-2',
    'alwaysApprove widens nothing: later calls need their own approval; natively any arguments run',
    async () => {
      for (const f of [undefined, fixture()]) {
        const ran: unknown[] = [];
        const served = await serve([calls('deploy', 50), calls('deploy', 1_000_000, 'c2'), 'done']);
        const agent = agentOf(f, ran);
        const first = await served.runner.run(agent, 'go');
        await f?.decide('approve');
        for (const item of first.interruptions) first.state.approve(item, { alwaysApprove: true });
        await served.runner.run(agent, first.state);
        expect(ran).toEqual(f === undefined ? [{ amount: 50 }, { amount: 1_000_000 }] : [{ amount: 50 }]);
      }
    },
  );
});

describe('a stored state that was tampered with', () => {
  const edits: readonly [string, Edit, number][] = [
    ['a sticky approval', sticky, 1],
    [
      'a sticky approval and other arguments',
      (state) => {
        replaceAll('{\\\\\\"amount\\\\\\":50}', '{\\\\\\"amount\\\\\\":999}')(state);
        replaceAll('{\\"amount\\":50}', '{\\"amount\\":999}')(state);
        sticky(state);
      },
      1,
    ],
    [
      'another tool of the agent',
      (state) => {
        replaceAll('deploy', 'read')(state);
      },
      0,
    ],
  ];
  for (const [what, edit, natively] of edits) {
    verifies(['ADP-2', 'APR-5'], `with ${what}: nothing runs that nobody approved`, async () => {
      for (const f of [undefined, fixture()]) {
        const ran: unknown[] = [];
        const text = await suspended(f, ran);
        const outcome = await resume(f, ran, text, { edit, approve: what.includes('tool') });
        expect(outcome).toBeTypeOf('string');
        if (f !== undefined) expect(ran).toEqual([]);
        else if (natively > 0) expect(ran).toHaveLength(natively);
      }
    });
  }

  verifies(
    ['ADP-2', 'APR-5'],
    'with a call that the model never made: denied, also at low risk; natively it runs',
    async () => {
      // A run of the attacker's own making, paused on a call of a tool that is allowed without approval.
      const forged: unknown[] = [];
      const served = await serve([calls('read', 7)]);
      const made = await served.runner.run(agentOf(undefined, forged), 'go');
      const text = made.state.toString();
      for (const f of [undefined, fixture()]) {
        const ran: unknown[] = [];
        await resume(f, ran, text);
        expect(ran).toHaveLength(f === undefined ? 1 : 0);
        if (f !== undefined)
          expect(
            (await f.store.records('acme', {})).map(({ body }) => (JSON.parse(body) as { code?: string }).code),
          ).toContain('call_never_made');
      }
    },
  );

  test('with a context of another user: the context of the caller decides', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const gates = {
      alice: f.gate,
      bob: f.countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-1' }),
    };
    const make = () =>
      guardAgent(
        new Agent<{ user: 'alice' | 'bob' }>({ name: 'A', tools: [recording('deploy', ran) as never] }),
        ({ context }) => gates[context.user],
      );
    const served = await serve([calls('deploy', 50), 'done']);
    const first = await served.runner.run(make(), 'go', { context: { user: 'alice' } });
    await f.decide('approve');
    const state = await RunState.fromStringWithContext(
      make(),
      first.state.toString(),
      new RunContext({ user: 'bob' as const }),
      { contextStrategy: 'replace' },
    );
    approveAll(state as never);
    await served.runner.run(make(), state);
    expect(ran).toEqual([]);
    expect(resultsIn(served)['c1']).toContain('not run');
  });
});

describe('a signed state', () => {
  const key = randomBytes(32);

  verifies('ADP-2', 'resumes with the context of the caller, and approvals in it are dropped', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const served = await serve([calls('deploy', 50), 'done']);
    const agent = agentOf(f, ran);
    const first = await served.runner.run(agent, 'go', { context: { secret: 'sk-1' } });
    const signed = signRunState(first.state, key);
    await f.decide('approve');
    const state = await resumeRunState(agentOf(f, ran), signed, { key, context: { mine: true } });
    expect(JSON.stringify(state)).not.toContain('sk-1');
    approveAll(state as never);
    await served.runner.run(agent, state as never);
    expect(ran).toEqual([{ amount: 50 }]);
  });

  test('approved in the SDK before it was signed, it still waits', async () => {
    const f = fixture();
    const served = await serve([calls('deploy', 50), 'done']);
    const first = await served.runner.run(agentOf(f, []), 'go');
    for (const item of first.interruptions) first.state.approve(item, { alwaysApprove: true });
    const agent = agentOf(f, []);
    const state = await resumeRunState(agent, signRunState(first.state, key), { key, context: undefined });
    expect((await served.runner.run(agent, state as never)).interruptions).toHaveLength(1);
  });

  verifies(
    'ADP-2',
    'changed, signed with another key, expired, cut or unsigned, it is refused with a typed error',
    async () => {
      const f = fixture();
      const text = await suspended(f, []);
      const agent = agentOf(f, []);
      const signed = signRunState({ toString: () => text }, key, { ttlMs: 1000, now: 1_000 });
      const resumeAt = (input: string, now = 1_500, with_ = key) =>
        resumeRunState(agent, input, { key: with_, context: {}, now });
      await resumeAt(signed);
      const [tag, , signature] = signed.split('.', 3);
      for (const broken of [
        signed.replace('50', '51'),
        `${tag}.99999.${signature}.${text}`,
        signed.slice(0, -1),
        text,
        '',
        'cs1...',
        `cs2${signed.slice(3)}`,
      ]) {
        await expect(resumeAt(broken)).rejects.toMatchObject({ code: 'ERR_KEY' });
      }
      await expect(resumeAt(signed, 2_000)).rejects.toMatchObject({ code: 'ERR_KEY' });
      await expect(resumeAt(signed, 1_500, randomBytes(32))).rejects.toMatchObject({ code: 'ERR_KEY' });
      await expect(resumeAt(signed, 1_500, randomBytes(8))).rejects.toMatchObject({ code: 'ERR_CONFIGURATION' });
      await expect(resumeRunState(new Agent({ name: 'A' }), signed, { key, context: {} })).rejects.toMatchObject({
        code: 'ERR_CONFIGURATION',
      });
      expect(() => signRunState({ toString: () => text }, new Uint8Array(8))).toThrow('32 bytes');
    },
  );
});

describe('arguments that an approver edits', () => {
  const edit = async (f: Fixture, text: string): Promise<void> => {
    const [id = ''] = await f.pending();
    const { digest } = await f.approvals.show('carol-token', id);
    await f.approvals.edit('carol-token', { id, digest, arguments: text });
  };

  verifies(['APR-7', 'ADP-2'], 'run in place of what the model sent', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const state = await suspended(f, ran);
    await edit(f, '{"amount": 7}');
    await f.decide('approve');
    const served = await serve(['done']);
    const agent = agentOf(f, ran);
    const resumed = await RunState.fromString(agent, state);
    approveAll(resumed);
    await served.runner.run(agent, resumed);
    expect(ran).toEqual([{ amount: 7 }]);
    expect(resultsIn(served)['c1']).toBe('deploy ran with 7');
  });

  verifies('APR-7', 'do not run when the parser of the tool does not permit them', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const agent = agentOf(f, ran, ['note']);
    await (await serve([calls('note', 3), 'done'])).runner.run(agent, 'go');
    await edit(f, '{"amount": "three"}');
    const [id = ''] = await f.pending();
    await f.decide('approve');
    const tools = await runnableTools(agent, undefined);
    expect(await f.countersign.approvals.run(id, { tools })).toMatchObject({ reason: 'arguments_invalid' });
    expect(ran).toEqual([]);
  });
});

describe('an asynchronous review', () => {
  verifies(
    ['ADP-2', 'APR-1'],
    'does not pause: the model is told, and a worker runs the approved call once',
    async () => {
      const f = fixture();
      const ran: unknown[] = [];
      const agent = agentOf(f, ran, ['note']);
      const served = await serve([calls('note', 3), 'done']);
      const result = await served.runner.run(agent, 'go');
      expect([result.finalOutput, result.interruptions, ran]).toEqual(['done', [], []]);
      expect(resultsIn(served)['c1']).toContain('will run once, later');
      await f.decide('approve');
      const worker = f.countersign.worker({ tools: await runnableTools(agent, undefined) });
      expect([await worker.tick(), await worker.tick()]).toEqual([1, 0]);
      expect(ran).toEqual([{ amount: 3 }]);
      expect(await f.countersign.inbox({ tenant: 'acme', user: 'alice', run: 'run-1' })).toMatchObject([
        { outcome: { status: 'completed', result: 'note ran with 3' } },
      ]);
    },
  );
});

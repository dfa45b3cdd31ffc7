/** The runner's loop: allow, deny, garbage, tampering, streaming, late tools. The native outcome stands beside the guarded one. */
import { Agent, setTracingDisabled, tool, type FunctionTool, RunContext, invokeFunctionTool } from '@openai/agents';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { guardAgent } from '../src/index.ts';
import { fixture, recording, resultsIn, serve } from './support/fixture.ts';

setTracingDisabled(true);

const twoTurns = (name: string, args: unknown, id = 'c1') => [{ calls: [{ name, id, args }] }, 'done'];
const denied = 'This call is not permitted';

describe('a guarded agent', () => {
  for (const useResponses of [true, false]) {
    for (const stream of [true, false]) {
      verifies(
        'ADP-2',
        `runs an allowed call once (${useResponses ? 'responses' : 'chat'}, ${stream ? 'streamed' : 'whole'})`,
        async () => {
          const ran: unknown[] = [];
          const served = await serve(twoTurns('pay', { amount: 5 }), { useResponses });
          const agent = guardAgent(new Agent({ name: 'A', tools: [recording('pay', ran)] }), fixture().gate);
          const result = stream
            ? await served.runner.run(agent, 'go', { stream: true })
            : await served.runner.run(agent, 'go');
          if ('completed' in result) await result.completed;
          expect(result.finalOutput).toBe('done');
          expect(ran).toEqual([{ amount: 5 }]);
        },
      );
    }
  }

  verifies(['ADP-2', 'ADP-6'], 'explains a denial to the model, runs nothing, and the run goes on', async () => {
    const ran: unknown[] = [];
    const served = await serve(twoTurns('pay', { amount: 5000 }));
    const result = await served.runner.run(
      guardAgent(new Agent({ name: 'A', tools: [recording('pay', ran)] }), fixture().gate),
      'go',
    );
    expect(result.finalOutput).toBe('done');
    expect(resultsIn(served)['c1']).toContain('not permitted');
    expect(ran).toEqual([]);
  });

  verifies('CAP-7', 'offers its model only the tools and hand-offs that the principal may use', async () => {
    const served = await serve([(request) => request.tools.join(' ')]);
    const billing = new Agent({ name: 'billing' });
    const legal = new Agent({ name: 'legal' });
    const agent = guardAgent(
      new Agent({
        name: 'A',
        tools: [recording('read', []), recording('vault', []), recording('unmapped', [])],
        handoffs: [billing, legal],
      }),
      fixture().gate,
    );
    expect((await served.runner.run(agent, 'go')).finalOutput).toBe('read transfer_to_billing');
  });

  verifies(
    'CAP-1',
    'denies without a principal, with a stranger for one, and when the resolver throws or answers a plain object',
    async () => {
      const f = fixture();
      const sources = [
        () => undefined,
        () => {
          throw new Error('x');
        },
        () => ({ tenant: 'acme', user: 'alice', agent: 'support' }) as never,
        () => Promise.reject(new Error('x')),
      ];
      for (const source of sources) {
        const ran: unknown[] = [];
        const agent = guardAgent(new Agent({ name: 'A', tools: [recording('read', ran)] }), source);
        const [guarded] = (await agent.getAllTools(new RunContext({}))) as FunctionTool[];
        expect(
          await guarded?.invoke(new RunContext({}), '{"amount":1}', {
            toolCall: { type: 'function_call', name: 'read', callId: 'c', arguments: '{"amount":1}' },
          }),
        ).toContain(denied);
        expect(ran).toEqual([]);
      }
      expect(await f.store.records('acme', {})).toEqual([]);
    },
  );

  test('one agent serves many users: the principal comes from the context of each run', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const gates = {
      alice: f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'a' }),
      nobody: f.countersign.gate({ tenant: 'acme', user: 'nobody', agent: 'support', run: 'b' }),
    };
    const agent = guardAgent(
      new Agent<{ user: keyof typeof gates }>({ name: 'A', tools: [recording('read', ran) as never] }),
      ({ context }) => gates[context.user],
    );
    for (const user of ['alice', 'nobody'] as const) {
      const served = await serve(twoTurns('read', { amount: 1 }), { toolNotFoundBehavior: 'return_error_to_model' });
      await served.runner.run(agent, 'go', { context: { user } });
    }
    expect(ran).toHaveLength(1);
  });

  test('takes the ambient principal of the request', async () => {
    const f = fixture();
    const { ambientGate } = await import('@countersign/core');
    const ran: unknown[] = [];
    const agent = guardAgent(new Agent({ name: 'A', tools: [recording('read', ran)] }), ambientGate);
    const served = await serve(twoTurns('read', { amount: 1 }));
    await f.countersign.within(f.gate, () => served.runner.run(agent, 'go'));
    expect(ran).toHaveLength(1);
  });

  verifies(
    'ADP-2',
    'covers tools that are added later, and clones with other tools; natively they just run',
    async () => {
      for (const guarded of [false, true]) {
        const late: unknown[] = [];
        const cloned: unknown[] = [];
        const agent = new Agent({ name: 'A', tools: [recording('read', [])] });
        if (guarded) guardAgent(agent, fixture().gate);
        agent.tools.push(recording('pay', late));
        const first = await serve(twoTurns('pay', { amount: 5000 }));
        await first.runner.run(agent, 'go');
        const second = await serve(twoTurns('pay', { amount: 5000 }));
        await second.runner.run(agent.clone({ tools: [recording('pay', cloned)] }), 'go');
        expect([late.length, cloned.length]).toEqual(guarded ? [0, 0] : [1, 1]);
      }
    },
  );

  verifies(
    'ADP-2',
    'decides on the arguments that run: a listener that changes them after the check gains nothing',
    async () => {
      for (const guarded of [false, true]) {
        const ran: unknown[] = [];
        const agent = new Agent({ name: 'A', tools: [recording('pay', ran)] });
        if (guarded) guardAgent(agent, fixture().gate);
        agent.on('agent_tool_start', (_context, _tool, { toolCall }) => {
          (toolCall as { arguments: string }).arguments = '{"amount":999999}';
        });
        const served = await serve(twoTurns('pay', { amount: 5 }));
        await served.runner.run(agent, 'go');
        expect(ran).toEqual(guarded ? [] : [{ amount: 999_999 }]);
      }
    },
  );

  verifies(
    'REL-4',
    'malformed JSON and arguments that fail the schema never become an approval prompt, a crash or an execution',
    async () => {
      for (const args of ['{bad', '', '[1]', '"text"', '{"amount":"many"}', '{"amount":1e999}']) {
        const ran: unknown[] = [];
        const served = await serve(twoTurns('deploy', args));
        const f = fixture();
        const result = await served.runner.run(
          guardAgent(new Agent({ name: 'A', tools: [recording('deploy', ran)] }), f.gate),
          'go',
        );
        expect([args, result.interruptions.length, result.finalOutput]).toEqual([args, 0, 'done']);
        expect(ran).toEqual([]);
        expect(await f.pending()).toEqual([]);
      }
    },
  );

  test('natively, a needsApproval function asks a person about text that is not JSON', async () => {
    const served = await serve(twoTurns('deploy', '{bad'));
    const agent = new Agent({ name: 'A', tools: [recording('deploy', [], { needsApproval: async () => false })] });
    expect((await served.runner.run(agent, 'go')).interruptions).toHaveLength(1);
  });

  verifies(
    'ADP-2',
    'a tool whose schema transforms its input gets what its parser made of what the gate saw',
    async () => {
      const seen: unknown[] = [];
      const parameters = (parse: (value: { since: string }) => unknown) => {
        const schema = () => ({
          type: 'object',
          properties: { since: { type: 'string' } },
          required: ['since'],
          additionalProperties: false,
        });
        return {
          '~standard': {
            version: 1,
            vendor: 'test',
            validate: (value: never) => ({ value: parse(value) }),
            jsonSchema: { input: schema, output: schema },
          },
        } as never;
      };
      const dates = parameters(({ since }) => ({ since: new Date(since), limit: 10 }));
      const sets = parameters(({ since }) => ({ days: new Set([since]) }));
      for (const [schema, expected] of [
        [dates, { since: new Date('2026-01-01'), limit: 10 }],
        [sets, { days: new Set(['2026-01-01']) }],
      ] as const) {
        for (const needsApproval of [false, undefined]) {
          const made = tool({
            name: 'read',
            description: '',
            parameters: schema,
            needsApproval,
            execute: (input: unknown) => void seen.push(input),
          } as never);
          const served = await serve(twoTurns('read', { since: '2026-01-01' }));
          await served.runner.run(guardAgent(new Agent({ name: 'A', tools: [made] }), fixture().gate), 'go');
          expect(seen.pop()).toEqual(expected);
        }
      }
    },
  );

  test('constraints of the policy see what a schema fills in', async () => {
    const ran: unknown[] = [];
    const made = tool({
      name: 'pay',
      description: '',
      parameters: z.object({ amount: z.number().default(5000) }),
      execute: (input) => void ran.push(input),
    });
    const served = await serve(twoTurns('pay', {}));
    await served.runner.run(guardAgent(new Agent({ name: 'A', tools: [made] }), fixture().gate), 'go');
    expect(ran).toEqual([]);
  });

  test('a tool that throws tells the model what it would natively; a raised error still ends the run', async () => {
    for (const guarded of [false, true]) {
      const boom = (): never => {
        throw new Error('boom');
      };
      const soft = new Agent({ name: 'A', tools: [recording('read', [], { execute: boom })] });
      const hard = new Agent({ name: 'A', tools: [recording('read', [], { execute: boom, errorFunction: null })] });
      const f = fixture();
      if (guarded)
        for (const agent of [soft, hard])
          guardAgent(
            agent,
            f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: f.countersign.newRun() }),
          );
      const served = await serve(twoTurns('read', { amount: 1 }));
      await served.runner.run(soft, 'go');
      expect(resultsIn(served)['c1']).toBe('An error occurred while running the tool. Please try again.');
      await expect((await serve(twoTurns('read', { amount: 1 }))).runner.run(hard, 'go')).rejects.toThrow('boom');
    }
  });

  verifies('ADP-6', 'a policy that throws or hangs is a denial, and the run goes on', async () => {
    for (const decide of [
      () => {
        throw new Error('down');
      },
      () => new Promise<never>(() => undefined),
    ]) {
      const ran: unknown[] = [];
      const policy = { decide, version: () => '1', tools: () => ['read'], permittedTools: () => ['read'] };
      const served = await serve(twoTurns('read', { amount: 1 }));
      const result = await served.runner.run(
        guardAgent(new Agent({ name: 'A', tools: [recording('read', ran)] }), fixture({ options: { policy } }).gate),
        'go',
      );
      expect(result.finalOutput).toBe('done');
      expect(ran).toEqual([]);
    }
  });

  test('a tool with an output schema is denied without ending the run', async () => {
    const ran: unknown[] = [];
    const made = recording('pay', ran, {
      outputSchema: z.object({ paid: z.boolean() }),
      execute: () => ({ paid: true }),
    });
    const served = await serve(twoTurns('pay', { amount: 5000 }));
    expect(
      (await served.runner.run(guardAgent(new Agent({ name: 'A', tools: [made] }), fixture().gate), 'go')).finalOutput,
    ).toBe('done');
    expect(resultsIn(served)['c1']).toContain('not permitted');
  });

  verifies('ADP-2', 'a guarded tool that is called outside the runner is decided on like any call', async () => {
    const read: unknown[] = [];
    const vault: unknown[] = [];
    const tools = [recording('read', read), recording('vault', vault)];
    const context = new RunContext({});
    const agent = guardAgent(new Agent({ name: 'A', tools }), fixture().gate);
    for (const guarded of (await agent.getAllTools(context)) as FunctionTool[]) {
      await guarded.invoke(context, '{"amount":1}');
      await invokeFunctionTool({ tool: guarded as never, runContext: context, input: '{"amount":2}' });
    }
    expect(read).toEqual([{ amount: 1 }, { amount: 2 }]);
    expect(vault).toEqual([]);
  });

  test('a call of the runner that has an empty id is no call of the application', async () => {
    const ran: unknown[] = [];
    const context = new RunContext({});
    const agent = guardAgent(new Agent({ name: 'A', tools: [recording('read', ran)] }), fixture().gate);
    const [guarded] = (await agent.getAllTools(context)) as FunctionTool[];
    // As in a turn of the runner, whose calls are the model's.
    await agent.getSystemPrompt(context);
    const toolCall = { type: 'function_call', name: 'read', callId: '', arguments: '{"amount":1}' } as const;
    await guarded?.invoke(context, '{"amount":1}', { toolCall });
    expect(ran).toEqual([]);
  });

  test('the schema of a tool is run as often as without the gate, for a Zod object and for a Standard Schema', async () => {
    for (const standard of [false, true]) {
      const runs: number[] = [];
      for (const guarded of [false, true]) {
        let count = 0;
        const counting = z.object({ amount: z.number().refine(() => (count += 1) > 0) });
        // Without the marks of Zod it is any Standard Schema.
        const parameters = standard ? { '~standard': counting['~standard'] } : counting;
        const agent = new Agent({ name: 'A', tools: [recording('pay', [], { parameters })] });
        const served = await serve(twoTurns('pay', { amount: 5 }));
        await served.runner.run(guarded ? guardAgent(agent, fixture().gate) : agent, 'go');
        runs.push(count);
      }
      expect(runs).toEqual([1, 1]);
    }
  });

  test('the SDK validates before it asks for approval and redacts what does not validate, as for the original', async () => {
    const { prepareFunctionToolInput } = await import('@openai/agents-core/utils/internal');
    const original = recording('read', []) as unknown as FunctionTool;
    const [guarded] = (await guardAgent(new Agent({ name: 'A', tools: [original] }), fixture().gate).getAllTools(
      new RunContext({}),
    )) as FunctionTool[];
    for (const each of [original, guarded]) {
      expect(prepareFunctionToolInput(each as never, '{"amount":1}')?.result).toEqual({
        success: true,
        value: { amount: 1 },
      });
      expect(prepareFunctionToolInput(each as never, '{"amount":"x"}')?.result).toMatchObject({
        success: false,
        error: { name: 'ZodError' },
      });
    }
    expect(guarded).not.toBe(original);
  });

  test('parallel calls with mixed decisions: each gets its own, and none is lost', async () => {
    const ran: unknown[] = [];
    const served = await serve([
      { calls: [1, 5000, 2].map((amount, index) => ({ name: 'pay', id: `p${index}`, args: { amount } })) },
      'done',
    ]);
    await served.runner.run(guardAgent(new Agent({ name: 'A', tools: [recording('pay', ran)] }), fixture().gate), 'go');
    expect(ran).toEqual([{ amount: 1 }, { amount: 2 }]);
    expect(Object.keys(resultsIn(served))).toEqual(['p0', 'p1', 'p2']);
  });

  test('an id that the provider uses again is another call in the next run of the conversation', async () => {
    const ran: unknown[] = [];
    const calls = (amount: number) => ({ calls: [{ name: 'pay', id: 'same', args: { amount } }] });
    const served = await serve([calls(1), 'done', calls(2), 'done', calls(1), 'done']);
    const agent = guardAgent(new Agent({ name: 'A', tools: [recording('pay', ran)] }), fixture().gate);
    const first = await served.runner.run(agent, 'go');
    const second = await served.runner.run(agent, [...first.history, { role: 'user', content: 'again' }]);
    await served.runner.run(agent, [...second.history, { role: 'user', content: 'again' }]);
    expect(ran).toEqual([{ amount: 1 }, { amount: 2 }, { amount: 1 }]);
  });

  verifies('REL-4', 'two calls with one id in one response run at most once', async () => {
    for (const amounts of [
      [1, 1],
      [1, 2],
    ]) {
      const ran: unknown[] = [];
      const served = await serve([
        { calls: amounts.map((amount) => ({ name: 'pay', id: 'same', args: { amount } })) },
        'done',
      ]);
      await served.runner
        .run(guardAgent(new Agent({ name: 'A', tools: [recording('pay', ran)] }), fixture().gate), 'go')
        .catch(() => undefined);
      expect(ran.length).toBeLessThanOrEqual(1);
    }
  });

  verifies('REL-4', 'members that occur twice in the arguments are refused', async () => {
    const ran: unknown[] = [];
    const served = await serve(twoTurns('pay', '{"amount":500,"amount":5}'));
    await served.runner.run(guardAgent(new Agent({ name: 'A', tools: [recording('pay', ran)] }), fixture().gate), 'go');
    expect([ran, resultsIn(served)['c1']]).toEqual([[], expect.stringContaining('not valid')]);
  });

  test('a tool that does not exist ends as it does natively', async () => {
    for (const guarded of [false, true]) {
      const agent = new Agent({ name: 'A', tools: [recording('read', [])] });
      if (guarded) guardAgent(agent, fixture().gate);
      await expect((await serve(twoTurns('nothing', {}))).runner.run(agent, 'go')).rejects.toThrow('nothing');
      const kept = await serve(twoTurns('nothing', {}), { toolNotFoundBehavior: 'return_error_to_model' });
      expect((await kept.runner.run(agent, 'go')).finalOutput).toBe('done');
    }
  });

  test('a timeout answers in time; what the tool did late is written down', async () => {
    const f = fixture();
    const slow = recording('read', [], {
      timeoutMs: 50,
      execute: () => new Promise((resolve) => setTimeout(() => resolve('late'), 150)),
    });
    const served = await serve(twoTurns('read', { amount: 1 }));
    await served.runner.run(guardAgent(new Agent({ name: 'A', tools: [slow] }), f.gate), 'go');
    expect(resultsIn(served)['c1']).toContain('timed out');
    await expect.poll(async () => (await f.store.records('acme', {})).map(({ kind }) => kind)).toContain('outcome');
  });

  test('an abort reaches the tool', async () => {
    const controller = new AbortController();
    let aborted = false;
    const slow = recording('read', [], {
      execute: (_input: unknown, _context: unknown, details: { signal?: AbortSignal }) =>
        new Promise((resolve) => {
          details.signal?.addEventListener('abort', () => {
            aborted = true;
            resolve('stopped');
          });
          controller.abort();
        }),
    });
    const served = await serve(twoTurns('read', { amount: 1 }));
    await served.runner
      .run(guardAgent(new Agent({ name: 'A', tools: [slow] }), fixture().gate), 'go', { signal: controller.signal })
      .catch(() => undefined);
    expect(aborted).toBe(true);
  });
});

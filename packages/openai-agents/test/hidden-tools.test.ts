/** Tools that are not offered: a model that calls one all the same is denied, on the record, and its run goes on. */
import { Agent, Runner, run, setTracingDisabled, shellTool, type Model, type ModelRequest } from '@openai/agents';
import { ScriptedModel, assistantMessage, functionCall } from '@openai/agents/testing';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { guardAgent } from '../src/index.ts';
import { fixture, recording, serve, type Fixture, type Served } from './support/fixture.ts';

setTracingDisabled(true);

const calling = (name: string) => [{ calls: [{ name, id: 'c1', args: { amount: 1 } }] }, 'done'];

/** Names of the tools in each request, as they went over the wire. */
function offeredIn({ model }: Served): string[][] {
  type Tool = { name?: string; function?: { name: string } };
  return model
    .requests()
    .map(({ body }) => ((JSON.parse(body) as { tools?: Tool[] }).tools ?? []).map((each) => nameOf(each)));
  function nameOf(each: Tool): string {
    return each.function?.name ?? each.name ?? '';
  }
}

async function verdictsOf({ store }: Fixture): Promise<unknown[]> {
  const records = await store.records('acme', { kind: 'decision' });
  return records.map(({ body }) => {
    const { tool, verdict } = JSON.parse(body) as { tool?: string; verdict?: string };
    return `${tool} ${verdict}`;
  });
}

/** Two turns in this process; keeps what it was asked. */
function scripted(name: string): { model: ScriptedModel; asked: ModelRequest[] } {
  const model = new ScriptedModel([
    [functionCall(name, { amount: 1 }, { callId: 'c1' })],
    [assistantMessage('done')],
  ] as never);
  const asked: ModelRequest[] = [];
  const getResponse = model.getResponse.bind(model);
  model.getResponse = (request) => {
    asked.push(request);
    return getResponse(request);
  };
  return { model, asked };
}

describe('what is hidden from the model', () => {
  for (const useResponses of [true, false]) {
    for (const stream of [true, false]) {
      verifies(
        ['ADP-2', 'ADP-6', 'AUD-1', 'CAP-7'],
        `a tool is not offered; a call of it is denied and recorded (${useResponses ? 'responses' : 'chat'}, ${stream ? 'streamed' : 'whole'})`,
        async () => {
          const f = fixture();
          const ran: unknown[] = [];
          const served = await serve(calling('vault'), { useResponses });
          const tools = [recording('read', ran), recording('vault', ran)];
          const agent = guardAgent(new Agent({ name: 'A', tools }), f.gate);
          const result = stream
            ? await served.runner.run(agent, 'go', { stream: true })
            : await served.runner.run(agent, 'go');
          if ('completed' in result) await result.completed;
          expect(result.finalOutput).toBe('done');
          expect(offeredIn(served)).toEqual([['read'], ['read']]);
          expect(served.model.requests().at(-1)?.body).toContain('not permitted');
          expect(await verdictsOf(f)).toEqual(['vault deny']);
          expect(ran).toEqual([]);
        },
      );
    }
  }

  verifies(['ADP-6', 'AUD-1'], 'a hand-off is not offered; a call of it stays here and is recorded', async () => {
    const f = fixture();
    const served = await serve(calling('transfer_to_legal'));
    const agent = guardAgent(new Agent({ name: 'A', handoffs: [new Agent({ name: 'legal' })] }), f.gate);
    const result = await served.runner.run(agent, 'go');
    expect(result.finalOutput).toBe('done');
    expect(result.lastAgent?.name).toBe('A');
    expect(offeredIn(served)).toEqual([[], []]);
    expect(await verdictsOf(f)).toEqual(['transfer_to_legal deny']);
  });

  verifies(
    ['ADP-6', 'AUD-1'],
    'an agent with a model of its own, even a frozen one, is shown nothing more',
    async () => {
      for (const freeze of [false, true]) {
        const f = fixture();
        const ran: unknown[] = [];
        const { model, asked } = scripted('vault');
        const plain: Model = {
          getResponse: (request) => model.getResponse(request),
          getStreamedResponse: null as never,
        };
        const own = freeze ? Object.freeze(plain) : model;
        const tools = [recording('read', ran), recording('vault', ran)];
        const agent = guardAgent(new Agent({ name: 'A', tools, model: own }), f.gate);
        expect(agent.model).toBe(own);
        expect((await run(agent, 'go')).finalOutput).toBe('done');
        expect(asked.map((request) => request.tools.map((each) => each.name))).toEqual([['read'], ['read']]);
        expect(await verdictsOf(f)).toEqual(['vault deny']);
        expect(ran).toEqual([]);
      }
    },
  );

  verifies(
    ['ADP-6', 'AUD-1'],
    'the model that a runner was given is shown nothing more, and stays that model',
    async () => {
      const f = fixture();
      const ran: unknown[] = [];
      const { model, asked } = scripted('vault');
      const runner = new Runner({ model, tracingDisabled: true });
      const agent = guardAgent(new Agent({ name: 'A', tools: [recording('vault', ran)] }), f.gate);
      expect((await runner.run(agent, 'go')).finalOutput).toBe('done');
      expect(asked.map((request) => request.tools)).toEqual([[], []]);
      expect(runner.config.model).toBe(model);
      expect(await verdictsOf(f)).toEqual(['vault deny']);
      expect(ran).toEqual([]);
    },
  );

  verifies(['ADP-6', 'CAP-7'], 'an agent behind a tool, or behind a hand-off, hides its own', async () => {
    const inner = fixture();
    const ran: unknown[] = [];
    const specialist = guardAgent(
      new Agent({ name: 'specialist', tools: [recording('read', ran), recording('vault', ran)] }),
      inner.gate,
    );
    const helper = specialist.asTool({ toolName: 'helper', toolDescription: 'helps' });
    const nested = await serve([
      { calls: [{ name: 'helper', id: 'o1', args: { input: 'x' } }] },
      { calls: [{ name: 'vault', id: 'c1', args: { amount: 1 } }] },
      'told',
      'done',
    ]);
    const outer = guardAgent(new Agent({ name: 'A', tools: [helper, recording('vault', ran)] }), inner.gate);
    expect((await nested.runner.run(outer, 'go')).finalOutput).toBe('done');
    expect(offeredIn(nested)).toEqual([['helper'], ['read'], ['read'], ['helper']]);

    const billing = new Agent({ name: 'billing', tools: [recording('read', ran), recording('vault', ran)] });
    const handed = await serve([
      { calls: [{ name: 'transfer_to_billing', id: 'h1', args: {} }] },
      { calls: [{ name: 'vault', id: 'c2', args: { amount: 1 } }] },
      'done',
    ]);
    const front = guardAgent(new Agent({ name: 'front', handoffs: [billing] }), fixture().gate);
    expect((await handed.runner.run(front, 'go')).finalOutput).toBe('done');
    expect(offeredIn(handed)).toEqual([['transfer_to_billing'], ['read'], ['read']]);
    expect(ran).toEqual([]);
  });

  test('a shell that is not permitted is answered', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const model = new ScriptedModel([
      [{ type: 'shell_call', callId: 's1', status: 'completed', action: { commands: ['ls'] } }],
      [assistantMessage('done')],
    ] as never);
    const shell = { run: (action: unknown) => void ran.push(action) };
    const agent = new Agent({ name: 'A', model, tools: [shellTool({ name: 'unmapped', shell: shell as never })] });
    expect((await run(guardAgent(agent, f.gate), 'go')).finalOutput).toBe('done');
    expect(ran).toEqual([]);
    expect(await verdictsOf(f)).toEqual(['unmapped deny']);
  });

  verifies('CAP-7', 'users who share an agent and a runner at the same time see what each may use', async () => {
    const f = fixture();
    const gates = {
      alice: f.gate,
      nobody: f.countersign.gate({ tenant: 'acme', user: 'nobody', agent: 'support', run: 'run-2' }),
    };
    const served = await serve(
      (['a', 'b', 'c', 'd'] as const).map(
        () =>
          ({ tools }) =>
            tools.join(' ') || 'none',
      ),
    );
    const agent = guardAgent(
      new Agent<{ user: keyof typeof gates }>({ name: 'A', tools: [recording('read', []) as never] }),
      ({ context }) => gates[context.user],
    );
    const users = ['alice', 'nobody', 'alice', 'nobody'] as const;
    const results = await Promise.all(users.map((user) => served.runner.run(agent, 'go', { context: { user } })));
    expect(results.map(({ finalOutput }) => finalOutput)).toEqual(['read', 'none', 'read', 'none']);
  });

  test('a runner and a model of an agent that is not guarded get what they always got', async () => {
    const { model, asked } = scripted('vault');
    const ran: unknown[] = [];
    guardAgent(new Agent({ name: 'another' }), fixture().gate);
    const agent = new Agent({ name: 'plain', model, tools: [recording('vault', ran)] });
    expect((await new Runner({ tracingDisabled: true }).run(agent, 'go')).finalOutput).toBe('done');
    expect(asked[0]?.tools.map((each) => each.name)).toEqual(['vault']);
    expect(ran).toHaveLength(1);
  });
});

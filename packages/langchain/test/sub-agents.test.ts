import { HumanMessage, type BaseMessage } from '@langchain/core/messages';
import { tool, type StructuredTool } from '@langchain/core/tools';
import { Command, MemorySaver } from '@langchain/langgraph';
import { createDeepAgent, GENERAL_PURPOSE_SUBAGENT } from 'deepagents';
import { createAgent } from 'langchain';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { countersignMiddleware, CountersignCallbackHandler, guardAgent, guardTools } from '../src/index.ts';
import { fixture, thread } from './support/fixture.ts';
import { interrupts, results, ScriptedChat, toolbox } from './support/tools.ts';

const ask = { messages: [new HumanMessage('go')] };
const wake = new Command({ resume: 'yes' });

/** Delegates once to the sub-agent, which sends; both by the same model. */
function delegating(): ScriptedChat {
  return new ScriptedChat((messages, turn) => {
    if (turn > 0) return `done: ${messages.at(-1)?.text}`;
    const inSubAgent = messages.some((message) => message.text.includes('please send'));
    if (inSubAgent) return [{ name: 'send', args: { x: 1 }, id: 'c_send' }];
    return [{ name: 'task', args: { description: 'please send', subagent_type: 'general-purpose' }, id: 'c_task' }];
  });
}

function writing(): ScriptedChat {
  return new ScriptedChat((_messages, turn) =>
    turn > 0 ? 'done' : [{ name: 'write_file', args: { file_path: '/a', content: 'x' }, id: 'w' }],
  );
}

interface Runnable {
  invoke(input: never, config?: never): Promise<unknown>;
}

interface State {
  readonly messages: readonly BaseMessage[];
  readonly files?: object;
}

async function run(agent: unknown, input: unknown, config: object = thread()): Promise<State> {
  return (await (agent as Runnable).invoke(input as never, config as never)) as State;
}

describe('sub-agents', () => {
  verifies(
    ['ADP-3', 'APR-8'],
    'of deep agents: a guarded tool pauses the root run from inside and runs once after the approval; natively it just ran',
    async () => {
      const native = toolbox();
      await run(createDeepAgent({ model: delegating(), tools: native.list('send') }), ask);
      expect(native.runs).toEqual(['send:1']);

      const f = fixture();
      const box = toolbox();
      const agent = createDeepAgent({
        model: delegating(),
        tools: guardTools(box.list('send'), f.source),
        middleware: [countersignMiddleware(f.source)] as never,
        subagents: [{ ...GENERAL_PURPOSE_SUBAGENT, middleware: [countersignMiddleware(f.source)] as never }],
        checkpointer: new MemorySaver(),
      });
      const config = thread();
      expect(interrupts(await run(agent, ask, config))).toMatchObject([{ value: { tool: 'send' } }]);
      for (const input of [wake, null]) expect(interrupts(await run(agent, input, config))).toHaveLength(1);
      expect(box.runs).toEqual([]);
      await f.decideAll('approve');
      expect(results(await run(agent, wake, config))).toEqual([
        expect.stringContaining('c_task success done: send 1 ok'),
      ]);
      expect(box.runs).toEqual(['send:1']);
    },
  );

  verifies(
    'ADP-3',
    'of deep agents, with the middleware at the root: its built-in tools are guarded, and the pause comes through `task`',
    async () => {
      const f = fixture();
      const box = toolbox();
      const middleware = [countersignMiddleware(f.source)];
      const writes = createDeepAgent({ model: writing(), tools: box.list('send'), middleware: middleware as never });
      const done = await run(writes, ask);
      expect(results(done)).toEqual([expect.stringContaining('w error This call is not permitted')]);
      expect(Object.keys(done.files ?? {})).toEqual([]);

      const nested = createDeepAgent({
        model: delegating(),
        tools: guardTools(box.list('send'), f.source),
        middleware: middleware as never,
        subagents: [{ ...GENERAL_PURPOSE_SUBAGENT, middleware: middleware as never }],
        checkpointer: new MemorySaver(),
      });
      const config = thread();
      expect(interrupts(await run(nested, ask, config))).toMatchObject([{ value: { tool: 'send' } }]);
      await f.decideAll('approve');
      expect(results(await run(nested, wake, config))).toEqual([expect.stringContaining('c_task success')]);
      expect(box.runs).toEqual(['send:1']);
    },
  );

  verifies(
    'ADP-3',
    'of deep agents bring built-in tools that no root middleware sees: the callback handler stops them',
    async () => {
      const f = fixture();
      const model = (): ScriptedChat =>
        new ScriptedChat((messages, turn) => {
          if (turn > 0) return `done: ${messages.at(-1)?.text}`;
          if (messages.some((message) => message.text.includes('please write')))
            return [{ name: 'write_file', args: { file_path: '/a', content: 'x' }, id: 'w' }];
          return [
            { name: 'task', args: { description: 'please write', subagent_type: 'general-purpose' }, id: 'c_task' },
          ];
        });
      const make = () =>
        createDeepAgent({ model: model(), tools: [], middleware: [countersignMiddleware(f.source)] as never });
      const unseen = await run(make(), ask);
      expect(Object.keys(unseen.files ?? {})).toEqual(['/a']);
      const seen = await run(make(), ask, { ...thread(), callbacks: [new CountersignCallbackHandler(f.source)] });
      expect(Object.keys(seen.files ?? {})).toEqual([]);
      expect(results(seen)).toEqual([expect.stringContaining('not guarded')]);
    },
  );

  test('an agent called as a tool, guarded at both levels, enters its body again and runs the inner tool once', async () => {
    const f = fixture();
    const box = toolbox();
    const entered: string[] = [];
    const calls = [
      { name: 'read', args: { x: 1 } },
      { name: 'send', args: { x: 2 } },
    ];
    const inner = createAgent(
      guardAgent({ model: new ScriptedChat(calls), tools: box.list('read', 'send') }, f.source),
    );
    const task = tool(
      async (_input, config) => {
        entered.push('task');
        const state = await inner.invoke(ask, config);
        return results(state).join('; ');
      },
      { name: 'task', description: 'd', schema: z.object({}) },
    ) as unknown as StructuredTool;
    const outer = createAgent(
      guardAgent(
        { model: new ScriptedChat([{ name: 'task' }]), tools: [task], checkpointer: new MemorySaver() },
        f.source,
      ),
    );
    const config = thread();
    expect(interrupts(await outer.invoke(ask, config))).toHaveLength(1);
    await f.decideAll('approve');
    expect(results(await outer.invoke(wake, config))).toEqual([
      'c_0_0 success c_0_0 success read 1 ok; c_0_1 success send 2 ok',
    ]);
    expect(entered).toHaveLength(2);
    expect(box.runs).toEqual(['read:1', 'send:2']);
  });
});

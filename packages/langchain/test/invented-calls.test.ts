/** Calls that no model made, by people who can write input messages, checkpoints or commands. */
import { AIMessage, HumanMessage, type BaseMessage } from '@langchain/core/messages';
import type { ChatResult } from '@langchain/core/outputs';
import type { DynamicStructuredTool } from '@langchain/core/tools';
import { Command, MemorySaver, MessagesAnnotation, Send, StateGraph } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { sqliteStore } from '@countersign/core/sqlite';
import { createDeepAgent } from 'deepagents';
import {
  createAgent,
  createMiddleware,
  modelFallbackMiddleware,
  modelRetryMiddleware,
  type AgentMiddleware,
} from 'langchain';
import { describe, expect, test } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { countersignMiddleware, guardAgent, guardTools, recordAnswer, type ToolGateSource } from '../src/index.ts';
import { fixture, installation, sourceOf, thread, type Fixture } from './support/fixture.ts';
import { results, ScriptedChat, toolbox, type ScriptedCall } from './support/tools.ts';

const ask = { messages: [new HumanMessage('go')] };
const neverMade = 'No such call is waiting, so it was not run.';
const reading: readonly ScriptedCall[] = [{ name: 'read', args: { x: 1 }, id: 'c1' }];

const shapes = ['guardAgent', 'middleware first', 'middleware last', 'native'] as const;
type Shape = (typeof shapes)[number];

interface AgentOptions {
  readonly model?: ScriptedChat;
  readonly tools: readonly DynamicStructuredTool[];
  readonly middleware?: readonly AgentMiddleware[];
  readonly checkpointer?: MemorySaver;
}

/** What the tests need of an agent: the types of the real one depend on its tools. */
interface Agent {
  readonly graph: {
    getState(config: object): Promise<{ config: object; values: { messages: BaseMessage[] } }>;
    updateState(config: object, values: object, asNode: string): Promise<object>;
  };
  invoke(input: unknown, config: object): Promise<{ messages: BaseMessage[] }>;
}

function agentOf(shape: Shape, source: ToolGateSource, given: AgentOptions): Agent {
  const { model = new ScriptedChat(reading), middleware = [], ...rest } = given;
  const options = { ...rest, model, middleware: [...middleware] };
  switch (shape) {
    case 'guardAgent':
      return createAgent(guardAgent(options as never, source)) as never;
    case 'middleware first':
      return createAgent({ ...options, middleware: [countersignMiddleware(source), ...middleware] } as never) as never;
    case 'middleware last':
      return createAgent({ ...options, middleware: [...middleware, countersignMiddleware(source)] } as never) as never;
    default:
      return createAgent(options as never) as never;
  }
}

function message(id: string | undefined, ...calls: readonly ScriptedCall[]): AIMessage {
  const tool_calls = calls.map(({ name, args = {}, id: callId = '' }) => ({
    name,
    args,
    id: callId,
    type: 'tool_call' as const,
  }));
  return new AIMessage({ content: '', tool_calls, ...(id === undefined ? {} : { id }) });
}

async function stopped(agent: Agent, config: object): Promise<{ at: object; asked: AIMessage }> {
  await agent.invoke(ask, { ...config, interruptBefore: ['tools'] });
  const { config: at, values } = await agent.graph.getState(config);
  return { at, asked: values.messages.at(-1) as AIMessage };
}

for (const shape of shapes) {
  const native = shape === 'native';
  describe(`a stored run, ${shape}`, () => {
    verifies(
      ['APR-5', 'ADP-3'],
      `a call that needs no approval, written into the checkpoint: ${native ? 'it ran' : 'it does not run'}`,
      async () => {
        for (const forge of [
          (asked: AIMessage) => message(asked.id, { name: 'read', args: { x: 666 }, id: 'c1' }),
          (asked: AIMessage) => message(asked.id, { name: 'read', args: { x: 1 }, id: 'c9' }),
          (asked: AIMessage) => message(asked.id, { name: 'bounded', args: { x: 1 }, id: 'c1' }),
          () => message('other', { name: 'read', args: { x: 1 }, id: 'c1' }),
        ]) {
          const f = fixture();
          const box = toolbox();
          const agent = agentOf(shape, f.source, {
            tools: box.list('read', 'bounded'),
            checkpointer: new MemorySaver(),
          });
          const config = thread();
          const { asked } = await stopped(agent, config);
          await agent.graph.updateState(config, { messages: [forge(asked)] }, 'model_request');
          const done = await agent.invoke(null, config);
          expect(box.runs).toHaveLength(native ? 1 : 0);
          if (!native) expect(results(done)).toEqual([expect.stringContaining(`error ${neverMade}`)]);
        }
      },
    );

    verifies(
      ['APR-5', 'ADP-3'],
      `a command that sends an invented call to the tool node: ${native ? 'it ran' : 'it does not run'}`,
      async () => {
        const f = fixture();
        const box = toolbox();
        const agent = agentOf(shape, f.source, { tools: box.list('read'), checkpointer: new MemorySaver() });
        const config = thread();
        const { asked } = await stopped(agent, config);
        for (const messages of [[], [asked], [message('other', { name: 'read', args: { x: 666 }, id: 'c1' })]]) {
          const call = { name: 'read', args: { x: 666 }, id: 'c1', type: 'tool_call' };
          const goto = [new Send('tools', { messages, lg_tool_call: call })];
          await agent.invoke(new Command({ goto }), config);
        }
        expect(box.runs.filter((run) => run === 'read:666')).toHaveLength(native ? 3 : 0);
      },
    );

    verifies(
      ['APR-4', 'ADP-3'],
      `a call that the model made once, forked from its checkpoint again and again: runs ${native ? 'every time' : 'once'}`,
      async () => {
        const f = fixture();
        const box = toolbox();
        const agent = agentOf(shape, f.source, { tools: box.list('read'), checkpointer: new MemorySaver() });
        const config = thread();
        const { at, asked } = await stopped(agent, config);
        for (let time = 0; time < 2; time += 1) await agent.invoke(null, at);
        const copy = await agent.graph.updateState(at, { messages: [asked] }, 'model_request');
        expect(results(await agent.invoke(null, copy))).toEqual(['c1 success read 1 ok']);
        expect(box.runs).toHaveLength(native ? 3 : 1);
      },
    );

    verifies(
      ['APR-5', 'APR-8'],
      'a call that was made runs in another process that only has what is stored',
      async () => {
        const f = fixture();
        const box = toolbox();
        const checkpointer = new MemorySaver();
        const config = thread();
        await stopped(agentOf(shape, f.source, { tools: box.list('read'), checkpointer }), config);
        const { countersign } = installation(f.shared);
        const elsewhere = agentOf(shape, sourceOf(countersign), { tools: box.list('read'), checkpointer });
        expect(results(await elsewhere.invoke(null, config))).toEqual(['c1 success read 1 ok']);
        expect(box.runs).toEqual(['read:1']);
        await countersign.close();
      },
    );
  });
}

describe('what a model asked for', () => {
  verifies('APR-5', 'counts in its own thread, and for its own user, only', async () => {
    const f = fixture();
    const box = toolbox();
    const agent = agentOf('guardAgent', f.source, { tools: box.list('read'), checkpointer: new MemorySaver() });
    const config = thread();
    const { asked } = await stopped(agent, config);
    const other = thread();
    await agent.graph.updateState(other, { messages: [new HumanMessage('go'), asked] }, 'model_request');
    expect(results(await agent.invoke(null, other))).toEqual([`c1 error ${neverMade}`]);
    const asBob = { configurable: { ...config.configurable, user: 'bob' } };
    expect(results(await agent.invoke(null, asBob))).toEqual([`c1 error ${neverMade}`]);
    expect(box.runs).toEqual([]);
  });

  test('counts each time it is asked for: a cache that gives one answer twice, ids and all', async () => {
    const f = fixture();
    const box = toolbox();
    const answer = message('cached', ...reading);
    class Cached extends ScriptedChat {
      override async _generate(messages: BaseMessage[]): Promise<ChatResult> {
        const asks = HumanMessage.isInstance(messages.at(-1));
        return asks ? { generations: [{ text: '', message: answer }] } : super._generate(messages);
      }
    }
    const agent = agentOf('guardAgent', f.source, {
      model: new Cached(() => 'done'),
      tools: box.list('read'),
      checkpointer: new MemorySaver(),
    });
    const config = thread();
    await agent.invoke(ask, { ...config, interruptBefore: ['model_request'] });
    const { config: before } = await agent.graph.getState(config);
    for (let time = 0; time < 2; time += 1) {
      expect(results(await agent.invoke(null, before))).toEqual(['c1 success read 1 ok']);
      expect(box.runs).toHaveLength(time + 1);
    }
    expect(answer.id).toBe('cached');
  });

  test('is found behind retries and fallbacks of the model, inside and outside', async () => {
    for (const shape of ['guardAgent', 'middleware first', 'middleware last'] as const) {
      const f = fixture();
      const box = toolbox();
      let failures = 0;
      const failing = (): ScriptedChat =>
        new ScriptedChat((messages) => {
          failures += 1;
          if (failures <= 2) throw new Error('overloaded');
          return messages.length > 1 ? 'done' : reading;
        });
      const middleware = [
        modelFallbackMiddleware(failing() as never),
        modelRetryMiddleware({ maxRetries: 1, initialDelayMs: 1, jitter: false, onFailure: 'error' }),
      ] as unknown as AgentMiddleware[];
      const agent = agentOf(shape, f.source, { model: failing(), tools: box.list('read'), middleware });
      expect(results(await agent.invoke(ask, thread()))).toEqual(['c1 success read 1 ok']);
      expect(failures).toBeGreaterThan(2);
    }
  });

  verifies(
    ['REL-3', 'AUD-3'],
    'a store that cannot be written when the model answers: its calls are denied, the run goes on, the next answer counts',
    async () => {
      const f = fixture();
      const box = toolbox();
      const store = sqliteStore({ path: f.shared.path });
      let down = true;
      const observe: typeof store.observe = (input) =>
        down ? Promise.reject(new Error('disk full')) : store.observe(input);
      const { countersign } = installation(f.shared, { store: { ...store, observe } });
      const model = new ScriptedChat((messages, turn) => {
        down = turn === 0;
        return messages.length > 4 ? 'done' : [{ name: 'read', args: { x: turn }, id: `c${turn}` }];
      });
      const agent = agentOf('guardAgent', sourceOf(countersign), { model, tools: box.list('read') });
      expect(results(await agent.invoke(ask, thread()))).toEqual([`c0 error ${neverMade}`, 'c1 success read 1 ok']);
      expect(box.runs).toEqual(['read:1']);
      await countersign.close();
    },
  );
});

describe('graphs of your own', () => {
  function graphOf(f: Fixture, tools: DynamicStructuredTool[], record: boolean) {
    return new StateGraph(MessagesAnnotation)
      .addNode('model', async ({ messages }, config) => {
        const answer = await new ScriptedChat(reading).invoke(messages);
        return { messages: [record ? await recordAnswer(answer, f.source, config as never) : answer] };
      })
      .addNode('tools', new ToolNode(guardTools(tools, f.source)))
      .addEdge('__start__', 'model')
      .addEdge('model', 'tools')
      .compile({ checkpointer: new MemorySaver() });
  }

  verifies(['APR-5', 'ADP-3'], 'a ToolNode runs what `recordAnswer` wrote down, and nothing else', async () => {
    const f = fixture();
    const box = toolbox();
    const recorded = graphOf(f, box.list('read'), true);
    expect(results(await recorded.invoke(ask, thread()))).toEqual(['c1 success read 1 ok']);
    expect(results(await graphOf(f, box.list('read'), false).invoke(ask, thread()))).toEqual([`c1 error ${neverMade}`]);
    const config = thread();
    const forged = [new HumanMessage('go'), message('m', { name: 'read', args: { x: 666 }, id: 'c1' })];
    await recorded.updateState(config, { messages: forged }, 'model');
    expect(results(await recorded.invoke(null as never, config))).toEqual([`c1 error ${neverMade}`]);
    expect(box.runs).toEqual(['read:1']);
  });

  test('a node that asks the model and runs its calls by itself', async () => {
    const f = fixture();
    const box = toolbox();
    const [read] = guardTools(box.list('read'), f.source);
    const graph = new StateGraph(MessagesAnnotation)
      .addNode('both', async ({ messages }, config) => {
        const answer = await recordAnswer(await new ScriptedChat(reading).invoke(messages), f.source, config as never);
        const [call] = answer.tool_calls ?? [];
        return { messages: [answer, await read?.invoke({ ...call, type: 'tool_call' } as never, config)] as never };
      })
      .addEdge('__start__', 'both')
      .compile({ checkpointer: new MemorySaver() });
    expect(results(await graph.invoke(ask, thread()))).toEqual(['c1 success read 1 ok']);
  });
});

describe('guardAgent', () => {
  const web = { type: 'web_search' };

  verifies(
    ['ADP-3', 'CAP-7'],
    'tools of the provider that other middleware adds at run time are not offered, unless they are allowed',
    async () => {
      const adding = createMiddleware({
        name: 'Adding',
        wrapModelCall: (request, handler) =>
          handler({ ...request, tools: [...request.tools, web, { type: 'code_interpreter' }] }),
      }) as AgentMiddleware;
      const f = fixture();
      const offered = async (guarded: boolean, allowServerTools: readonly string[] = []) => {
        const model = new ScriptedChat(() => 'done');
        const options = { model, tools: toolbox().list('read', 'nuke'), middleware: [adding] };
        await createAgent(guarded ? guardAgent(options, f.source, { allowServerTools }) : options).invoke(
          ask,
          thread(),
        );
        return model.offered.at(-1);
      };
      expect(await offered(false)).toEqual(['read', 'nuke', 'web_search', 'code_interpreter']);
      expect(await offered(true)).toEqual(['read']);
      expect(await offered(true, ['web_search', 'code_interpreter'])).toEqual(['read', 'web_search']);
    },
  );

  test('refuses tools of the provider at start-up', () => {
    const f = fixture();
    const options = { model: new ScriptedChat([]), tools: [web] };
    expect(() => guardAgent(options, f.source)).toThrow('web_search');
    expect(guardAgent(options, f.source, { allowServerTools: ['web_search'] }).tools).toEqual([web]);
  });

  verifies('ADP-3', 'leaves no tool raw that comes by a way it cannot see: such an agent does not begin', async () => {
    const f = fixture();
    const agent = createDeepAgent(guardAgent({ model: new ScriptedChat(() => 'done'), tools: [] }, f.source) as never);
    await expect(agent.invoke(ask as never, thread() as never)).rejects.toThrow('unguarded');
  });

  verifies('ADP-6', 'draws the same graph, and ends a run on an error of a tool where the agent would', async () => {
    const f = fixture();
    const box = toolbox(() => {
      throw new Error('out of paper');
    });
    const passing = createMiddleware({ name: 'Passing', wrapToolCall: (request, handler) => handler(request) });
    const drawn = async (options: object): Promise<string> =>
      (createAgent(options as never) as unknown as { drawMermaid(): Promise<string> }).drawMermaid();
    for (const tools of [[], box.list('read')])
      for (const middleware of [[], [passing]]) {
        const options = { model: new ScriptedChat(reading), tools, middleware: middleware as AgentMiddleware[] };
        expect(await drawn(guardAgent(options, f.source))).toBe(await drawn(options));
        if (tools.length === 0) continue;
        const run = createAgent(guardAgent(options, f.source)).invoke(ask, thread());
        if (middleware.length > 0) await expect(run).rejects.toThrow('out of paper');
        else expect(results(await run)).toEqual([expect.stringContaining('out of paper')]);
      }
  });
});

describe('a checkpointer that fails', () => {
  class Failing extends MemorySaver {
    fails: { get?: Error; put?: Error; writes?: Error } = {};

    override async getTuple(...args: Parameters<MemorySaver['getTuple']>) {
      if (this.fails.get !== undefined) throw this.fails.get;
      return super.getTuple(...args);
    }

    override async put(...args: Parameters<MemorySaver['put']>) {
      if (this.fails.put !== undefined) throw this.fails.put;
      return super.put(...args);
    }

    override async putWrites(...args: Parameters<MemorySaver['putWrites']>) {
      if (this.fails.writes !== undefined) throw this.fails.writes;
      return super.putWrites(...args);
    }
  }

  for (const member of ['get', 'put', 'writes'] as const) {
    verifies(
      'REL-3',
      `${member} throws: the caller gets that error, and no body runs twice or without a record`,
      async () => {
        const f = fixture();
        const box = toolbox();
        const checkpointer = new Failing();
        const agent = agentOf('guardAgent', f.source, { tools: box.list('read'), checkpointer });
        const config = thread();
        const { at } = await stopped(agent, config);
        checkpointer.fails = { [member]: new Error('the database is away') };
        await expect(agent.invoke(null, config)).rejects.toThrow('the database is away');
        checkpointer.fails = {};
        expect(results(await agent.invoke(null, at))).toEqual(['c1 success read 1 ok']);
        expect(box.runs).toEqual(['read:1']);
        expect((await f.kinds()).filter((kind) => kind === 'claim:claimed')).toHaveLength(1);
      },
    );
  }

  verifies('REL-3', 'a checkpointer that hangs: an abort ends the run, and nothing has run', async () => {
    const f = fixture();
    const box = toolbox();
    const checkpointer = new Failing();
    const agent = agentOf('guardAgent', f.source, { tools: box.list('read'), checkpointer });
    const config = thread();
    await stopped(agent, config);
    checkpointer.getTuple = () => new Promise(() => undefined);
    const run = agent.invoke(null, { ...config, signal: AbortSignal.timeout(300) });
    await expect(run).rejects.toMatchObject({ name: expect.stringMatching(/Abort|Timeout/) as string });
    expect(box.runs).toEqual([]);
  });
});

/** `createAgent` with the real OpenAI provider over HTTP (Responses API), against a scripted model server. */
import { HumanMessage, type BaseMessage } from '@langchain/core/messages';
import { DynamicStructuredTool, tool, type StructuredToolInterface } from '@langchain/core/tools';
import { Command, MemorySaver } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';
import { createAgent, createMiddleware, toolRetryMiddleware, type AgentMiddleware } from 'langchain';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { currentLease, Secret, type CredentialProvider } from '@countersign/core';
import { scriptedModel, type ScriptedModel, type ScriptedTurn } from '../../../test/support/scripted-model.ts';
import { verifies } from '../../../test/verifies.ts';
import { countersignMiddleware, CountersignCallbackHandler, guardAgent, guardTools } from '../src/index.ts';
import { fixture, thread } from './support/fixture.ts';
import { interrupts, results, ScriptedChat, toolbox, type Toolbox } from './support/tools.ts';

const ask = { messages: [new HumanMessage('go')] };
const wake = new Command({ resume: 'yes' });

async function serve(
  turns: readonly ScriptedTurn[],
  streaming = false,
): Promise<{ server: ScriptedModel; model: ChatOpenAI }> {
  const server = await scriptedModel(turns);
  onTestFinished(() => server.close());
  const model = new ChatOpenAI({
    model: 'gpt-4o',
    apiKey: 'k',
    maxRetries: 0,
    useResponsesApi: true,
    streaming,
    configuration: { baseURL: server.baseURL },
  });
  return { server, model };
}

const everyKind: ScriptedTurn = {
  calls: [
    { name: 'read', id: 'r', args: { x: 1 } },
    { name: 'send', id: 's', args: { x: 2 } },
    { name: 'wipe', id: 'w', args: { x: 3 } },
    { name: 'nuke', id: 'n', args: { x: 4 } },
    { name: 'note', id: 'm', args: { x: 5 } },
    { name: 'unmapped', id: 'u', args: { x: 6 } },
    { name: 'bounded', id: 'b', args: { x: 11 } },
  ],
};
const named = ['read', 'send', 'wipe', 'nuke', 'note', 'unmapped', 'bounded'];

for (const shape of ['guardAgent', 'middleware'] as const) {
  for (const streaming of [false, true]) {
    verifies(
      ['ADP-3', 'ADP-6', 'APR-8', 'APR-1'],
      `one reply with calls of every kind, by ${shape}${streaming ? ', streaming' : ''}: each gets its own end, and the model hears of each`,
      async () => {
        const f = fixture();
        const box = toolbox();
        const { server, model } = await serve(
          [
            everyKind,
            (request) =>
              `heard: ${named.map((name) => request.toolResult(name === 'note' ? 'm' : (name[0] ?? ''))).join(' | ')}`,
          ],
          streaming,
        );
        const raw = box.list(...named);
        const agent =
          shape === 'middleware'
            ? createAgent({
                model,
                tools: raw,
                middleware: [countersignMiddleware(f.source)],
                checkpointer: new MemorySaver(),
              })
            : createAgent(guardAgent({ model, tools: raw, checkpointer: new MemorySaver() }, f.source));
        const config = thread();
        const run = async (input: Parameters<typeof agent.invoke>[0]): Promise<{ messages: BaseMessage[] }> => {
          if (!streaming) return agent.invoke(input, config);
          let last: unknown;
          for await (const state of await agent.stream(input, { ...config, streamMode: 'values' })) last = state;
          return last as { messages: BaseMessage[] };
        };
        await run(ask);
        expect(box.runs).toEqual(['read:1']);
        const waiting = Object.fromEntries((await f.pending()).map(({ id, tool: name }) => [name, id]));
        expect(Object.keys(waiting).toSorted()).toEqual(['note', 'send', 'wipe']);
        await f.decide(String(waiting['send']), 'approve');
        await f.decide(String(waiting['wipe']), 'reject');
        const done = await run(wake as never);
        expect(results(done)).toEqual([
          'r success read 1 ok',
          's success send 2 ok',
          'w error A person rejected this call. Do not retry it.',
          'n error This call is not permitted. Do not retry it; continue without it.',
          expect.stringContaining('m error Not run yet'),
          'u error This call is not permitted. Do not retry it; continue without it.',
          'b error This call is not permitted with these arguments.',
        ]);
        expect(box.runs).toEqual(['read:1', 'send:2']);
        expect(String(done.messages.at(-1)?.text)).toContain('heard: read 1 ok | send 2 ok | A person rejected');
        expect(server.turns()).toBe(2);
      },
    );
  }
}

describe('the middleware', () => {
  verifies(
    ['CAP-7', 'ADP-3'],
    'offers the model only what its principal may use; provider tools only from the list and only to who may',
    async () => {
      const f = fixture();
      const { server, model } = await serve(['done', 'done', 'done']);
      const tools = [
        ...toolbox().list('read', 'nuke', 'unmapped'),
        { type: 'web_search' },
        { type: 'forbidden_search' },
        { type: 'code_interpreter' },
      ];
      const offered = async (allowServerTools: readonly string[], user: unknown = 'alice'): Promise<unknown[]> => {
        const agent = createAgent({
          model,
          tools,
          middleware: [countersignMiddleware(f.source, { allowServerTools })],
        });
        await agent.invoke(ask, thread({ user }));
        const body = JSON.parse(server.requests().at(-1)?.body ?? '{}') as {
          tools?: { name?: string; type: string }[];
        };
        return (body.tools ?? []).map(({ name, type }) => name ?? type);
      };
      expect(await offered([])).toEqual(['read']);
      expect(await offered(['web_search', 'forbidden_search'])).toEqual(['read', 'web_search']);
      expect(await offered(['web_search'], null)).toEqual([]);
    },
  );

  verifies(
    ['ADP-3', 'CAP-3'],
    'guards tools that other middleware brings, and tools that middleware before it supplies at run time',
    async () => {
      const f = fixture();
      const box = toolbox();
      const dynamic = box.tools['nuke'] as DynamicStructuredTool;
      const brings = createMiddleware({ name: 'Brings', tools: box.list('wipe') });
      const supplies = createMiddleware({
        name: 'Supplies',
        wrapModelCall: (request, handler) => handler({ ...request, tools: [...request.tools, dynamic] }),
        wrapToolCall: (request, handler) =>
          handler(request.toolCall.name === 'nuke' ? { ...request, tool: dynamic } : request),
      });
      const model = new ScriptedChat([
        { name: 'wipe', args: { x: 1 } },
        { name: 'nuke', args: { x: 2 } },
      ]);
      const agent = createAgent({
        model,
        tools: box.list('read'),
        middleware: [supplies, countersignMiddleware(f.source), brings],
        checkpointer: new MemorySaver(),
      });
      const paused = await agent.invoke(ask, thread());
      expect(interrupts(paused)).toMatchObject([{ value: { tool: 'wipe' } }]);
      expect(results(paused)).toEqual([expect.stringContaining('not permitted')]);
      expect(box.runs).toEqual([]);
    },
  );

  verifies(
    'ADP-3',
    'a raw tool that middleware after it puts in place of the guarded one does not run; natively it did',
    async () => {
      const f = fixture();
      const box = toolbox();
      const swap = createMiddleware({
        name: 'Swap',
        wrapToolCall: (request, handler) => handler({ ...request, tool: box.tools['wipe'] as DynamicStructuredTool }),
      });
      const run = async (middleware: readonly ReturnType<typeof createMiddleware>[]) =>
        createAgent({
          model: new ScriptedChat([{ name: 'read', args: { x: 1 } }]),
          tools: box.list('read'),
          middleware: middleware as AgentMiddleware[],
        }).invoke(ask, thread());
      await run([swap]);
      expect(box.runs).toEqual(['wipe:1']);
      const stopped = await run([countersignMiddleware(f.source) as never, swap]);
      expect(results(stopped as never)).toEqual(['c_0_0 error The tool "read" is not guarded, so it was not run.']);
      expect(box.runs).toEqual(['wipe:1']);
    },
  );

  verifies('APR-4', 'arguments that middleware after it rewrites are the ones that are decided on', async () => {
    const f = fixture();
    const box = toolbox();
    const rewrite = createMiddleware({
      name: 'Rewrite',
      wrapToolCall: (request, handler) => handler({ ...request, toolCall: { ...request.toolCall, args: { x: 999 } } }),
    });
    const agent = createAgent({
      model: new ScriptedChat([{ name: 'bounded', args: { x: 1 } }]),
      tools: box.list('bounded'),
      middleware: [countersignMiddleware(f.source), rewrite],
    });
    expect(results(await agent.invoke(ask, thread()))).toEqual([
      'c_0_0 error This call is not permitted with these arguments.',
    ]);
    expect(box.runs).toEqual([]);
  });
});

describe('behaviour that is kept', () => {
  const failing = (): Toolbox =>
    toolbox(() => {
      throw new Error('out of paper');
    });
  const agentWith = (
    tools: readonly StructuredToolInterface[],
    middleware: readonly unknown[] = [],
    calls = [{ name: 'read', args: { x: 1 } as Record<string, unknown> }],
  ) =>
    createAgent({ model: new ScriptedChat(calls), tools: tools as never, middleware: middleware as AgentMiddleware[] });

  verifies(
    'ADP-6',
    'an error of a tool, an unknown tool and arguments that fail the schema read as they do without a guard',
    async () => {
      const f = fixture();
      const calls = [
        { name: 'read', args: { x: 1 } },
        { name: 'nope', args: {} },
        { name: 'read', args: { x: 'many' } },
      ];
      const native = withoutStack(await agentWith(failing().list('read'), [], calls).invoke(ask, thread()));
      expect(native[0]).toBe('c_0_0 error Error: out of paper\n Please fix your mistakes.');
      expect(
        withoutStack(
          await createAgent(
            guardAgent({ model: new ScriptedChat(calls), tools: failing().list('read') }, f.source),
          ).invoke(ask, thread()),
        ),
      ).toEqual(native);
      expect(
        withoutStack(
          await agentWith(failing().list('read'), [countersignMiddleware(f.source)], calls).invoke(ask, thread()),
        ),
      ).toEqual(native);
    },
  );

  test('with `toolErrors: throw` an error of a tool ends the run, as any other tool middleware would make it', async () => {
    const f = fixture();
    const passThrough = createMiddleware({ name: 'PassThrough', wrapToolCall: (request, handler) => handler(request) });
    await expect(agentWith(failing().list('read'), [passThrough]).invoke(ask, thread())).rejects.toThrow(
      'out of paper',
    );
    const throwing = agentWith(failing().list('read'), [countersignMiddleware(f.source, { toolErrors: 'throw' })]);
    await expect(throwing.invoke(ask, thread())).rejects.toThrow('out of paper');
    const denied = agentWith(
      toolbox().list('nuke'),
      [countersignMiddleware(f.source, { toolErrors: 'throw' })],
      [{ name: 'nuke', args: { x: 1 } }],
    );
    expect(results(await denied.invoke(ask, thread()))).toEqual([expect.stringContaining('not permitted')]);
  });

  test('an error of other middleware still ends the run', async () => {
    const f = fixture();
    const broken = createMiddleware({
      name: 'Broken',
      wrapToolCall: () => {
        throw new Error('the middleware broke');
      },
    });
    await expect(
      agentWith(toolbox().list('read'), [countersignMiddleware(f.source), broken]).invoke(ask, thread()),
    ).rejects.toThrow('the middleware broke');
  });

  test('a retry runs a tool that failed again, as it does without a guard; where a person approved, it asks again', async () => {
    const f = fixture();
    const retry = toolRetryMiddleware({ maxRetries: 2, initialDelayMs: 1, jitter: false } as never);
    let failures = 0;
    const flaky = toolbox((name) => {
      failures += 1;
      if (failures === 1) throw new Error('first time');
      return name;
    });
    const again = agentWith(flaky.list('read'), [countersignMiddleware(f.source), retry]);
    expect(results(await again.invoke(ask, thread()))).toEqual(['c_0_0 success read']);
    expect(flaky.runs).toEqual(['read:1', 'read:1']);

    failures = 0;
    const agent = createAgent({
      model: new ScriptedChat([{ name: 'send', args: { x: 1 } }]),
      tools: flaky.list('send'),
      middleware: [countersignMiddleware(f.source), retry as unknown as AgentMiddleware],
      checkpointer: new MemorySaver(),
    });
    const config = thread();
    await agent.invoke(ask, config);
    await f.decideAll('approve');
    expect(interrupts(await agent.invoke(wake, config))).toHaveLength(1);
    expect(flaky.runs).toEqual(['read:1', 'read:1', 'send:1']);
    await f.decideAll('approve');
    expect(results(await agent.invoke(wake, config))).toEqual(['c_0_0 success send']);
    expect(flaky.runs).toHaveLength(4);
  });
});

verifies(
  ['CRD-7', 'CRD-8'],
  'a leased secret reaches no prompt, message, checkpoint, interrupt, stream event or record',
  async () => {
    const canary = 'CANARY-agent-5551234567';
    const f = fixture({ options: { credentials: [provider(canary)] } });
    const leaky = tool(
      async ({ how }: { how: string }) => {
        const token = currentLease('mail').secret.reveal();
        if (how === 'throw') throw new Error(`refused: ${token}`);
        return [`token ${token}`, { token, encoded: Buffer.from(token).toString('base64') }];
      },
      {
        name: 'leased',
        description: 'd',
        schema: z.object({ how: z.string() }),
        responseFormat: 'content_and_artifact',
      },
    );
    const { server, model } = await serve([
      {
        calls: [
          { name: 'leased', id: 'l1', args: { how: 'return' } },
          { name: 'leased', id: 'l2', args: { how: 'throw' } },
          { name: 'send', id: 's', args: { x: 1 } },
        ],
      },
      'done',
    ]);
    const saver = new MemorySaver();
    const box = toolbox();
    const agent = createAgent({
      model,
      tools: [leaky, ...box.list('send')],
      middleware: [countersignMiddleware(f.source)],
      checkpointer: saver,
    });
    const config = thread();
    const events: unknown[] = [];
    for await (const event of agent.streamEvents(ask, { ...config, version: 'v2' })) events.push(event);
    await f.decideAll('approve');
    const done = await agent.invoke(wake, config);
    expect(results(done)[0]).toContain('token');
    const decoder = new TextDecoder();
    const bytes = JSON.stringify([saver.storage, saver.writes], (_key, value: unknown) =>
      value instanceof Uint8Array ? decoder.decode(value) : value,
    );
    const all = [server.seen(), bytes, JSON.stringify(done), safeJson(events), JSON.stringify(await f.records())].join(
      '\n',
    );
    expect(bytes).toContain('tool_call_id');
    for (const form of [canary, Buffer.from(canary).toString('base64'), encodeURIComponent(canary)])
      expect(all).not.toContain(form);
  },
);

verifies(
  ['ADP-3', 'ADP-6'],
  'guarded tools, middleware and the callback handler together run what is allowed',
  async () => {
    const f = fixture();
    const box = toolbox();
    const { model } = await serve([{ calls: [{ name: 'read', id: 'r', args: { x: 1 } }] }, 'done']);
    const agent = createAgent({
      model,
      tools: guardTools(box.list('read'), f.source),
      middleware: [countersignMiddleware(f.source)],
    });
    const done = await agent.invoke(ask, { ...thread(), callbacks: [new CountersignCallbackHandler(f.source)] });
    expect(results(done)).toEqual(['r success read 1 ok']);
  },
);

/** LangChain puts the stack of a schema error into the message. */
function withoutStack(state: { readonly messages: readonly BaseMessage[] }): string[] {
  return results(state).map((result) => result.replaceAll(/^\s+at .*\n/gm, ''));
}

function safeJson(value: unknown): string {
  const seen = new WeakSet<object>();
  return JSON.stringify(value, (_key, member: unknown) => {
    if (typeof member !== 'object' || member === null) return typeof member === 'bigint' ? String(member) : member;
    if (seen.has(member)) return undefined;
    seen.add(member);
    return member;
  });
}

function provider(secret: string): CredentialProvider {
  return {
    name: 'test',
    services: ['mail'],
    maxLifetimeMs: 300_000,
    revocable: true,
    findable: true,
    get: async (request) => ({
      credentialId: request.leaseId,
      secret: new Secret(secret),
      expiresAt: Date.now() + request.ttlMs,
    }),
    async provision() {},
    async revoke() {},
    async rotate() {},
  };
}

import { currentCall, currentLease, definePolicy, runnable, Secret, type CredentialProvider } from '@countersign/core';
import { AIMessage, ToolMessage } from '@langchain/core/messages';
import { RunnableLambda, RunnableSequence } from '@langchain/core/runnables';
import { StructuredTool, tool } from '@langchain/core/tools';
import { Command, isCommand } from '@langchain/langgraph';
import { ToolNode } from '@langchain/langgraph/prebuilt';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { guardTool, guardTools, inventoryOf, type ToolContext } from '../src/index.ts';
import { document, fixture, sourceOf, thread } from './support/fixture.ts';
import { toolbox } from './support/tools.ts';

const call = (name: string, args: object, id: string | undefined = `call_${name}`) =>
  ({ type: 'tool_call', name, args: args as Record<string, unknown>, ...(id === undefined ? {} : { id }) }) as const;

describe('a guarded tool outside any graph', () => {
  verifies(
    ['ADP-3'],
    'every way to its body goes through the gate: invoke, call, batch, stream, func, _call, sequences, lambdas',
    async () => {
      const f = fixture();
      const { runs, tools } = toolbox();
      const raw = tools['nuke']!;
      const guarded = guardTool(raw, f.source);
      const args = { x: 1 };
      const ways: readonly (() => unknown)[] = [
        () => guarded.invoke(args),
        () => guarded.call(args),
        () => guarded.batch([args]),
        () => guarded.stream(args),
        () => guarded.func(args),
        () => (guarded as unknown as { _call(input: unknown): unknown })._call(args),
        () => guarded.withConfig({ tags: ['x'] }).invoke(args),
        () => guarded.withRetry({ stopAfterAttempt: 2 }).invoke(args),
        () => RunnableSequence.from([RunnableLambda.from(() => args), guarded]).invoke('go'),
        () => RunnableLambda.from(async () => guarded.invoke(args)).invoke('go'),
      ];
      for (const way of ways)
        await expect(Promise.resolve().then(way)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED_TOOL_CALL' });
      expect(runs).toEqual([]);
      await raw.func(args);
      expect(runs).toEqual(['nuke:1']);
    },
  );

  verifies(
    ['ADP-3', 'ADP-6'],
    'a denied call of a model is answered by a message, a plain invocation by an error',
    async () => {
      const f = fixture();
      const { runs, tools } = toolbox();
      const guarded = guardTool(tools['nuke']!, f.source);
      const message = await guarded.invoke(call('nuke', { x: 1 }));
      expect(message).toMatchObject({ status: 'error', tool_call_id: 'call_nuke', name: 'nuke' });
      expect(message).toBeInstanceOf(ToolMessage);
      await expect(guarded.invoke({ x: 1 })).rejects.toMatchObject({ name: 'UnauthorizedToolCall', agent: 'support' });
      expect(runs).toEqual([]);
    },
  );

  test('an allowed call gives what the raw tool gives, and each plain invocation is a call of its own', async () => {
    const f = fixture();
    const { runs, tools } = toolbox();
    const guarded = guardTool(tools['read']!, f.source);
    expect(await guarded.invoke({ x: 1 })).toBe('read 1 ok');
    expect(await guarded.invoke({ x: 1 })).toBe('read 1 ok');
    expect(runs).toEqual(['read:1', 'read:1']);
    const [native, behindGate] = [
      await tools['read']!.invoke(call('read', { x: 2 })),
      await guarded.invoke(call('read', { x: 2 })),
    ] as ToolMessage[];
    expect(JSON.parse(JSON.stringify(behindGate))).toMatchObject({
      ...(JSON.parse(JSON.stringify(native)) as object),
      kwargs: expect.objectContaining({ content: 'read 2 ok' }) as object,
    });
    expect(JSON.stringify(behindGate)).not.toContain('countersign');
  });

  test('the same call of a model asked twice runs once, and the second answer is the first', async () => {
    const f = fixture();
    const { runs, tools } = toolbox();
    const guarded = guardTool(tools['read']!, f.source);
    const first = (await guarded.invoke(call('read', { x: 1 }))) as ToolMessage;
    const second = (await guarded.invoke(call('read', { x: 1 }))) as ToolMessage;
    expect([first.content, second.content, runs]).toEqual(['read 1 ok', 'read 1 ok', ['read:1']]);
    expect(await guarded.invoke(call('read', { x: 2 }))).toMatchObject({ status: 'error' });
    expect(runs).toEqual(['read:1']);
  });

  verifies(
    ['CAP-1', 'ADP-3'],
    'nobody behind the call, a resolver that throws, lies or hands back a look-alike: denied',
    async () => {
      const f = fixture();
      const { runs, tools } = toolbox();
      const lookAlike = { ...f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'r' }) };
      const sources = [
        () => undefined,
        () => {
          throw new Error('down');
        },
        async () => Promise.reject(new Error('down')),
        () => lookAlike,
        () => ({ tenant: 'acme', user: 'alice', agent: 'support' }) as never,
        lookAlike,
      ];
      for (const source of sources) {
        const guarded = guardTool(tools['read']!, source);
        expect(await guarded.invoke(call('read', { x: 1 }))).toMatchObject({ status: 'error' });
        await expect(guarded.invoke({ x: 1 })).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED_TOOL_CALL' });
      }
      expect(runs).toEqual([]);
    },
  );

  test('the resolver sees config and context of the server, the thread, the tool and the call, and nothing of messages', async () => {
    const f = fixture();
    const seen: ToolContext[] = [];
    const { tools } = toolbox();
    const guarded = guardTool(tools['read']!, (context) => {
      seen.push(context);
      return f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
    });
    const node = new ToolNode([guarded]);
    await node.invoke({ messages: [new AIMessage({ content: '', tool_calls: [call('read', { x: 1 }, 'c1')] })] }, {
      configurable: { thread_id: 't-1', user: 'u' },
      context: { tenant: 'x' },
    } as never);
    expect(seen).toMatchObject([{ configurable: { user: 'u' }, threadId: 't-1', toolName: 'read', toolCallId: 'c1' }]);
    expect(Object.keys(seen[0] ?? {}).toSorted()).toEqual([
      'configurable',
      'context',
      'threadId',
      'toolCallId',
      'toolName',
    ]);
  });

  verifies(
    ['APR-8', 'APR-1'],
    'a blocking approval where nothing can pause is answered as pending, and the same call runs once it is approved',
    async () => {
      const f = fixture();
      const { runs, tools } = toolbox();
      const guarded = guardTool(tools['send']!, f.source);
      const pending = (await guarded.invoke(call('send', { x: 1 }))) as ToolMessage;
      expect(pending).toMatchObject({ status: 'error' });
      expect(pending.text).toContain('blocked until a person approves');
      await f.decideAll('approve');
      expect(await guarded.invoke(call('send', { x: 1 }))).toMatchObject({ status: 'success', content: 'send 1 ok' });
      await expect(guarded.invoke({ x: 1 })).rejects.toMatchObject({ code: 'ERR_CALL_PENDING' });
      expect(runs).toEqual(['send:1']);
    },
  );

  verifies('APR-8', 'with `wait` a plain invocation waits for the person', async () => {
    const f = fixture();
    const { runs, tools } = toolbox();
    const waiting = guardTool(tools['send']!, f.source, { wait: true }).invoke({ x: 1 });
    await expect.poll(() => f.pending()).toHaveLength(1);
    expect(runs).toEqual([]);
    await f.decideAll('approve');
    expect(await waiting).toBe('send 1 ok');
  });

  verifies(
    ['APR-7', 'ADP-3'],
    'arguments that an approver edited run if the schema of the tool permits them',
    async () => {
      const f = fixture();
      const { runs, tools } = toolbox();
      const [note] = guardTools([tools['note']!], f.source);
      const edited = async (x: number, text: string): Promise<unknown> => {
        await note.invoke(call('note', { x }));
        const [{ id } = { id: '' }] = await f.pending();
        const { digest } = await f.approvals.show('carol-token', id);
        await f.approvals.edit('carol-token', { id, digest, arguments: text });
        await f.decide(id, 'approve');
        return f.countersign.approvals.run(id, { tools: { note } });
      };
      expect(await edited(1, '{"x": "two"}')).toMatchObject({ status: 'denied', reason: 'arguments_invalid' });
      expect(await edited(3, '{"x": 2}')).toMatchObject({ status: 'completed', result: 'note 2 ok' });
      expect(runs).toEqual(['note:2']);
    },
  );

  verifies(
    ['APR-1'],
    'an asynchronous approval runs later in a worker that holds the guarded tools, once',
    async () => {
      const f = fixture();
      const { runs, tools } = toolbox();
      const guarded = guardTools([tools['note']!], f.source);
      expect(await guarded[0].invoke(call('note', { x: 1 }))).toMatchObject({ status: 'error' });
      const [id] = await f.decideAll('approve');
      const held = { note: guarded[0] };
      expect(await f.countersign.approvals.run(String(id), { tools: held })).toMatchObject({
        status: 'completed',
        result: 'note 1 ok',
      });
      expect(await f.countersign.approvals.run(String(id), { tools: held })).toMatchObject({
        status: 'completed',
        replayed: true,
      });
      expect(runs).toEqual(['note:1']);
      expect(guarded[0][runnable].identity).toMatchObject({
        name: 'note',
        source: 'local',
        schemaDigest: expect.any(String) as string,
      });
    },
  );

  test('the body gets a copy of what was decided on: changing the arguments meanwhile changes nothing', async () => {
    const f = fixture({ policy: slowPolicy() });
    const got: unknown[] = [];
    const list = tool(
      async (input: { ids: string[] }) => {
        got.push(input);
        return 'ok';
      },
      {
        name: 'read',
        description: 'd',
        schema: { type: 'object', properties: { ids: { type: 'array' } } } as never,
      },
    );
    const args = { ids: ['a'] };
    const running = guardTool(list, f.source).invoke(args as never);
    setTimeout(() => args.ids.push('evil'), 5);
    await running;
    expect(got).toEqual([{ ids: ['a'] }]);
  });
});

/** Decides after a moment. */
function slowPolicy() {
  const policy = definePolicy(document);
  return {
    ...policy,
    decide: async (...input: Parameters<typeof policy.decide>) => {
      await new Promise((resolve) => setTimeout(resolve, 30));
      return policy.decide(...input);
    },
  };
}

describe('kinds of tools', () => {
  verifies('ADP-3', 'runnable.asTool() becomes a guarded structured tool', async () => {
    const f = fixture();
    const runs: unknown[] = [];
    const asTool = (name: string) =>
      RunnableLambda.from(async (input: { x: number }) => {
        runs.push(input);
        return { sum: input.x + 1 };
      }).asTool({ name, description: 'd', schema: z.object({ x: z.number() }) });
    const [read, nuke] = guardTools([asTool('read'), asTool('nuke')], f.source);
    expect(await read.invoke({ x: 1 })).toEqual({ sum: 2 });
    expect(await read.invoke(call('read', { x: 2 }))).toMatchObject({ content: '{"sum":3}' });
    expect(await nuke.invoke(call('nuke', { x: 3 }))).toMatchObject({ status: 'error' });
    expect(runs).toEqual([{ x: 1 }, { x: 2 }]);
  });

  test('content_and_artifact keeps both, also when the outcome is asked for again, and a denial has no artifact', async () => {
    const f = fixture();
    const make = (name: string) =>
      tool(async () => ['text', { rows: [1, new Date(0)] }], {
        name,
        description: 'd',
        schema: z.object({}),
        responseFormat: 'content_and_artifact',
      });
    const [read, nuke] = guardTools([make('read'), make('nuke')], f.source);
    const expected = { content: 'text', artifact: { rows: [1, new Date(0)] }, status: 'success' };
    expect(await read.invoke(call('read', {}))).toMatchObject(expected);
    expect(await read.invoke(call('read', {}))).toMatchObject(expected);
    expect(await nuke.invoke(call('nuke', {}))).toMatchObject({ status: 'error', artifact: undefined });
  });

  verifies(
    'ADP-3',
    'a generator tool runs to its end inside the guard, with its lease, and streams its pieces',
    async () => {
      const canary = 'CANARY-generator-1234567890';
      const f = fixture({ options: { credentials: [provider(canary)] } });
      const held: string[] = [];
      const generator = tool(
        async function* () {
          held.push(currentLease('mail').secret.reveal());
          yield 'piece';
          await Promise.resolve();
          held.push(currentCall().tool);
          yield `with ${currentLease('mail').secret.reveal()}`;
          return 'the end';
        } as never,
        { name: 'leased', description: 'd', schema: z.object({}) },
      );
      const events: unknown[] = [];
      const guarded = guardTool(generator, f.source);
      const answer = await guarded.invoke(call('leased', {}), {
        callbacks: [{ handleToolEvent: (chunk: unknown) => void events.push(chunk) }],
      });
      expect(answer).toMatchObject({ content: 'the end' });
      expect(held).toEqual([canary, 'leased']);
      await expect.poll(() => events).toHaveLength(2);
      expect(events[0]).toBe('piece');
      expect(JSON.stringify([events, answer])).not.toContain(canary);
    },
  );

  test('a class of its own keeps its `this`, its private members and its type', async () => {
    const f = fixture();
    class Reader extends StructuredTool {
      override readonly name = 'read';
      override readonly description = 'd';
      override readonly schema = z.object({ x: z.number() });
      #prefix = 'private ';
      protected override async _call({ x }: { x: number }): Promise<string> {
        return this.#prefix + String(x);
      }
    }
    const raw = new Reader();
    const guarded = guardTool(raw as never, f.source) as unknown as Reader;
    expect(guarded).toBeInstanceOf(Reader);
    expect(guarded).not.toBe(raw);
    expect(await guarded.invoke({ x: 1 })).toBe('private 1');
    expect(Object.hasOwn(raw, '_call')).toBe(false);
  });

  test('a Command that a tool returns survives being asked for again; what cannot be kept is unknown, and runs once', async () => {
    const f = fixture();
    let runs = 0;
    const command = tool(
      async (_input, config) => {
        runs += 1;
        return new Command({
          update: {
            files: { a: 1 },
            messages: [new ToolMessage({ content: 'moved', tool_call_id: config.toolCall.id })],
          },
          goto: 'next',
        });
      },
      { name: 'read', description: 'd', schema: z.object({}) },
    );
    const odd = tool(
      async () => {
        runs += 1;
        return { map: new Map([[1, 2]]) };
      },
      { name: 'bounded', description: 'd', schema: z.object({ x: z.number() }) },
    );
    const [guarded, oddGuarded] = guardTools([command, odd], f.source);
    const first: unknown = await guarded.invoke(call('read', {}));
    const again: unknown = await guarded.invoke(call('read', {}));
    expect(isCommand(again)).toBe(true);
    expect((again as Command).goto).toEqual((first as Command).goto);
    const [message] = ((again as Command).update as { messages: ToolMessage[] }).messages;
    expect(message).toBeInstanceOf(ToolMessage);
    expect(message).toMatchObject({ content: 'moved', tool_call_id: 'call_read' });
    expect(await oddGuarded.invoke(call('bounded', { x: 1 }))).toMatchObject({ status: 'success' });
    expect(await oddGuarded.invoke(call('bounded', { x: 1 }))).toMatchObject({
      status: 'error',
      content: expect.stringContaining('not known') as string,
    });
    expect(runs).toBe(2);
  });

  verifies(
    ['ADP-3', 'ADP-5'],
    'a tool that runs at the provider is refused, two tools of one name too, and the inventory lists both sides',
    () => {
      const f = fixture();
      const { tools } = toolbox();
      expect(() => guardTool({ type: 'web_search' }, f.source)).toThrow('web_search');
      expect(() => guardTools([tools['read']!, tools['read']!], f.source)).toThrow('twice');
      const listed = inventoryOf([
        guardTool(tools['read']!, f.source),
        tools['unmapped']!,
        guardTool(tools['echo']!, f.source, { source: 'mcp:demo' }),
        { type: 'mcp', server_label: 'hosted' },
      ]);
      expect(f.countersign.inventory('acme', listed).tools).toMatchObject([
        { name: 'read', source: 'local', state: 'governed' },
        { name: 'unmapped', state: 'unmapped' },
        { name: 'echo', source: 'mcp:demo', state: 'governed' },
        { name: 'mcp:hosted', state: 'ungovernable' },
      ]);
    },
  );

  test('guarding twice, or setting the body anew, changes nothing', async () => {
    const f = fixture();
    const { runs, tools } = toolbox();
    const guarded = guardTool(tools['nuke']!, f.source);
    expect(guardTool(guarded, () => undefined)).toBe(guarded);
    expect(() => {
      guarded.func = async () => 'mine';
    }).toThrow(TypeError);
    await expect(guarded.invoke({ x: 1 })).rejects.toThrow('not permitted');
    expect(runs).toEqual([]);
  });
});

describe('calls that go wrong', () => {
  verifies('REL-4', 'arguments that fail the schema never reach the gate, nor a person', async () => {
    const f = fixture();
    const { runs, tools } = toolbox();
    await expect(guardTool(tools['send']!, f.source).invoke(call('send', { x: 'many' }))).rejects.toThrow('schema');
    expect([runs, await f.pending(), await f.kinds()]).toEqual([[], [], []]);
  });

  test('what a tool throws is thrown on as it is, and not run again for the same call', async () => {
    class Boom extends Error {}
    const f = fixture();
    const { runs, tools } = toolbox(() => {
      throw new Boom('broken');
    });
    const guarded = guardTool(tools['read']!, f.source);
    await expect(guarded.invoke(call('read', { x: 1 }))).rejects.toBeInstanceOf(Boom);
    await expect(guarded.invoke(call('read', { x: 1 }))).rejects.toThrow('broken');
    expect(runs).toEqual(['read:1']);
  });

  test('an aborted call rejects as without the guard', async () => {
    const f = fixture();
    const { runs, tools } = toolbox(() => new Promise(() => undefined));
    const controller = new AbortController();
    const running = guardTool(tools['read']!, f.source).invoke({ x: 1 }, { signal: controller.signal });
    await expect.poll(() => runs).toHaveLength(1);
    controller.abort(new Error('gave up'));
    await expect(running).rejects.toThrow(/gave up|abort/i);
    await expect.poll(() => f.kinds()).toContain('outcome:failed');
    await expect(guardTool(tools['read']!, f.source).invoke({ x: 2 }, { signal: AbortSignal.abort() })).rejects.toThrow(
      /abort/i,
    );
    expect(runs).toEqual(['read:1']);
  });

  verifies(['CRD-7', 'CRD-8'], 'a secret of the body is in no result, error, message or artifact', async () => {
    const canary = 'CANARY-plain-0987654321';
    const f = fixture({ options: { credentials: [provider(canary)] } });
    const reveal = (): string => currentLease('mail').secret.reveal();
    const leak = tool(
      async ({ how }: { how: string }) => {
        if (how === 'throw') throw new Error(`bad token ${reveal()}`);
        if (how === 'message')
          return [new ToolMessage({ content: reveal(), artifact: { token: reveal() }, tool_call_id: 'c' }), undefined];
        return [reveal(), { nested: [{ token: Buffer.from(reveal()).toString('base64') }] }];
      },
      {
        name: 'leased',
        description: 'd',
        schema: z.object({ how: z.string() }),
        responseFormat: 'content_and_artifact',
      },
    );
    const guarded = guardTool(leak, f.source);
    const out: unknown[] = [];
    for (const how of ['throw', 'message', 'result']) {
      for (let count = 0; count < 2; count += 1) {
        await guarded.invoke(call('leased', { how }, how)).then(
          (value) => out.push(value),
          (error: unknown) => out.push(String(error)),
        );
      }
    }
    expect(out).toHaveLength(6);
    expect(JSON.stringify(out)).not.toContain(canary);
    expect(JSON.stringify(out)).not.toContain(Buffer.from(canary).toString('base64'));
  });

  test('nested guarded tools: the outer config handed on does not make the inner call the outer one', async () => {
    const f = fixture();
    const { runs, tools } = toolbox();
    const inner = guardTool(tools['read']!, f.source);
    const outer = guardTool(
      tool(
        async (_input, config) =>
          [
            await inner.invoke({ x: 1 }, config),
            await inner.invoke({ x: 1 }, config),
            await inner.invoke({ x: 2 }),
          ].map((value: unknown) => (ToolMessage.isInstance(value) ? value.content : value)),
        { name: 'task', description: 'd', schema: z.object({}) },
      ),
      f.source,
    );
    const answer = (await outer.invoke(call('task', {}))) as ToolMessage;
    expect(JSON.parse(answer.text)).toEqual(['read 1 ok', 'read 1 ok', 'read 2 ok']);
    expect(runs).toEqual(['read:1', 'read:1', 'read:2']);
  });
});

test('a tool that calls another of its own name, with its own config, makes calls of its own', async () => {
  const f = fixture();
  const { runs, tools } = toolbox();
  const inner = guardTool(tools['read']!, f.source);
  const outer = guardTool(
    tool(
      async (_input, config) =>
        `${String(textOf(await inner.invoke({ x: 1 }, config)))}, ${String(textOf(await inner.invoke({ x: 2 }, config)))}`,
      { name: 'read', description: 'd', schema: z.object({}) },
    ),
    f.source,
  );
  expect(await outer.invoke(call('read', {}))).toMatchObject({ content: 'read 1 ok, read 2 ok' });
  expect(runs).toEqual(['read:1', 'read:2']);
});

test('equal ids in the bodies of two calls of one node are different calls', async () => {
  const f = fixture();
  const { runs, tools } = toolbox();
  const inner = guardTool(tools['read']!, f.source);
  const task = tool(async ({ x }) => textOf(await inner.invoke(call('read', { x }, 'reused'))), {
    name: 'task',
    description: 'd',
    schema: z.object({ x: z.number() }),
  });
  const reply = new AIMessage({
    content: '',
    tool_calls: [call('task', { x: 1 }, 'c1'), call('task', { x: 2 }, 'c2')],
  });
  const { messages } = (await new ToolNode([guardTool(task, f.source)]).invoke({ messages: [reply] }, thread())) as {
    messages: ToolMessage[];
  };
  expect(messages.map(({ text }) => text)).toEqual(['read 1 ok', 'read 2 ok']);
  expect(runs.toSorted()).toEqual(['read:1', 'read:2']);
});

function textOf(answer: unknown): unknown {
  return ToolMessage.isInstance(answer) ? answer.text : answer;
}

test('one guarded tool serves many users, each by the config of the call', async () => {
  const f = fixture();
  const { tools } = toolbox();
  const guarded = guardTool(tools['read']!, sourceOf(f.countersign));
  await guarded.invoke({ x: 1 }, thread({ user: 'alice' }));
  await guarded.invoke({ x: 1 }, thread({ user: 'bob' }));
  await expect(guarded.invoke({ x: 1 }, thread({ user: null }))).rejects.toMatchObject({
    code: 'ERR_UNAUTHORIZED_TOOL_CALL',
  });
  await expect(guarded.invoke({ x: 1 }, thread({ user: 'eve' }))).rejects.toMatchObject({
    code: 'ERR_UNAUTHORIZED_TOOL_CALL',
  });
});

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

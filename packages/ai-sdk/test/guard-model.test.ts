import { createOpenAI } from '@ai-sdk/openai';
import type { Gate } from '@countersign/core';
import {
  generateText,
  isStepCount,
  streamText,
  tool,
  wrapLanguageModel,
  type LanguageModel,
  type ModelMessage,
  type ToolSet,
} from 'ai';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { scriptedModel } from '../../../test/support/scripted-model.ts';
import { verifies } from '../../../test/verifies.ts';
import { guardModel, guardTools, inventoryOf, type GuardModelOptions } from '../src/index.ts';
import { fixture, shown } from './support/fixture.ts';
import { mockModel, type MockTurn } from './support/mock-model.ts';

const openai = createOpenAI({ apiKey: 'not-a-key' });
const web = openai.tools.webSearch({});
const local = (name: string) => tool({ description: name, inputSchema: z.object({}), execute: () => name });
const searched: MockTurn = {
  content: [
    { type: 'tool-call', toolCallId: 'w1', toolName: 'web', input: '{"q":"who"}', providerExecuted: true },
    { type: 'tool-result', toolCallId: 'w1', toolName: 'web', result: { found: 'planted' } },
    { type: 'text', text: 'I looked.' },
  ],
};
const ghost: MockTurn = {
  content: [
    {
      type: 'tool-call',
      toolCallId: 'g1',
      toolName: 'mcp_drop_table',
      input: 'not json',
      providerExecuted: true,
      dynamic: true,
    },
    { type: 'tool-result', toolCallId: 'g1', toolName: 'mcp_drop_table', result: 'dropped', dynamic: true },
    { type: 'text', text: 'Gone.' },
  ],
};

function wrapped(
  model: Parameters<typeof wrapLanguageModel>[0]['model'],
  gate: Gate | undefined,
  options?: GuardModelOptions,
): LanguageModel {
  return wrapLanguageModel({ model, middleware: guardModel(gate ?? (() => undefined), options) });
}

describe('tools that do not run here', () => {
  verifies(
    ['ADP-1', 'CAP-3'],
    'provider-executed and client-side tools are refused by name, also in the form of version 6, unless allowed',
    () => {
      const { gate } = fixture();
      const client = tool({ inputSchema: z.object({}), outputSchema: z.string() });
      const old = {
        type: 'provider-defined',
        id: 'openai.web_search',
        name: 'web',
        args: {},
        inputSchema: z.object({}),
      };
      const flagless = { type: 'provider', id: 'openai.web_search', args: {}, inputSchema: z.object({}) };
      for (const found of [web, old, flagless]) {
        expect(() => guardTools({ web: found } as unknown as ToolSet, gate)).toThrow(
          /"web" runs at the model provider/,
        );
        const allowed = guardTools({ web: found } as unknown as ToolSet, gate, { allowProviderExecuted: ['web'] });
        expect(allowed['web']).toBe(found);
      }
      expect(() => guardTools({ client }, gate)).toThrow(/"client" has no execute function/);
      expect(() => guardTools({ client }, gate, { allowProviderExecuted: ['client'] })).toThrow(
        expect.objectContaining({ code: 'ERR_TOOL_NOT_GOVERNABLE' }) as Error,
      );
      expect(guardTools({ client }, gate, { allowClientSide: ['client'] }).client).toBe(client);
    },
  );

  verifies(['ADP-1', 'CAP-3'], 'are in the inventory as what they are', () => {
    const { countersign, gate } = fixture();
    const shell = {
      type: 'provider',
      id: 'acme.shell',
      isProviderExecuted: false,
      args: {},
      inputSchema: z.object({}),
      execute: () => 1,
    };
    const tools = {
      read: local('read'),
      stray: local('stray'),
      web,
      client: tool({ inputSchema: z.object({}), outputSchema: z.string() }),
      echo: { ...local('echo'), metadata: { clientName: 'demo' } },
      shell,
    } as unknown as ToolSet;
    const options = { allowProviderExecuted: ['web'], allowClientSide: ['client'] };
    for (const set of [tools, guardTools(tools, gate, options)]) {
      const { tools: entries } = countersign.inventory('acme', inventoryOf(set));
      expect(entries.map(({ name, source, state }) => [name, source, state])).toEqual([
        ['read', 'local', 'governed'],
        ['stray', 'local', 'unmapped'],
        ['web', 'provider:openai.web_search', 'ungovernable'],
        ['client', 'local', 'ungovernable'],
        ['echo', 'mcp:demo', 'governed'],
        ['shell', 'provider-defined:acme.shell', 'governed'],
      ]);
    }
  });

  verifies('ADP-1', "a provider's tool that runs here is guarded like any other", async () => {
    const { gate } = fixture();
    const ran: unknown[] = [];
    const shell = {
      type: 'provider',
      id: 'acme.shell',
      isProviderExecuted: false,
      args: {},
      inputSchema: z.object({}),
      execute: () => ran.push(1),
    };
    const other = { ...shell, id: 'evil.shell' };
    const results: unknown[] = [];
    for (const found of [shell, other]) {
      const tools = guardTools({ shell: found } as unknown as ToolSet, gate);
      const result = await generateText({
        model: mockModel([[{ name: 'shell' }], 'ok']),
        tools,
        stopWhen: isStepCount(3),
        prompt: 'x',
      });
      results.push(...shown(result.steps[0]?.content ?? []));
    }
    expect(results).toEqual([
      ['tool-result', 'shell', 1],
      ['tool-error', 'shell', 'UnauthorizedToolCall'],
    ]);
    expect(ran).toEqual([1]);
  });
});

describe('what a guarded model is offered', () => {
  verifies('CAP-7', 'the tools that its principal may use, on the wire, and no others', async () => {
    const { countersign, gate } = fixture();
    const server = await scriptedModel(() => 'ok');
    onTestFinished(() => server.close());
    const model = createOpenAI({ baseURL: server.baseURL, apiKey: 'not-a-key' })('gpt-4o');
    const tools = { read: local('read'), note: local('note'), vault: local('vault'), web };
    const reader = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'reader', run: 'r' });
    const nobody = countersign.gate({ tenant: 'acme', user: 'eve', agent: 'support', run: 'r' });
    for (const [who, options] of [
      [gate, {}],
      [gate, { allowProviderTools: ['web'] }],
      [reader, { allowProviderTools: ['web'] }],
      [nobody, {}],
      [undefined, {}],
    ] as const) {
      await generateText({ model: wrapped(model, who, options), tools, prompt: 'x' });
    }
    const offered = server
      .requests()
      .map(({ body }) =>
        ((JSON.parse(body) as { tools?: { name?: string; type: string }[] }).tools ?? []).map(
          ({ name, type }) => name ?? type,
        ),
      );
    expect(offered).toEqual(
      [['note', 'read'], ['note', 'read', 'web_search'], ['note'], [], []].map(
        (names) => expect.arrayContaining(names) as unknown,
      ),
    );
    expect(offered.map(({ length }) => length)).toEqual([2, 3, 1, 0, 0]);
  });

  test('a choice of a tool that is not offered is dropped, and so is a choice among no tools', async () => {
    const { gate } = fixture();
    const model = mockModel(['ok', 'ok', 'ok']);
    const tools = { read: local('read'), vault: local('vault') };
    for (const toolName of ['read', 'vault'] as const) {
      await generateText({
        model: wrapped(model, gate),
        tools,
        toolChoice: { type: 'tool', toolName },
        prompt: 'x',
      }).catch(() => undefined);
    }
    await generateText({ model: wrapped(model, undefined), tools, toolChoice: 'required', prompt: 'x' }).catch(
      () => undefined,
    );
    expect(model.doGenerateCalls.map(({ toolChoice, tools: sent }) => [toolChoice, sent?.length])).toEqual([
      [{ type: 'tool', toolName: 'read' }, 1],
      [undefined, 1],
      [undefined, undefined],
    ]);
  });

  verifies(
    ['ADP-1', 'CAP-7'],
    'options that make a provider run tools unseen are taken out, whatever the provider is called',
    async () => {
      const { gate } = fixture();
      const model = mockModel(['ok', 'ok']);
      const providerOptions = {
        anthropic: {
          mcpServers: [{ type: 'url', name: 'x', url: 'https://x.test' }],
          container: { skills: [] },
          effort: 'low',
        },
        'my-claude': { mcpServers: [{ type: 'url', name: 'x', url: 'https://x.test' }] },
        xai: { searchParameters: { mode: 'on' } },
        openai: { reasoningEffort: 'low' },
      };
      await generateText({ model: wrapped(model, gate), providerOptions, prompt: 'x' });
      await generateText({ model: wrapped(model, gate), prompt: 'x' });
      expect(model.doGenerateCalls.map((call) => call.providerOptions)).toEqual([
        { anthropic: { effort: 'low' }, 'my-claude': {}, xai: {}, openai: { reasoningEffort: 'low' } },
        undefined,
      ]);
    },
  );
});

describe('calls that a provider executed by itself', () => {
  const cases = [
    ['declared', searched, { web }, 'web'],
    ['undeclared', ghost, {}, 'mcp_drop_table'],
  ] as const;
  for (const [kind, turn, tools, name] of cases) {
    verifies(
      ['ADP-1', 'CAP-3'],
      `${kind}: natively no rule stops them; guarded, they and their results are taken out, with an alarm and a denial in the ledger`,
      async () => {
        const denials = { toolApproval: { [name]: 'denied' } } as object;
        const native = await generateText({ model: mockModel([turn, 'ok']), tools, ...denials, prompt: 'x' });
        expect(JSON.stringify(native.content)).toContain(name === 'web' ? 'planted' : 'dropped');

        for (const streamed of [false, true]) {
          const { gate, kinds } = fixture();
          const blocked: unknown[] = [];
          const model = wrapped(mockModel([turn, 'ok']), gate, {
            onBlocked: (found) => {
              blocked.push(found.toolName);
              throw new Error('the alarm is broken');
            },
          });
          const options = { model, tools, prompt: 'x', stopWhen: isStepCount(3) };
          const content = streamed ? await streamText(options).content : (await generateText(options)).content;
          expect(content.map(({ type }) => type)).toEqual(['text']);
          expect(blocked).toEqual([name]);
          expect(await kinds()).toEqual(['decision:deny']);
        }
      },
    );
  }

  verifies('ADP-1', 'are passed on where the tool is allowed and the principal is permitted', async () => {
    const { countersign, gate } = fixture();
    const reader = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'reader', run: 'r' });
    const seen: unknown[] = [];
    for (const who of [gate, reader]) {
      const { content } = await generateText({
        model: wrapped(mockModel([searched]), who, { allowProviderTools: ['web'] }),
        tools: { web },
        prompt: 'x',
      });
      seen.push(content.map(({ type }) => type));
    }
    expect(seen).toEqual([['tool-call', 'tool-result', 'text'], ['text']]);
  });

  test('parts of their input are taken out of a stream too, and those of other calls are not', async () => {
    const { gate } = fixture();
    const middleware = guardModel(gate);
    const parts = [
      { type: 'tool-input-start', id: 'w1', toolName: 'web', providerExecuted: true },
      { type: 'tool-input-delta', id: 'w1', delta: '{}' },
      { type: 'tool-input-end', id: 'w1' },
      { type: 'tool-approval-request', approvalId: 'a', toolCallId: 'w1' },
      { type: 'tool-input-start', id: 'c1', toolName: 'read' },
      { type: 'tool-input-delta', id: 'c1', delta: '{}' },
      { type: 'tool-input-end', id: 'c1' },
    ];
    const stream = ReadableStream.from(parts);
    const model = mockModel([]);
    const result = await middleware.wrapStream?.({
      doStream: async () => ({ stream }),
      doGenerate: () => Promise.reject(new Error()),
      model,
      params: { prompt: [] },
    } as never);
    const passed: unknown[] = [];
    for await (const part of result?.stream ?? []) passed.push((part as { id?: string }).id);
    expect(passed).toEqual(['c1', 'c1', 'c1']);
  });

  verifies(
    ['APR-5', 'ADP-1'],
    "a client's yes to the provider's own approval request is forwarded natively, and refused guarded",
    async () => {
      const messages: ModelMessage[] = [
        { role: 'user', content: 'x' },
        {
          role: 'assistant',
          content: [
            { type: 'tool-call', toolCallId: 'm1', toolName: 'mcp', input: {}, providerExecuted: true },
            { type: 'tool-approval-request', approvalId: 'mcpr_1', toolCallId: 'm1' },
          ],
        },
        {
          role: 'tool',
          content: [{ type: 'tool-approval-response', approvalId: 'mcpr_1', approved: true, providerExecuted: true }],
        },
      ];
      const answers: unknown[] = [];
      for (const guarded of [false, true]) {
        const model = mockModel(['ok']);
        await generateText({ model: guarded ? wrapped(model, fixture().gate) : model, messages });
        const sent =
          model.doGenerateCalls[0]?.prompt.flatMap(({ role, content }) => (role === 'tool' ? content : [])) ?? [];
        answers.push(sent.map((part) => part.type === 'tool-approval-response' && part.approved));
      }
      expect(answers).toEqual([[true], [false]]);
    },
  );
});

test('a model asked for a tool that it was not offered gets a denial, not a result', async () => {
  const { gate } = fixture();
  const tools = guardTools({ vault: local('vault') }, gate);
  const model = wrapped(mockModel([[{ name: 'vault' }], 'ok']), gate);
  const result = await generateText({ model, tools, stopWhen: isStepCount(3), prompt: 'x' });
  expect(shown(result.steps[0]?.content ?? [])).toEqual([['tool-error', 'vault', 'UnauthorizedToolCall']]);
});

import { createOpenAI } from '@ai-sdk/openai';
import { ambientGate, currentCall, currentLease, Secret, type CredentialProvider } from '@countersign/core';
import {
  dynamicTool,
  generateText,
  isStepCount,
  streamText,
  tool,
  ToolLoopAgent,
  type LanguageModel,
  type ToolSet,
} from 'ai';
import { describe, expect, onTestFinished, test } from 'vitest';
import { z } from 'zod';
import { scriptedModel, type ScriptedModel, type ScriptedTurn } from '../../../test/support/scripted-model.ts';
import { verifies } from '../../../test/verifies.ts';
import { guardTools } from '../src/index.ts';
import { fixture, shown } from './support/fixture.ts';

async function serve(
  turns: readonly ScriptedTurn[],
): Promise<{ server: ScriptedModel; responses: LanguageModel; chat: LanguageModel }> {
  const server = await scriptedModel(turns);
  onTestFinished(() => server.close());
  const provider = createOpenAI({ baseURL: server.baseURL, apiKey: 'not-a-key' });
  return { server, responses: provider('gpt-4o'), chat: provider.chat('gpt-4o') };
}

function tools(ran: unknown[]) {
  return {
    read: tool({
      description: 'Reads a ticket',
      inputSchema: z.object({ id: z.number() }),
      execute: async ({ id }) => {
        ran.push(['read', id]);
        return { subject: `ticket ${id}` };
      },
    }),
    note: tool({ inputSchema: z.object({ text: z.string() }), execute: ({ text }) => ran.push(['note', text]) }),
    deploy: tool({ inputSchema: z.object({}), execute: () => ran.push(['deploy']) }),
    vault: tool({ inputSchema: z.object({}), execute: () => ran.push(['vault']) }),
    unmapped: tool({ inputSchema: z.object({}), execute: () => ran.push(['unmapped']) }),
  } satisfies ToolSet;
}

const notPermitted = 'UnauthorizedToolCall: This call is not permitted. Do not retry it; continue without it.';
/** How OpenAI's provider writes the error of a tool. */
const said = (error: string): string => JSON.stringify({ error });

const mixed: readonly ScriptedTurn[] = [
  {
    calls: [
      { name: 'read', id: 'c1', args: { id: 7 } },
      { name: 'note', id: 'c2', args: { text: 'hi' } },
      { name: 'vault', id: 'c3' },
      { name: 'unmapped', id: 'c4' },
    ],
  },
  ({ toolResult }) =>
    `read=${toolResult('c1')} note=${toolResult('c2')} vault=${toolResult('c3')} unmapped=${toolResult('c4')}`,
];

async function expectMixed(text: string, ran: unknown[]): Promise<void> {
  expect(ran).toEqual([['read', 7]]);
  expect(text).toContain('read={"subject":"ticket 7"}');
  expect(text).toMatch(/note={"error":"CallPending: Not run yet: a person has been asked to approve this call \(/);
  expect(text).toContain(`vault=${said(notPermitted)}`);
  expect(text).toContain(`unmapped=${said(notPermitted)}`);
}

describe('a loop with parallel calls: one allowed, one to be approved later, two denied', () => {
  for (const api of ['responses', 'chat'] as const) {
    verifies(
      ['ADP-1', 'ADP-6', 'CAP-3', 'CAP-6'],
      `generateText over ${api}: each call gets its own answer and the run goes on`,
      async () => {
        const { gate, kinds } = fixture();
        const model = (await serve(mixed))[api];
        const ran: unknown[] = [];
        const result = await generateText({
          model,
          tools: guardTools(tools(ran), gate),
          stopWhen: isStepCount(3),
          prompt: 'go',
        });
        await expectMixed(result.text, ran);
        expect((await kinds()).toSorted()).toEqual([
          'approval:opened',
          'claim:claimed',
          'decision:allow',
          'decision:deny',
          'decision:deny',
          'decision:review',
          'outcome:completed',
        ]);
      },
    );

    verifies(['ADP-1', 'ADP-6'], `streamText over ${api}: the same`, async () => {
      const { gate } = fixture();
      const model = (await serve(mixed))[api];
      const ran: unknown[] = [];
      const result = streamText({ model, tools: guardTools(tools(ran), gate), stopWhen: isStepCount(3), prompt: 'go' });
      await expectMixed(await result.text, ran);
    });
  }

  verifies(['ADP-1', 'ADP-6'], 'ToolLoopAgent: the same, generated and streamed', async () => {
    for (const method of ['generate', 'stream'] as const) {
      const { gate } = fixture();
      const { responses: model } = await serve(mixed);
      const ran: unknown[] = [];
      const agent = new ToolLoopAgent({ model, tools: guardTools(tools(ran), gate) });
      await expectMixed(await (await agent[method]({ prompt: 'go' })).text, ran);
    }
  });
});

verifies(['ADP-6'], 'a policy, a user directory or a store that throws is a denial, and the run goes on', async () => {
  const broken = () => {
    throw new Error('tenant acme, agent support: the policy server is down');
  };
  const { gate } = fixture({ policy: { decide: broken, version: broken, tools: broken, permittedTools: broken } });
  const { responses: model, server } = await serve([{ calls: [{ name: 'read', id: 'c1', args: { id: 1 } }] }, 'done']);
  const ran: unknown[] = [];
  const result = await generateText({
    model,
    tools: guardTools(tools(ran), gate),
    stopWhen: isStepCount(3),
    prompt: 'go',
  });
  expect(result.text).toBe('done');
  expect(ran).toEqual([]);
  expect(server.seen()).toContain('This call could not be checked, so it was not run. Nothing was executed.');
  expect(server.seen()).not.toContain('policy server');
});

describe('who is behind a call', () => {
  const turns: readonly ScriptedTurn[] = [
    { calls: [{ name: 'read', id: 'c1', args: { id: 1 } }] },
    ({ toolResult }) => `${toolResult('c1')}`,
  ];

  for (const [name, source] of [
    ['a resolver that answers nothing', () => undefined],
    ['a resolver that throws', () => Promise.reject(new Error('no session'))],
    [
      'a look-alike of a gate',
      () => ({ principal: { tenant: 'acme', user: 'alice', agent: 'support', delegation: [] } }) as never,
    ],
    ['no ambient gate', ambientGate],
  ] as const) {
    verifies(['ADP-6', 'CAP-3'], `${name}: the call is denied and the run goes on`, async () => {
      const { responses: model } = await serve(turns);
      const ran: unknown[] = [];
      const result = await generateText({
        model,
        tools: guardTools(tools(ran), source),
        stopWhen: isStepCount(3),
        prompt: 'go',
      });
      expect(result.text).toBe(said(notPermitted));
      expect(ran).toEqual([]);
    });
  }

  verifies(
    ['ADP-1', 'CAP-3'],
    'one tool set serves two users at the same time, each by their own ambient gate',
    async () => {
      const { countersign } = fixture();
      const users: unknown[] = [];
      const shared = guardTools(
        {
          read: tool({
            inputSchema: z.object({ id: z.number() }),
            execute: async () => {
              const { user, run } = currentCall();
              users.push([user, run]);
              await new Promise((resolve) => setTimeout(resolve, 10));
              return user;
            },
          }),
        },
        ambientGate,
      );
      const ask = async (user: string, streamed: boolean): Promise<string> => {
        const { responses: model } = await serve(turns);
        const principal = countersign.principal({ tenant: 'acme', user, agent: 'support' });
        const options = { model, tools: shared, stopWhen: isStepCount(3), prompt: 'go' } as const;
        return countersign.within({ principal, run: `run-${user}` }, async () =>
          streamed ? await streamText(options).text : (await generateText(options)).text,
        );
      };
      for (const streamed of [false, true]) {
        expect(await Promise.all([ask('alice', streamed), ask('bob', streamed)])).toEqual(['alice', 'bob']);
      }
      expect(users).toContainEqual(['bob', 'run-bob']);
    },
  );

  test('a resolver sees the tool, the id and the server-side context of the call, and no message and no argument', async () => {
    const { gate } = fixture();
    const { responses: model } = await serve(turns);
    const seen: unknown[] = [];
    const guarded = guardTools(
      {
        read: tool({
          inputSchema: z.object({ id: z.number() }),
          contextSchema: z.object({ session: z.string() }),
          execute: (_input, { context }) => context.session,
        }),
      },
      (context) => {
        seen.push(context);
        return gate;
      },
    );
    const toolsContext = { read: { session: 's-1' } };
    const result = await generateText({ model, tools: guarded, toolsContext, stopWhen: isStepCount(3), prompt: 'go' });
    expect(result.text).toBe('s-1');
    expect(seen).toEqual([
      { toolName: 'read', toolCallId: 'c1', toolContext: { session: 's-1' } },
      { toolName: 'read', toolCallId: 'c1', toolContext: { session: 's-1' } },
    ]);
  });
});

describe('what is kept of a tool', () => {
  const turns: readonly ScriptedTurn[] = [{ calls: [{ name: 'read', id: 'c1', args: { id: 3 } }] }, 'done'];

  verifies('ADP-1', 'generator tools stream, and stream nothing twice', async () => {
    const ran: unknown[] = [];
    const raw = {
      read: tool({
        inputSchema: z.object({ id: z.number() }),
        async *execute({ id }) {
          ran.push(id);
          yield { part: 1 };
          yield { part: 2 };
        },
      }),
    };
    const results: unknown[] = [];
    for (const guarded of [raw, guardTools(raw, fixture().gate)]) {
      const { responses: model } = await serve(turns);
      const stream = streamText({ model, tools: guarded, stopWhen: isStepCount(3), prompt: 'go' });
      const parts: unknown[] = [];
      for await (const part of stream.fullStream)
        if (part.type === 'tool-result') parts.push([part.preliminary, part.output]);
      results.push(parts);
    }
    expect(results[0]).toEqual([
      [true, { part: 1 }],
      [true, { part: 2 }],
      [undefined, { part: 2 }],
    ]);
    expect(results[1]).toEqual(results[0]);
    expect(ran).toEqual([3, 3]);
  });

  verifies(
    'ADP-1',
    'a plain function that returns an iterable: its last value, or a stream when it is declared',
    async () => {
      async function* parts() {
        yield 1;
        yield 2;
      }
      const outputs = async (streaming: readonly 'read'[]): Promise<unknown> => {
        const { responses: model } = await serve(turns);
        const read = tool({ inputSchema: z.object({ id: z.number() }), execute: () => parts() });
        const guarded = guardTools({ read }, fixture().gate, { streaming });
        const found: unknown[] = [];
        for await (const part of streamText({ model, tools: guarded, stopWhen: isStepCount(3), prompt: 'go' })
          .fullStream) {
          if (part.type === 'tool-result') found.push([part.preliminary ?? false, part.output]);
        }
        return found;
      };
      expect(await outputs([])).toEqual([[false, 2]]);
      expect(await outputs(['read'])).toEqual([
        [true, 1],
        [true, 2],
        [false, 2],
      ]);
    },
  );

  test('a plain tool stays plain: its result is not announced as preliminary', async () => {
    const { responses: model } = await serve(turns);
    const read = tool({ inputSchema: z.object({ id: z.number() }), execute: ({ id }) => id });
    const stream = streamText({
      model,
      tools: guardTools({ read }, fixture().gate),
      stopWhen: isStepCount(3),
      prompt: 'go',
    });
    const found: unknown[] = [];
    for await (const part of stream.fullStream)
      if (part.type === 'tool-result') found.push([part.preliminary ?? false, part.output]);
    expect(found).toEqual([[false, 3]]);
  });

  verifies('ADP-1', 'a class with private members, getters and its own this', async () => {
    class Ticket {
      readonly #secret = 'inner';
      readonly description = 'reads';
      get inputSchema() {
        return z.object({ id: z.number() });
      }
      execute({ id }: { id: number }): string {
        return `${this.#secret} ${id}`;
      }
    }
    const { responses: model } = await serve([turns[0] as ScriptedTurn, ({ toolResult }) => `${toolResult('c1')}`]);
    const guarded = guardTools({ read: new Ticket() } as unknown as ToolSet, fixture().gate);
    expect((await generateText({ model, tools: guarded, stopWhen: isStepCount(3), prompt: 'go' })).text).toBe(
      'inner 3',
    );
  });

  verifies('ADP-1', 'dynamic tools, parsed arguments with defaults, dates and URLs', async () => {
    const seen: unknown[] = [];
    const { responses: model } = await serve([
      {
        calls: [
          { name: 'read', id: 'c1', args: { at: '2030-01-02', url: 'https://example.test/a' } },
          { name: 'echo', id: 'c2', args: { free: [1] } },
        ],
      },
      'done',
    ]);
    const raw = {
      read: tool({
        inputSchema: z.object({
          at: z.string().transform((text) => new Date(text)),
          url: z.string().transform((text) => new URL(text)),
          size: z.number().default(5),
        }),
        execute: (input) => seen.push(input),
      }),
      echo: {
        ...dynamicTool({ inputSchema: z.looseObject({}), execute: async (input) => seen.push(input) }),
        metadata: { clientName: 'demo' },
      },
    };
    await generateText({ model, tools: guardTools(raw, fixture().gate), stopWhen: isStepCount(3), prompt: 'go' });
    expect(seen).toEqual([
      { at: new Date('2030-01-02'), url: new URL('https://example.test/a'), size: 5 },
      { free: [1] },
    ]);
  });

  test('what a tool throws reaches the model as before', async () => {
    const { responses: model } = await serve([turns[0] as ScriptedTurn, ({ toolResult }) => `${toolResult('c1')}`]);
    const read = tool({
      inputSchema: z.object({ id: z.number() }),
      execute: (): number => {
        throw new RangeError('no ticket 3');
      },
    });
    const result = await generateText({
      model,
      tools: guardTools({ read }, fixture().gate),
      stopWhen: isStepCount(3),
      prompt: 'go',
    });
    expect(result.text).toBe(said('RangeError: no ticket 3'));
    expect(shown(result.steps[0]?.content ?? [])).toEqual([['tool-error', 'read', 'RangeError']]);
  });
});

verifies(
  ['ADP-1', 'ADP-6'],
  'a leased secret is in no request to the model, no result, no error and no message',
  async () => {
    const canary = 'canary-7f3a9c1e5b';
    const mail: CredentialProvider = {
      name: 'mail',
      services: ['mail'],
      maxLifetimeMs: 60_000,
      revocable: true,
      findable: true,
      get: async ({ ttlMs }) => ({ credentialId: 'm1', secret: new Secret(canary), expiresAt: Date.now() + ttlMs }),
      provision: async () => undefined,
      revoke: async () => undefined,
      rotate: async () => undefined,
    };
    const { gate } = fixture({ credentials: [mail] });
    const { responses: model, server } = await serve([
      {
        calls: [
          { name: 'send', id: 'c1', args: { fail: false } },
          { name: 'send', id: 'c2', args: { fail: true } },
        ],
      },
      'done',
    ]);
    const used: string[] = [];
    const send = tool({
      inputSchema: z.object({ fail: z.boolean() }),
      execute: ({ fail }) => {
        const token = currentLease('mail').secret.reveal();
        used.push(token);
        if (fail) throw new Error(`401 for Bearer ${token}`);
        return { sent: true, echoed: `Bearer ${token}`, encoded: Buffer.from(token).toString('base64') };
      },
    });
    const result = await generateText({
      model,
      tools: guardTools({ send }, gate),
      stopWhen: isStepCount(3),
      prompt: 'go',
    });
    expect(used).toEqual([canary, canary]);
    const everything = [
      server.seen(),
      JSON.stringify(result.steps),
      ...result.steps.flatMap(({ content }) => content.map((part) => ('error' in part ? String(part.error) : ''))),
    ].join('\n');
    expect(everything).toContain('"sent":true');
    for (const form of [canary, Buffer.from(canary).toString('base64'), encodeURIComponent(canary)])
      expect(everything).not.toContain(form);
  },
);

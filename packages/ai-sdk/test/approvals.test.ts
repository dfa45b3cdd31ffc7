import type { Gate } from '@countersign/core';
import {
  convertToModelMessages,
  generateText,
  isStepCount,
  readUIMessageStream,
  streamText,
  tool,
  type ModelMessage,
  type ToolSet,
  type UIMessage,
} from 'ai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { guardTools, recordApprovalResponses } from '../src/index.ts';
import { aliceAsApprover, carol, fixture, overTheWire, shown } from './support/fixture.ts';
import { mockModel, type MockTurn } from './support/mock-model.ts';

const start: readonly ModelMessage[] = [{ role: 'user', content: 'refund 500' }];
const refund: MockTurn = [{ name: 'pay', id: 'c1', input: { amount: 500 } }];

function payTool(ran: unknown[]) {
  return {
    pay: tool({
      inputSchema: z.object({ amount: z.number() }),
      execute: ({ amount }) => {
        ran.push(amount);
        return { paid: amount };
      },
    }),
  };
}

interface Chat {
  readonly messages: ModelMessage[];
  readonly content: readonly { readonly type: string }[];
  readonly finishReason: string;
  /** What the model was told in the last request. */
  readonly told: string;
}

/** One request of a chat: a new tool set for the gate of that request, and a history that went through the client. */
async function request(
  gate: Gate,
  ran: unknown[],
  messages: readonly ModelMessage[],
  turns: readonly MockTurn[],
): Promise<Chat> {
  const model = mockModel(turns);
  const tools = guardTools(payTool(ran), gate);
  const result = await generateText({ model, tools, messages: [...messages], stopWhen: isStepCount(5) });
  return {
    messages: overTheWire([...messages, ...result.responseMessages]),
    content: result.content,
    finishReason: result.finishReason,
    told: JSON.stringify(model.doGenerateCalls.at(-1)?.prompt),
  };
}

/** The client's answer to the last request for approval. */
function answer(messages: readonly ModelMessage[], approved: boolean): ModelMessage[] {
  const parts = messages.flatMap(({ role, content }) =>
    role === 'assistant' && typeof content !== 'string' ? content : [],
  );
  const asked = parts.findLast((part) => part.type === 'tool-approval-request');
  if (asked?.type !== 'tool-approval-request') throw new Error('nothing was asked');
  return overTheWire([
    ...messages,
    { role: 'tool', content: [{ type: 'tool-approval-response', approvalId: asked.approvalId, approved }] },
  ]);
}

describe('a blocking approval', () => {
  verifies(
    ['ADP-1', 'APR-4', 'APR-5', 'APR-8'],
    'suspends the run, survives a restart, runs once, and answers every replay from the store',
    async () => {
      const { gate, restarted, decide, kinds } = fixture();
      const ran: unknown[] = [];
      const first = await request(gate, ran, start, [refund]);
      expect(first.finishReason).toBe('tool-calls');
      expect(shown(first.content)).toEqual([['tool-approval-request']]);
      expect(ran).toEqual([]);

      expect(await decide('approve')).toHaveLength(1);
      const approved = answer(first.messages, true);
      const second = await request(restarted(), ran, approved, ['paid']);
      expect(ran).toEqual([500]);
      expect(second.told).toContain('"output":{"type":"json","value":{"paid":500}}');

      for (const again of [gate, restarted()]) {
        const replayed = await request(again, ran, approved, ['paid']);
        expect(replayed.told).toContain('"output":{"type":"json","value":{"paid":500}}');
      }
      expect(ran).toEqual([500]);
      const expected = [
        'approval:approved',
        'approval:opened',
        'claim:claimed',
        'decision:review',
        'outcome:completed',
      ];
      expect((await kinds()).toSorted()).toEqual(expected);
    },
  );

  verifies(['APR-5', 'APR-8'], 'the same streamed, through UI messages and their chunks', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const stream = streamText({
      model: mockModel([refund]),
      tools: guardTools(payTool(ran), f.gate),
      messages: [...start],
    });
    let message: UIMessage | undefined;
    for await (const read of readUIMessageStream({ stream: stream.toUIMessageStream() })) message = read;
    const asked = overTheWire(message) as UIMessage;
    const part = asked.parts.find(({ type }) => type === 'tool-pay') as {
      state: string;
      approval: { id: string; approved?: boolean };
    };
    expect(part.state).toBe('approval-requested');
    part.state = 'approval-responded';
    part.approval.approved = true;

    const recorded = await recordApprovalResponses({
      messages: [asked],
      approvals: f.approvals,
      credential: carol,
      gate: f.gate,
    });
    expect(recorded).toEqual([
      { toolCallId: 'c1', status: 'approved', approval: expect.stringMatching(/^apr\.acme\./) as string },
    ]);
    const tools = guardTools(payTool(ran), f.restarted());
    const messages = [...start, ...(await convertToModelMessages([asked], { tools }))];
    const resumed = streamText({ model: mockModel(['paid']), tools, messages, stopWhen: isStepCount(3) });
    const types: string[] = [];
    for await (const { type } of resumed.toUIMessageStream()) types.push(type);
    expect(types).toContain('tool-output-available');
    expect(ran).toEqual([500]);
  });

  verifies('APR-5', 'the yes of a client is no approval: nothing runs, and the run goes on', async () => {
    const { gate, decide } = fixture();
    const ran: unknown[] = [];
    const first = await request(gate, ran, start, [refund]);
    const second = await request(gate, ran, answer(first.messages, true), ['waiting']);
    expect(second.told).toContain('CallPending: Not run: this call is blocked until a person approves it');
    expect(ran).toEqual([]);
    await decide('approve');
    await request(gate, ran, answer(first.messages, true), ['paid']);
    expect(ran).toEqual([500]);
  });

  verifies('APR-5', 'a rejection on the server cannot be flipped by the client', async () => {
    const { gate, restarted, decide } = fixture();
    const ran: unknown[] = [];
    const first = await request(gate, ran, start, [refund]);
    await decide('reject');
    for (const again of [gate, restarted()]) {
      const flipped = await request(again, ran, answer(first.messages, true), ['too bad']);
      expect(flipped.told).toContain('UnauthorizedToolCall: A person rejected this call. Do not retry it.');
    }
    expect(ran).toEqual([]);
  });

  test('the no of a client is respected, whatever the server says', async () => {
    const { gate, decide } = fixture();
    const ran: unknown[] = [];
    const first = await request(gate, ran, start, [refund]);
    await decide('approve');
    const second = await request(gate, ran, answer(first.messages, false), ['fine']);
    expect(second.told).toContain('execution-denied');
    expect(ran).toEqual([]);
  });

  verifies(
    ['APR-4', 'APR-5'],
    'is for its arguments, its tool and its run, and for nothing else that a client makes of it',
    async () => {
      const { gate, countersign, decide } = fixture();
      const ran: unknown[] = [];
      const first = await request(gate, ran, start, [refund]);
      await decide('approve');
      const approved = answer(first.messages, true);
      const changed = JSON.parse(JSON.stringify(approved).replaceAll('500', '900')) as ModelMessage[];
      const moved = JSON.parse(JSON.stringify(approved).replaceAll('"c1"', '"c2"')) as ModelMessage[];
      for (const messages of [changed, moved]) {
        expect((await request(gate, ran, messages, ['no'])).told).toMatch(
          /UnauthorizedToolCall: (The id of this call was used before|No such call is waiting)/,
        );
      }
      const other = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-2' });
      const bob = countersign.gate({ tenant: 'acme', user: 'bob', agent: 'support', run: 'run-1' });
      for (const stranger of [other, bob]) {
        expect((await request(stranger, ran, approved, ['no'])).told).toMatch(/UnauthorizedToolCall: /);
      }
      expect(ran).toEqual([]);
      await request(gate, ran, approved, ['paid']);
      expect(ran).toEqual([500]);
    },
  );

  verifies(['APR-4', 'APR-8'], 'two calls that a provider gave one id are two calls with two approvals', async () => {
    const { gate, decide } = fixture();
    const ran: unknown[] = [];
    const first = await request(gate, ran, start, [refund]);
    await decide('approve');
    const paid = await request(gate, ran, answer(first.messages, true), ['paid']);
    const more: ModelMessage[] = [...paid.messages, { role: 'user', content: 'and again' }];
    const second = await request(gate, ran, more, [refund]);
    expect(shown(second.content)).toEqual([['tool-approval-request']]);
    expect(ran).toEqual([500]);
    await decide('approve');
    const last = await request(gate, ran, answer(second.messages, true), ['paid again']);
    expect(ran).toEqual([500, 500]);
    expect(last.told).not.toContain('Error');
  });

  test('parallel calls: what needs nobody runs at once, what is denied says so, and only the other waits', async () => {
    const { gate, decide } = fixture();
    const ran: unknown[] = [];
    const calls = [500, 5, -1].map((amount, index) => ({ name: 'pay', id: `c${index}`, input: { amount } }));
    const first = await request(gate, ran, start, [calls]);
    expect(ran).toEqual([5]);
    expect(shown(first.content)).toEqual([
      ['tool-result', 'pay', { paid: 5 }],
      ['tool-error', 'pay', 'UnauthorizedToolCall'],
      ['tool-approval-request'],
    ]);
    await decide('approve');
    const second = await request(gate, ran, answer(first.messages, true), ['done']);
    expect(ran).toEqual([5, 500]);
    expect(second.told).toContain('not permitted with these arguments');
  });
});

describe("a tool's own rule", () => {
  const askedBy = (ran: unknown[], gate: Gate) =>
    guardTools(
      {
        read: tool({
          needsApproval: true,
          inputSchema: z.object({ id: z.number() }),
          execute: ({ id }) => ran.push(id),
        }),
      },
      gate,
    );
  const read: MockTurn = [{ name: 'read', id: 'c1', input: { id: 7 } }];

  verifies(
    ['ADP-1', 'APR-8'],
    'still pauses a call that the policy permits; resumed it runs once, also after a restart',
    async () => {
      const { gate, restarted, kinds } = fixture();
      const ran: unknown[] = [];
      const first = await generateText({ model: mockModel([read]), tools: askedBy(ran, gate), messages: [...start] });
      expect(shown(first.content)).toEqual([['tool-approval-request']]);
      const messages = answer([...start, ...overTheWire(first.responseMessages)], true);
      for (let time = 0; time < 2; time += 1) {
        const model = mockModel(['ok']);
        await generateText({ model, tools: askedBy(ran, restarted()), messages });
        expect(JSON.stringify(model.doGenerateCalls[0]?.prompt)).toContain('"output":{"type":"json","value":1}');
      }
      expect(ran).toEqual([7]);
      expect((await kinds()).toSorted()).toEqual(['claim:claimed', 'decision:allow', 'outcome:completed']);
    },
  );

  test('that fails asks a person, and does not end the run', async () => {
    const needsApproval = (): boolean => {
      throw new Error('down');
    };
    const tools = guardTools(
      { read: tool({ needsApproval, inputSchema: z.object({ id: z.number() }), execute: ({ id }) => id }) },
      fixture().gate,
    );
    const result = await generateText({ model: mockModel([read]), tools, prompt: 'x' });
    expect(shown(result.content)).toEqual([['tool-approval-request']]);
  });

  test('cannot stand in for the approval that the policy asks for', async () => {
    const { gate } = fixture();
    const ran: unknown[] = [];
    const raw = { deploy: tool({ needsApproval: () => false, inputSchema: z.object({}), execute: () => ran.push(1) }) };
    const result = await generateText({
      model: mockModel([[{ name: 'deploy' }]]),
      tools: guardTools(raw, gate),
      prompt: 'x',
    });
    expect(shown(result.content)).toEqual([['tool-approval-request']]);
    expect(ran).toEqual([]);
  });
});

describe('answers in a chat become votes', () => {
  async function asked(f: ReturnType<typeof fixture>, approved: boolean): Promise<ModelMessage[]> {
    return answer((await request(f.gate, [], start, [refund])).messages, approved);
  }

  verifies(
    'APR-5',
    'of the person who is signed in: the requester is refused, and another person decides',
    async () => {
      const f = fixture();
      const messages = await asked(f, true);
      const common = { messages, approvals: f.approvals, gate: f.gate };
      expect(await recordApprovalResponses({ ...common, credential: aliceAsApprover })).toMatchObject([
        { status: 'refused', error: { code: 'ERR_APPROVER' } },
      ]);
      await expect(recordApprovalResponses({ ...common, credential: 'forged' })).rejects.toMatchObject({
        code: 'ERR_APPROVER',
      });
      expect(await recordApprovalResponses({ ...common, credential: carol })).toMatchObject([
        { toolCallId: 'c1', status: 'approved' },
      ]);
      expect(await recordApprovalResponses({ ...common, credential: carol })).toEqual([
        { toolCallId: 'c1', status: 'not_found' },
      ]);
    },
  );

  test('a rejection is recorded as one, and so is everything that is not exactly a yes', async () => {
    for (const approved of [false, 'true', 1, null]) {
      const f = fixture();
      const messages = await asked(f, approved as boolean);
      const recorded = await recordApprovalResponses({
        messages,
        approvals: f.approvals,
        credential: carol,
        gate: f.gate,
      });
      expect(recorded).toMatchObject([{ status: 'rejected' }]);
    }
  });

  test('what is not waiting is not found: other arguments, another tool, another run', async () => {
    const f = fixture();
    const text = JSON.stringify(await asked(f, true));
    const find = (changed: string, gate = f.gate) =>
      recordApprovalResponses({
        messages: JSON.parse(changed) as ModelMessage[],
        approvals: f.approvals,
        credential: carol,
        gate,
      });
    expect(await find(text.replaceAll('500', '501'))).toMatchObject([{ status: 'not_found' }]);
    expect(await find(text.replaceAll('"pay"', '"deploy"'))).toMatchObject([{ status: 'not_found' }]);
    for (const other of [{ run: 'run-2' }, { user: 'bob' }]) {
      const gate = f.countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1', ...other });
      expect(await find(text, gate)).toMatchObject([{ status: 'not_found' }]);
    }
    for (const broken of ['[null]', '"x"', '[{"parts":null}]', '[{"role":"tool","content":7}]']) {
      expect(await find(broken)).toEqual([]);
    }
    expect(await find('[]')).toEqual([]);
    expect(await find('[{"role":"user","content":"hi"}]')).toEqual([]);
    expect(await find(text)).toMatchObject([{ status: 'approved' }]);
  });

  verifies('APR-5', 'an answer that arrives again is none to another call that looks the same', async () => {
    const f = fixture();
    const messages = await asked(f, true);
    const common = { approvals: f.approvals, gate: f.gate, credential: carol };
    await recordApprovalResponses({ ...common, messages });
    const again = await request(f.gate, [], start, [[{ ...refund[0], id: 'c2' }] as typeof refund]);
    expect(await recordApprovalResponses({ ...common, messages })).toEqual([{ toolCallId: 'c1', status: 'not_found' }]);
    expect(again.messages.length).toBeGreaterThan(0);
    expect(await f.approvals.list(carol, { state: 'pending' })).toHaveLength(1);
  });

  test('of two answers for one call the first counts, as in the SDK', async () => {
    const f = fixture();
    const messages = await asked(f, false);
    const last = messages.at(-1) as Extract<ModelMessage, { role: 'tool' }>;
    last.content.push({
      ...(last.content[0] as { type: 'tool-approval-response'; approvalId: string; approved: boolean }),
      approved: true,
    });
    const recorded = await recordApprovalResponses({
      messages,
      approvals: f.approvals,
      credential: carol,
      gate: f.gate,
    });
    expect(recorded).toMatchObject([{ status: 'rejected' }]);
  });
});

describe('where the SDK has no pause', () => {
  verifies('APR-8', 'a sub-agent waits inside the call for the decision', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const inner = guardTools(payTool(ran), f.gate.delegate('support'), { wait: true });
    const outer = {
      code: tool({
        inputSchema: z.object({}),
        execute: async () =>
          (
            await generateText({
              model: mockModel([refund, 'inner done']),
              tools: inner,
              stopWhen: isStepCount(3),
              prompt: 'x',
            })
          ).text,
      }),
    };
    const running = generateText({
      model: mockModel([[{ name: 'code', id: 'o1' }], 'outer done']),
      tools: guardTools(outer, f.gate),
      stopWhen: isStepCount(3),
      prompt: 'x',
    });
    while ((await f.decide('approve')).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const result = await running;
    expect(shown(result.steps[0]?.content ?? [])).toEqual([['tool-result', 'code', 'inner done']]);
    expect(ran).toEqual([500]);
  });

  verifies(
    'APR-8',
    'without waiting, a sub-agent natively loses its request; the call is still filed, and nothing ran',
    async () => {
      const f = fixture();
      const ran: unknown[] = [];
      const result = await generateText({
        model: mockModel([refund]),
        tools: guardTools(payTool(ran), f.gate),
        stopWhen: isStepCount(3),
        prompt: 'x',
      });
      expect([result.text, result.finishReason]).toEqual(['', 'tool-calls']);
      expect(await f.approvals.list(carol, { state: 'pending' })).toHaveLength(1);
      expect(ran).toEqual([]);
    },
  );
});

describe('an asynchronous approval', () => {
  const noteTool = (ran: unknown[]) => ({
    note: tool({
      description: 'Adds a note',
      inputSchema: z.object({ at: z.string().transform((text) => new Date(text)) }),
      async *execute({ at }) {
        ran.push(at);
        yield 'half';
        yield 'written';
      },
    }),
  });

  verifies(['ADP-1', 'APR-4'], 'runs the guarded tool later, once, in any process that holds it', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const guarded = guardTools(noteTool(ran), f.gate);
    const turns: MockTurn[] = [[{ name: 'note', id: 'c1', input: { at: '2030-01-01' } }], 'later'];
    const result = await generateText({
      model: mockModel(turns),
      tools: guarded,
      stopWhen: isStepCount(3),
      prompt: 'x',
    });
    expect(shown(result.steps[0]?.content ?? [])).toEqual([['tool-error', 'note', 'CallPending']]);
    const [id = ''] = await f.decide('approve');
    const elsewhere = guardTools(noteTool(ran), f.restarted());
    expect(await f.countersign.approvals.run(id, { tools: elsewhere })).toMatchObject({
      status: 'completed',
      result: 'written',
      replayed: false,
    });
    expect(await f.countersign.approvals.run(id, { tools: guarded })).toMatchObject({
      status: 'completed',
      result: 'written',
      replayed: true,
    });
    expect(ran).toEqual([new Date('2030-01-01')]);
  });

  test('does not run a tool that changed since, nor one that needs the live context of the SDK', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const raw = noteTool(ran);
    const turns: MockTurn[] = [[{ name: 'note', id: 'c1', input: { at: '2030-01-01' } }], 'later'];
    await generateText({
      model: mockModel(turns),
      tools: guardTools(raw, f.gate),
      stopWhen: isStepCount(3),
      prompt: 'x',
    });
    const [id = ''] = await f.decide('approve');
    const renamed = { note: { ...raw.note, description: 'Sends a note to everybody' } } as unknown as ToolSet;
    const contextual = { note: { ...raw.note, contextSchema: z.object({}) } } as unknown as ToolSet;
    for (const tools of [renamed, contextual]) {
      expect(await f.countersign.approvals.run(id, { tools: guardTools(tools, f.gate) })).toMatchObject({
        status: 'denied',
      });
    }
    expect(ran).toEqual([]);
  });
});

describe('arguments that an approver edits', () => {
  const edit = async (f: ReturnType<typeof fixture>, text: string): Promise<void> => {
    const [waiting] = await f.approvals.list(carol, { state: 'pending' });
    const { id, digest } = waiting ?? { id: '', digest: '' };
    await f.approvals.edit(carol, { id, digest, arguments: text });
  };

  verifies(['APR-7', 'ADP-1'], 'run in place of what the model sent, once', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const first = await request(f.gate, ran, start, [refund]);
    await edit(f, '{"amount": 101}');
    await f.decide('approve');
    const second = await request(f.restarted(), ran, answer(first.messages, true), ['paid']);
    expect(second.told).toContain('"value":{"paid":101}');
    await request(f.gate, ran, answer(first.messages, true), ['paid']);
    expect(ran).toEqual([101]);
  });

  verifies('APR-7', 'do not run when the schema of the tool does not permit them', async () => {
    const f = fixture();
    const ran: unknown[] = [];
    const noteTool = tool({ inputSchema: z.object({ text: z.string() }), execute: ({ text }) => void ran.push(text) });
    const tools = guardTools({ note: noteTool }, f.gate);
    const model = mockModel([[{ name: 'note', id: 'c1', input: { text: 'hello' } }], 'noted']);
    await generateText({ model, tools, prompt: 'note it', stopWhen: isStepCount(5) });
    await edit(f, '{"text": 7}');
    const [id = ''] = await f.decide('approve');
    expect(await f.countersign.approvals.run(id, { tools })).toMatchObject({
      status: 'denied',
      reason: 'arguments_invalid',
    });
    expect(ran).toEqual([]);
  });
});

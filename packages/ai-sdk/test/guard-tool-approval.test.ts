import {
  generateText,
  isStepCount,
  tool,
  type ModelMessage,
  type ToolApprovalConfiguration,
  type ToolApprovalStatus,
  type ToolSet,
} from 'ai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { guardToolApproval, guardTools } from '../src/index.ts';
import { fixture, overTheWire, shown, type Fixture } from './support/fixture.ts';
import { mockModel, type MockTurn } from './support/mock-model.ts';

const start: readonly ModelMessage[] = [{ role: 'user', content: 'go' }];
const large: MockTurn = [{ name: 'pay', id: 'c1', input: { amount: 500 } }];
const small: MockTurn = [{ name: 'pay', id: 'c1', input: { amount: 5 } }];

type Rules = ToolApprovalConfiguration<ToolSet, unknown>;

interface Chat {
  readonly f: Fixture;
  readonly ran: unknown[];
  readonly tools: ToolSet;
  readonly ask: (
    messages: readonly ModelMessage[],
    turns: readonly MockTurn[],
    rules?: Rules,
  ) => Promise<{ readonly seen: readonly unknown[]; readonly messages: ModelMessage[] }>;
}

function chat(more: { readonly needsApproval?: boolean } = {}): Chat {
  const f = fixture();
  const ran: unknown[] = [];
  const raw: ToolSet = {
    pay: tool({
      ...more,
      inputSchema: z.object({ amount: z.number() }),
      execute: ({ amount }) => {
        ran.push(amount);
        return 'paid';
      },
    }),
  };
  const tools = guardTools(raw, f.gate);
  const ask: Chat['ask'] = async (messages, turns, rules) => {
    const { responseMessages, steps } = await generateText({
      model: mockModel(turns),
      tools,
      messages: [...messages],
      stopWhen: isStepCount(4),
      ...(rules && { toolApproval: rules as never }),
    });
    return {
      seen: steps.flatMap(({ content }) => shown(content)),
      messages: overTheWire([...messages, ...responseMessages]),
    };
  };
  return { f, ran, tools, ask };
}

/** What a client sends back: the messages, and a yes. */
function yes(messages: readonly ModelMessage[]): ModelMessage[] {
  const parts = messages.flatMap(({ role, content }) =>
    role === 'assistant' && typeof content !== 'string' ? content : [],
  );
  const asked = parts.findLast((part) => part.type === 'tool-approval-request');
  const approvalId = asked?.type === 'tool-approval-request' ? asked.approvalId : '';
  return [...messages, { role: 'tool', content: [{ type: 'tool-approval-response', approvalId, approved: true }] }];
}

function resultsIn(messages: readonly ModelMessage[]): readonly unknown[] {
  return messages.flatMap(({ role, content }) =>
    role === 'tool' ? content.flatMap((part) => (part.type === 'tool-result' ? [part.output] : [])) : [],
  );
}

const pausing: Readonly<Record<string, Rules>> = {
  'a status for the tool': { pay: 'user-approval' },
  'a function for the tool': { pay: () => ({ type: 'user-approval' }) },
  'a function for every tool': async () => 'user-approval' as const,
};

const lenient: Readonly<Record<string, Rules>> = {
  'no rule for the tool': {},
  'null in place of a status': { pay: null as never },
  'automatic approval of the tool': { pay: 'approved' },
  'automatic approval with a reason': { pay: () => ({ type: 'approved', reason: 'trusted' }) },
  'a function that answers nothing': () => undefined,
  'a function that answers a status that does not exist': () => 'fine' as ToolApprovalStatus,
};

describe.each(Object.entries(pausing))('a request that pauses by %s', (_form, rules) => {
  verifies(
    ['APR-4'],
    'a permitted call resumes after the yes, runs once, and again gives the same answer',
    async () => {
      const { ask, ran, tools } = chat();
      const approval = guardToolApproval(tools, rules);
      const first = await ask(start, [small], approval);
      expect([first.seen, ran]).toEqual([[['tool-approval-request']], []]);
      for (let attempt = 0; attempt < 2; attempt += 1) {
        const resumed = await ask(yes(first.messages), ['ok'], approval);
        expect(resultsIn(resumed.messages)).toEqual([{ type: 'text', value: 'paid' }]);
      }
      expect(ran).toEqual([5]);
    },
  );

  test('without the guard the gate takes the resumed call for an invented one', async () => {
    const { ask, ran } = chat();
    const first = await ask(start, [small], rules);
    await ask(yes(first.messages), ['ok'], rules);
    expect(ran).toEqual([]);
  });

  verifies(['APR-4'], 'a yes of the client is no vote: high risk waits for one', async () => {
    const { ask, ran, tools, f } = chat();
    const approval = guardToolApproval(tools, rules);
    const first = await ask(start, [large], approval);
    await ask(yes(first.messages), ['ok'], approval);
    expect(ran).toEqual([]);
    expect(await f.decide('approve')).toHaveLength(1);
    await ask(yes(first.messages), ['ok'], approval);
    expect(ran).toEqual([500]);
  });
});

describe.each(Object.entries(lenient))('a request with %s', (_form, rules) => {
  verifies(
    ['APR-4'],
    'does not silence the pause that the policy wants, and a vote still lets the call run',
    async () => {
      const { ask, ran, tools, f } = chat();
      const approval = guardToolApproval(tools, rules);
      const first = await ask(start, [large], approval);
      expect([first.seen, ran]).toEqual([[['tool-approval-request']], []]);
      await f.decide('approve');
      await ask(yes(first.messages), ['ok'], approval);
      expect(ran).toEqual([500]);
    },
  );

  test('does not silence the rule of the tool itself', async () => {
    const { ask, ran, tools } = chat({ needsApproval: true });
    const { seen } = await ask(start, [small], guardToolApproval(tools, rules));
    expect([seen, ran]).toEqual([[['tool-approval-request']], []]);
  });

  test('lets a permitted call of low risk run at once', async () => {
    const { ask, ran, tools } = chat();
    await ask(start, [small, 'ok'], guardToolApproval(tools, rules));
    expect(ran).toEqual([5]);
  });
});

test('what the rules deny stays denied, and nobody is asked to approve it', async () => {
  for (const rules of [{ pay: 'denied' }, () => ({ type: 'denied', reason: 'no' })] as const) {
    const { ask, ran, tools, f } = chat();
    await ask(start, [large, 'ok'], guardToolApproval(tools, rules as Rules));
    expect([ran, await f.decide('approve')]).toEqual([[], []]);
  }
});

test('rules that throw end the run, as they do in the SDK, and nothing runs', async () => {
  const failing = (): never => {
    throw new Error('rules are down');
  };
  for (const rules of [failing, { pay: failing }]) {
    const { ask, ran, tools } = chat();
    await expect(ask(start, [small], guardToolApproval(tools, rules))).rejects.toThrow('rules are down');
    expect(ran).toEqual([]);
  }
});

test('tools that are not guarded keep exactly their rules, and names of inherited members are no tools', async () => {
  const { tools } = chat();
  const client = tool({ inputSchema: z.object({}), needsApproval: () => true }) as ToolSet[string];
  const rule = (): ToolApprovalStatus => 'approved';
  const record = guardToolApproval<ToolSet, unknown>({ ...tools, client }, { client: rule }) as Record<string, unknown>;
  expect(Object.keys(record).toSorted()).toEqual(['client', 'pay']);
  expect(record['client']).toBe(rule);
  const general = guardToolApproval(tools, () => 'approved') as (event: object) => Promise<unknown>;
  for (const toolName of ['client', 'constructor', '__proto__']) {
    const toolCall = { toolName, toolCallId: 'c1', input: {} };
    expect(await general({ toolCall, tools: { ...tools, client }, messages: [] })).toBe('approved');
  }
});

test('a tool with the name of an inherited member has no rule by accident', async () => {
  const raw: ToolSet = { constructor: tool({ inputSchema: z.object({}), execute: () => 1 }) };
  const rules = guardToolApproval(guardTools(raw, fixture().gate), {}) as Record<
    string,
    (...args: unknown[]) => unknown
  >;
  expect(await rules['constructor']?.({}, { toolCallId: 'c1', messages: [] })).toBeUndefined();
});

test('rules and gate see the context of the tool', async () => {
  const seen: unknown[] = [];
  const { gate } = fixture();
  const raw = {
    read: tool({
      inputSchema: z.object({}),
      contextSchema: z.object({ user: z.string() }),
      execute: (_input, { context }) => context.user,
    }),
  };
  const tools = guardTools(raw, ({ toolContext }) => {
    seen.push(['gate', toolContext]);
    return gate;
  });
  const options = { tools, prompt: 'x', toolsContext: { read: { user: 'alice' } } };
  const single = guardToolApproval(tools, { read: (_input, { toolContext }) => void seen.push(['rule', toolContext]) });
  await generateText({ ...options, model: mockModel([[{ name: 'read' }]]), toolApproval: single });
  const general = guardToolApproval(tools, ({ toolsContext }) => void seen.push(['rule', toolsContext.read]));
  await generateText({ ...options, model: mockModel([[{ name: 'read', id: 'c2' }]]), toolApproval: general });
  const alice = { user: 'alice' };
  expect(seen).toEqual([
    ['rule', alice],
    ['gate', alice],
    ['gate', alice],
    ['rule', alice],
    ['gate', alice],
    ['gate', alice],
  ]);
});

import {
  experimental_codeModeTool as codeModeTool,
  experimental_createCodeModeTool as createCodeModeTool,
} from '@ai-sdk/code-mode';
import { generateText, isStepCount, tool, toolSearch, type ToolSet } from 'ai';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { guardTools, inventoryOf } from '../src/index.ts';
import { fixture, shown } from './support/fixture.ts';
import { mockModel } from './support/mock-model.ts';

function payTool(ran: unknown[]) {
  return tool({
    inputSchema: z.object({ amount: z.number() }),
    outputSchema: z.object({ paid: z.number() }),
    execute: ({ amount }) => {
      ran.push(amount);
      return { paid: amount };
    },
  });
}

/** A program that pays, and answers what became of it. */
function program(...amounts: number[]): string {
  const calls = amounts.map((amount) => `await tools.pay({ amount: ${amount} })`);
  return `return [${calls.join(', ')}]`;
}

async function run(tools: ToolSet, ...programs: readonly string[]) {
  const turns = programs.map((js) => [{ name: 'code', id: 'tc1', input: { js } }]);
  const options = { model: mockModel([...turns, 'done']), tools, stopWhen: isStepCount(9), prompt: 'x' };
  const result = await generateText({
    ...options,
    experimental_toolCallers: { pay: ['code'] },
  } as unknown as Parameters<typeof generateText>[0]);
  return result.steps.flatMap(({ content }) => shown(content));
}

describe('code mode', () => {
  test('natively, a tool that is denied is run by a program; a spread copy of the caller is not found', async () => {
    const ran: unknown[] = [];
    const tools = { code: codeModeTool({}), pay: payTool(ran) };
    await generateText({
      model: mockModel([[{ name: 'code', input: { js: program(9_999) } }], 'done']),
      tools,
      toolApproval: { pay: 'denied' },
      experimental_toolCallers: { pay: ['code'] },
      stopWhen: isStepCount(3),
      prompt: 'x',
    });
    expect(ran).toEqual([9_999]);
    const copied = { ...tools, code: { ...tools.code } };
    expect(JSON.stringify(await run(copied as unknown as ToolSet, program(1)))).toContain('tool-error');
  });

  verifies(
    ['ADP-1', 'CAP-3'],
    'guarded: calls of a program are decided one by one, and the program gets their results',
    async () => {
      const { gate, kinds } = fixture();
      const ran: unknown[] = [];
      const tools = guardTools({ code: codeModeTool({}), pay: payTool(ran) }, gate);
      expect(await run(tools, program(5, 6))).toEqual([['tool-result', 'code', [{ paid: 5 }, { paid: 6 }]]]);
      expect(ran).toEqual([5, 6]);
      expect((await kinds()).filter((kind) => kind === 'claim:claimed')).toHaveLength(3);
    },
  );

  verifies(
    ['ADP-1', 'ADP-6'],
    'guarded: a denied call ends the program with an error, and the run goes on',
    async () => {
      const { gate } = fixture();
      const ran: unknown[] = [];
      const tools = guardTools({ code: codeModeTool({}), pay: payTool(ran) }, gate);
      expect(await run(tools, program(5, -1, 6))).toMatchObject([['tool-error', 'code', expect.anything()]]);
      expect(ran).toEqual([5]);
    },
  );

  verifies(
    ['ADP-1', 'APR-5'],
    'guarded: a call that needs approval stops the program, and nothing of it runs',
    async () => {
      const { gate, decide } = fixture();
      const ran: unknown[] = [];
      const tools = guardTools({ code: codeModeTool({}), pay: payTool(ran) }, gate);
      expect(await run(tools, program(500))).toEqual([['tool-error', 'code', 'CodeModeToolApprovalRequiredError']]);
      expect(ran).toEqual([]);
      expect(await decide('approve')).toHaveLength(1);
      expect(ran).toEqual([]);
    },
  );

  verifies('APR-8', 'guarded, waiting: the program goes on when a person approved', async () => {
    const { gate, decide } = fixture();
    const ran: unknown[] = [];
    const tools = guardTools({ code: codeModeTool({}), pay: payTool(ran) }, gate, { wait: true });
    const running = run(tools, program(500));
    while ((await decide('approve')).length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await running).toEqual([['tool-result', 'code', [{ paid: 500 }]]]);
    expect(ran).toEqual([500]);
  });

  verifies(
    ['ADP-1'],
    'guarded: a provider that uses the id of the program again gets a new call, not the old result',
    async () => {
      const ran: unknown[] = [];
      const tools = guardTools({ code: codeModeTool({}), pay: payTool(ran) }, fixture().gate);
      expect(await run(tools, program(5), `${program(5)} // again`)).toEqual([
        ['tool-result', 'code', [{ paid: 5 }]],
        ['tool-result', 'code', [{ paid: 5 }]],
      ]);
      expect(ran).toEqual([5, 5]);
    },
  );

  verifies(
    ['CAP-3', 'ADP-1'],
    'a tool that was forgotten when guarding is guarded when a program calls it',
    async () => {
      const ran: unknown[] = [];
      const { code } = guardTools({ code: codeModeTool({}) }, fixture().gate);
      const [found] = await run({ code, pay: payTool(ran) } as ToolSet, program(-1));
      expect(found).toMatchObject(['tool-error', 'code', expect.anything()]);
      expect(ran).toEqual([]);
    },
  );

  test('a program over tools that were bound by hand is guarded by guarding those', async () => {
    const ran: unknown[] = [];
    const { gate } = fixture();
    const { pay } = guardTools({ pay: payTool(ran) }, gate);
    const tools = guardTools({ code: createCodeModeTool({ pay }) } as unknown as ToolSet, gate);
    const result = await generateText({
      model: mockModel([[{ name: 'code', input: { js: program(5, -1) } }], 'done']),
      tools,
      stopWhen: isStepCount(3),
      prompt: 'x',
    });
    expect(shown(result.steps[0]?.content ?? [])).toMatchObject([['tool-error', 'code', expect.anything()]]);
    expect(ran).toEqual([5]);
  });
});

verifies(
  'ADP-1',
  'the search for deferred tools runs past any wrapper: it is listed as such, and what it finds is guarded',
  async () => {
    const ran: unknown[] = [];
    const deferred = {
      search: toolSearch(),
      pay: { ...payTool(ran), description: 'pays', deferLoading: true },
    } as unknown as ToolSet;
    expect(inventoryOf(deferred)).toContainEqual({
      name: 'search',
      source: 'local',
      ungovernable: expect.stringContaining('the SDK') as string,
    });
    const result = await generateText({
      model: mockModel([
        [{ name: 'search', input: { query: 'pays' } }],
        [{ name: 'pay', input: { amount: -1 } }],
        'done',
      ]),
      tools: guardTools(deferred, fixture().gate),
      stopWhen: isStepCount(4),
      prompt: 'x',
    });
    expect(shown(result.steps[0]?.content ?? [])).toMatchObject([
      ['tool-result', 'search', { tools: [{ name: 'pay' }] }],
    ]);
    expect(shown(result.steps[1]?.content ?? [])).toEqual([['tool-error', 'pay', 'UnauthorizedToolCall']]);
    expect(ran).toEqual([]);
  },
);

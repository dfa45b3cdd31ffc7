/**
 * Inside `generateText` of the AI SDK with a mock model: what the gate adds to one tool call, as a share of the
 * unguarded round. Six sequential calls a run, like the published comparison of frameworks' own hooks.
 */
import { generateText, isStepCount, tool, type ToolSet } from 'ai';
import { MockLanguageModelV4 } from 'ai/test';
import { z } from 'zod';
import { guardTools } from '@countersign/ai-sdk';
import {
  difference,
  estimate,
  interval,
  measure,
  median,
  nanoseconds,
  one,
  printSection,
  type Line,
} from './measure.ts';
import { openBench } from './support.ts';

const callsPerRun = 6;
const usage = {
  inputTokens: { total: 1, noCache: 1, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: 1, text: 1, reasoning: undefined },
};

let runs = 0;

function model(): MockLanguageModelV4 {
  runs += 1;
  const run = runs;
  let turn = 0;
  return new MockLanguageModelV4({
    doGenerate: async () => {
      turn += 1;
      if (turn > callsPerRun)
        return {
          content: [{ type: 'text', text: 'done' }],
          finishReason: { unified: 'stop', raw: 'stop' },
          usage,
          warnings: [],
        };
      const input = JSON.stringify({ left: turn, right: 2 });
      return {
        content: [{ type: 'tool-call', toolCallId: `r${run}-c${turn}`, toolName: 'add', input }],
        finishReason: { unified: 'tool-calls', raw: 'tool-calls' },
        usage,
        warnings: [],
      };
    },
  });
}

async function round(tools: ToolSet): Promise<void> {
  const result = await generateText({ model: model(), tools, prompt: 'add', stopWhen: isStepCount(callsPerRun + 2) });
  if (result.text !== 'done' || result.steps.length !== callsPerRun + 1) throw new Error('the run took another course');
  for (const step of result.steps)
    if (step.content.some(({ type }) => type === 'tool-error')) throw new Error('a call failed');
}

export async function benchInFramework(quick: boolean): Promise<void> {
  const bench = openBench('process');
  const plain = {
    add: tool({
      inputSchema: z.object({ left: z.number(), right: z.number() }),
      execute: async ({ left, right }) => left + right,
    }),
  };
  const guarded = guardTools(plain, bench.gate);
  const repeat = (tools: ToolSet) => async (operations: number) => {
    for (let done = 0; done < operations; done += callsPerRun) await round(tools);
  };
  const measured = await measure(
    [
      { name: 'no guard', run: repeat(plain) },
      { name: 'no guard again', run: repeat(plain) },
      { name: 'guarded', run: repeat(guarded) },
    ],
    { rounds: quick ? 10 : 40, operations: callsPerRun * 50 },
  );
  await bench.close();
  const base = median(one(measured, 'no guard').perOperation);
  const share = (name: string): ReturnType<typeof estimate> => {
    const { perOperation: plainRounds } = one(measured, 'no guard');
    return estimate(
      one(measured, name).perOperation.map((value, index) => (value / (plainRounds[index] ?? Number.NaN) - 1) * 100),
    );
  };
  const added = share('guarded');
  const lines: Line[] = [
    { what: 'plain round', measured: nanoseconds(base) },
    { what: 'guarded adds', measured: nanoseconds(difference(measured, 'guarded', 'no guard').median) },
    { what: 'noise: no guard again, % of the round', measured: interval(share('no guard again'), 1) },
    { what: 'guarded adds, % of the round', measured: interval(added, 1), goal: '≤ 45', met: added.median <= 45 },
  ];
  printSection('Inside generateText, spans on, SQLite, survives a crash of the process', lines);
}

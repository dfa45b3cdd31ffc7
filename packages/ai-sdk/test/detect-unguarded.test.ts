import { generateText, isStepCount, tool, ToolLoopAgent, type ToolSet } from 'ai';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { verifies } from '../../../test/verifies.ts';
import { detectUnguarded, guardTools } from '../src/index.ts';
import { fixture, shown } from './support/fixture.ts';
import { mockModel } from './support/mock-model.ts';

function readTool(ran: unknown[]) {
  return { read: tool({ inputSchema: z.object({}), execute: () => ran.push('read') }) };
}

function alarmed() {
  const alarms: (readonly string[])[] = [];
  return {
    alarms,
    telemetry: { integrations: [detectUnguarded({ onUnguarded: ({ tools }) => void alarms.push(tools) })] },
  };
}

const turns = () => mockModel([[{ name: 'read', id: 'c1' }], 'ok']);

verifies(
  ['ADP-1', 'CAP-3'],
  'an agent whose prepareCall puts the raw tools back runs them natively; with the backstop it does not',
  async () => {
    const ran: unknown[] = [];
    const { gate } = fixture();
    const raw = readTool(ran);
    const { alarms, telemetry } = alarmed();
    const tools = guardTools(raw, gate);
    const swapped = (more: { telemetry?: typeof telemetry }) =>
      new ToolLoopAgent({ ...more, model: turns(), tools, prepareCall: (settings) => ({ ...settings, tools: raw }) });
    await swapped({}).generate({ prompt: 'x' });
    expect(ran).toEqual(['read']);
    const result = await swapped({ telemetry }).generate({ prompt: 'x' });
    expect(shown(result.steps[0]?.content ?? [])).toEqual([['tool-error', 'read', 'ToolNotGovernable']]);
    expect(ran).toEqual(['read']);
    expect(alarms).toEqual([['read']]);
  },
);

verifies(['ADP-1', 'CAP-3'], 'a sub-agent with raw tools inside a guarded tool is caught too', async () => {
  const ran: unknown[] = [];
  const { alarms, telemetry } = alarmed();
  const code = tool({
    inputSchema: z.object({}),
    execute: async () =>
      (await generateText({ model: turns(), tools: readTool(ran), telemetry, stopWhen: isStepCount(3), prompt: 'x' }))
        .text,
  });
  await generateText({
    model: mockModel([[{ name: 'code' }], 'ok']),
    tools: guardTools({ code }, fixture().gate),
    telemetry,
    stopWhen: isStepCount(3),
    prompt: 'x',
  });
  expect(ran).toEqual([]);
  expect(alarms).toEqual([['read']]);
});

test('guarded tools, copies of them, and tools without execute pass without an alarm', async () => {
  const ran: unknown[] = [];
  const { alarms, telemetry } = alarmed();
  const guarded = guardTools(readTool(ran), fixture().gate);
  const client = tool({ inputSchema: z.object({}), outputSchema: z.string() });
  const tools = { read: { ...guarded.read, description: 'copied' }, client } as unknown as ToolSet;
  const result = await generateText({ model: turns(), tools, telemetry, stopWhen: isStepCount(3), prompt: 'x' });
  expect([ran, alarms, result.text]).toEqual([['read'], [], 'ok']);
});

test('a call whose generation or name was not seen is blocked', async () => {
  const { executeTool } = detectUnguarded();
  const never = () => Promise.reject(new Error('ran'));
  await expect(executeTool?.({ callId: 'unseen', toolCallId: 'c1', execute: never })).rejects.toMatchObject({
    code: 'ERR_TOOL_NOT_GOVERNABLE',
  });
  const { executeTool: seen, onStart } = detectUnguarded();
  await onStart?.({ callId: 'seen', tools: undefined } as never);
  await expect(seen?.({ callId: 'seen', toolCallId: 'c1', execute: never })).rejects.toMatchObject({
    code: 'ERR_TOOL_NOT_GOVERNABLE',
  });
});

test('a guarded tool cannot be guarded again: two gates would claim one call', () => {
  const { gate } = fixture();
  const guarded = guardTools(readTool([]), gate);
  expect(() => guardTools(guarded, gate)).toThrow(/guarded already/);
  expect(() => guardTools({ read: { ...guarded.read } }, gate)).toThrow(/guarded already/);
});

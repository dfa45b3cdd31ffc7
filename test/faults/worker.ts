/**
 * A process that makes calls until it is told to end. All workers draw from the same calls, so that many ask for one
 * call at once, also after it was executed, rejected or lost. IPC: `{ clock }` moves the clock by so many milliseconds.
 */
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import { currentCall, type Countersign, type Gate, type ToolCall } from '@countersign/core';
import { agent, openCountersign, openStorePatiently, type ProcessInput } from './parts.ts';
import { createRandom, type Random } from './random.ts';
import { tell } from './world.ts';

const input = JSON.parse(process.argv[2] ?? '{}') as ProcessInput;
const random = createRandom(input.seed);
let offset = 0;
let ending = false;
process.on('message', (message: { clock?: number }) => (offset += message.clock ?? 0));
process.once('SIGTERM', () => (ending = true));
process.once('disconnect', () => process.exit(0));

/** How many calls are asked for at the same time, and over how many a worker moves on. */
const windowSize = 40;
const lanes = 4;
const tools = ['low', 'low', 'leased', 'medium', 'high'] as const;

const countersign = openCountersign(input, await openStorePatiently(input), () => Date.now() + offset);
const identities = ['low', 'leased', 'medium', 'high'].map((name) => [name, { name, source: 'local' }] as const);
const runnable = Object.fromEntries(
  identities.map(([name, identity]) => [name, { identity, run: (args: unknown) => act(name, args) }]),
);
const worker = countersign.worker({ tools: runnable });
/** Calls of one time have numbers near each other, in every worker: those that come back are still in the window. */
const epoch = Number(process.argv[3] ?? 0);

process.send?.('ready');
await Promise.all(Array.from({ length: lanes }, () => work(countersign, random)));
await countersign.close().catch(() => undefined);
process.exit(0);

async function work(instance: Countersign, chance: Random): Promise<void> {
  while (!ending) {
    const what = chance.next();
    if (what < 0.08) await worker.tick().catch(() => 0);
    else if (what < 0.1) await instance.maintain().catch(() => undefined);
    else await makeCall(instance, chance);
  }
}

async function makeCall(instance: Countersign, chance: Random): Promise<void> {
  const number = Math.floor((Date.now() - epoch) / 100) + chance.between(0, windowSize);
  const callId = `call-${number}`;
  const tool = tools[number % tools.length] ?? 'low';
  const gate: Gate = instance.gate({ ...agent, run: `run-${number % 20}` });
  const call: ToolCall = {
    tool: { name: tool, source: 'local' },
    callId,
    step: '#0',
    origin: chance.next() < 0.8 ? 'model' : 'resume',
    arguments: { callId },
  };
  const outcome = await gate.execute(call, (args) => act(tool, args));
  const reason = outcome.status === 'denied' ? { reason: outcome.reason } : {};
  await tell(input.world, 'told', { callId, callKey: outcome.callKey, status: outcome.status, ...reason }).catch(
    () => undefined,
  );
}

/** The body of every tool. */
async function act(tool: string, args: unknown): Promise<string> {
  const { callKey } = currentCall();
  const { callId } = args as { callId: string };
  await tell(input.world, 'effect', { callKey, callId, tool });
  return randomUUID();
}

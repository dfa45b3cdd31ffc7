/** A process of agents: it asks for its share of the calls, waits for people where it must, and runs what was approved. */
import process from 'node:process';
import { currentCall, type Outcome, type ToolCall } from '@countersign/core';
import { openStorePatiently } from '../faults/parts.ts';
import { tell } from '../faults/world.ts';
import { callNumbered, failsBody, moodyStore, openAgents, requester, runOf, type AgentInput } from './parts.ts';

const input = JSON.parse(process.argv[2] ?? '{}') as AgentInput;
const ending = new AbortController();
process.once('SIGTERM', () => ending.abort());
process.once('disconnect', () => process.exit(0));

const lanes = 40;
const countersign = openAgents(input, moodyStore(await openStorePatiently(input), input.seed));
const tools = Object.fromEntries(
  ['medium', 'high'].map((name) => {
    const identity = { name, source: 'local' };
    return [name, { identity, run: (args: unknown) => act(name, args), validate: () => undefined }] as const;
  }),
);
const worker = countersign.worker({ tools, pollMs: 100 });
const numbers = Array.from({ length: input.count }, (_, number) => number)
  .filter((number) => number % input.parts === input.part)
  .values();

process.send?.('ready');
const working = worker.start(ending.signal);
await Promise.all(
  Array.from({ length: lanes }, async () => {
    for (const number of numbers) await ask(number);
  }),
);
await working;
process.exit(0);

/** Until it is known what became of it, or until it is filed, if it is not waited for. */
async function ask(number: number): Promise<void> {
  const { tool, ...rest } = callNumbered(number);
  const gate = countersign.gate({ ...requester, run: runOf(number) });
  for (let origin: ToolCall['origin'] = 'model'; !ending.signal.aborted;) {
    const body = (args: unknown): Promise<string> => act(tool.name, args);
    const options = { wait: tool.name === 'high', signal: ending.signal, validate: () => undefined };
    const outcome: Outcome = await gate.execute({ tool, ...rest, origin }, body, options);
    const { callKey } = outcome;
    const status: Outcome['status'] = outcome.status;
    const denial: string | undefined = outcome.status === 'denied' ? outcome.reason : undefined;
    // What the store did not take was never made, as far as anybody knows.
    origin = denial === undefined || denial === 'approval_required' ? 'resume' : 'model';
    const reason = denial === undefined ? {} : { reason: denial };
    await tell(input.world, 'told', { callId: rest.callId, callKey, status, ...reason }).catch(() => undefined);
    if (status === 'pending' && tool.name === 'medium') return;
    if (status === 'completed' || status === 'failed' || status === 'unknown') return;
    if (/rejected|expired|cancelled|consumed/.test(denial ?? '')) return;
  }
}

/** The body of every tool. */
async function act(tool: string, args: unknown): Promise<string> {
  const { callKey } = currentCall();
  const { number } = args as { number: number };
  await tell(input.world, 'effect', { callKey, callId: `call-${number}`, tool, arguments: JSON.stringify(args) });
  if (failsBody(number)) throw new Error('the service took it, and failed');
  return `done ${number}`;
}

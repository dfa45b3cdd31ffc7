/** One process of an application: starts or resumes a thread of a shared checkpointer, prints how it ended, and exits. */
import { appendFileSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { HumanMessage } from '@langchain/core/messages';
import { tool } from '@langchain/core/tools';
import { Command, interrupt } from '@langchain/langgraph';
import { PostgresSaver } from '@langchain/langgraph-checkpoint-postgres';
import { createAgent, createMiddleware } from 'langchain';
import { z } from 'zod';
import { countersignMiddleware } from '../../src/index.ts';
import { installation, sourceOf, type Shared } from './fixture.ts';
import { interrupts, results, ScriptedChat } from './tools.ts';

export interface Job {
  readonly shared: Shared;
  readonly url: string;
  readonly thread: string;
  readonly native: boolean;
  readonly resume: boolean;
  /** Every run of the body adds a line. */
  readonly log: string;
  /** Ends the process in the middle of the body. */
  readonly crash?: boolean;
}

export interface JobResult {
  readonly interrupts: number;
  readonly results: readonly string[];
}

const job = JSON.parse(String(process.argv[2])) as Job;
const { countersign } = installation(job.shared);
const send = tool(
  async ({ x }: { x: number }) => {
    appendFileSync(job.log, `send:${x}\n`);
    if (job.crash === true) process.exit(9);
    await (job.native ? othersToo() : sleep(1_000));
    return `send ${x} ok`;
  },
  { name: 'send', description: 'Sends', schema: z.object({ x: z.number() }) },
);
/** Without a guard both processes get here, however far apart they started. */
async function othersToo(): Promise<void> {
  for (let waited = 0; waited < 20_000 && readFileSync(job.log, 'utf8').trim().split('\n').length < 2; waited += 50)
    await sleep(50);
}

const native = createMiddleware({
  name: 'NativeApproval',
  wrapToolCall: async (request, handler) => {
    interrupt('ok?');
    return handler(request);
  },
});
const checkpointer = PostgresSaver.fromConnString(job.url);
await checkpointer.setup();
const agent = createAgent({
  model: new ScriptedChat([{ name: 'send', args: { x: 1 } }]),
  tools: [send],
  middleware: [job.native ? native : countersignMiddleware(sourceOf(countersign))],
  checkpointer,
});
const input = job.resume ? new Command({ resume: 'yes' }) : { messages: [new HumanMessage('go')] };
const state = await agent.invoke(input as never, { configurable: { thread_id: job.thread } });
const result: JobResult = { interrupts: interrupts(state).length, results: results(state) };
await Promise.all([checkpointer.end(), countersign.close()]);
process.stdout.write(JSON.stringify(result));

/**
 * One request of a chat server in a process of its own: `node chat-process.ts <database> <model url> <state file> <log>`.
 * Without a state it starts the run and writes the state; with one it resumes it.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { createCountersign, definePolicy } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { Agent, OpenAIProvider, Runner } from '@openai/agents';
import { guardAgent, resumeRunState, signRunState } from '../../src/index.ts';
import { document } from './policy.ts';
import { recording } from './tools.ts';

const [database = '', baseURL = '', stateFile = '', log = '', publicKey = ''] = process.argv.slice(2);
const key = new Uint8Array(32).fill(7);
const countersign = createCountersign({
  policy: definePolicy(document),
  store: sqliteStore({ path: database }),
  audit: { key },
  approvals: { keys: [publicKey.replaceAll('\\n', '\n')] },
});
const ran: unknown[] = [];
const agent = guardAgent(
  new Agent({ name: 'A', tools: [recording('deploy', ran)] }),
  countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' }),
);
const runner = new Runner({
  modelProvider: new OpenAIProvider({ baseURL, apiKey: 'k' }),
  model: 'gpt-4o',
  tracingDisabled: true,
});
if (existsSync(stateFile)) {
  const state = await resumeRunState(agent, readFileSync(stateFile, 'utf8'), { key, context: undefined });
  for (const item of state.getInterruptions()) state.approve(item);
  const result = await runner.run(agent, state as never);
  process.stdout.write(JSON.stringify({ finalOutput: (result as { finalOutput?: unknown }).finalOutput }));
} else {
  const result = await runner.run(agent, 'go');
  writeFileSync(stateFile, signRunState(result.state, key));
  process.stdout.write(JSON.stringify({ interruptions: result.interruptions.length }));
}
for (const each of ran) appendFileSync(log, `${JSON.stringify(each)}\n`);
await countersign.close();

/** A tool that needs its user's consent, in each framework: paused or explained, consented to in a browser, then done. */
import { Agent } from '@openai/agents';
import { ConsentRequired, createCountersign, currentLease, definePolicy, type Gate } from '@countersign/core';
import { guardTools as guardForAiSdk } from '@countersign/ai-sdk';
import { guardAgent as guardLangChain } from '@countersign/langchain';
import { guardAgent } from '@countersign/openai-agents';
import { HumanMessage } from '@langchain/core/messages';
import { Command, MemorySaver } from '@langchain/langgraph';
import { generateText, stepCountIs, tool, type ToolSet } from 'ai';
import { createAgent } from 'langchain';
import { afterEach, beforeEach, expect } from 'vitest';
import { z } from 'zod';
import { mockModel } from '../packages/ai-sdk/test/support/mock-model.ts';
import { interrupts, results, ScriptedChat, toolbox } from '../packages/langchain/test/support/tools.ts';
import { ada, createWorld, events, type World } from '../packages/oauth/test/support/world.ts';
import { resultsIn, serve } from '../packages/openai-agents/test/support/fixture.ts';
import { recording } from '../packages/openai-agents/test/support/tools.ts';
import { verifies } from './verifies.ts';

let world: World;
let gate: Gate;
beforeEach(async () => {
  world = await createWorld();
  const countersign = createCountersign({
    policy: definePolicy({
      countersign: 1,
      name: 'calendar',
      version: '1',
      tenants: ['acme'],
      tools: {
        read: {
          capability: 'calendar:event:list',
          risk: 'low',
          credentials: [{ service: 'calendar', scope: { scopes: ['calendar:read'] }, ttl: '1m' }],
        },
      },
      agents: { planner: { owner: 'user:ada', capabilities: ['calendar:event:list'] } },
      users: { ada: { capabilities: ['calendar:event:list'] } },
    }),
    store: world.store,
    audit: { key: world.key },
    credentials: [...world.oauth.providers],
  });
  gate = countersign.gate({ ...ada, agent: 'planner', run: 'run-1' });
});
afterEach(() => world.close());

/** For whom the body can act, and what is left of its token afterwards. */
const tokens: string[] = [];
async function whose(): Promise<string> {
  const token = currentLease('calendar').secret.reveal();
  tokens.push(token);
  const { sub, act, scope } = await world.server.introspect(token);
  return `${act?.sub} for ${sub}: ${scope}`;
}
const right = 'planner for acme-ada: calendar:read';

async function expectTokenEnded(): Promise<void> {
  expect(await world.server.introspect(tokens.at(-1) ?? '')).toEqual({ active: false });
  expect(await events(world)).toEqual(['consent_required', 'consent_granted', 'issued', 'revoked']);
}

verifies(
  ['CRD-5', 'CRD-2', 'APR-8'],
  'LangChain: the graph pauses, the user consents, the very call goes on',
  async () => {
    const box = toolbox(whose);
    const model = new ScriptedChat([{ name: 'read', args: { x: 1 } }]);
    const options = { model, tools: box.list('read'), checkpointer: new MemorySaver() };
    const agent = createAgent(guardLangChain(options, gate));
    const config = { configurable: { thread_id: 'run-1' } };
    const paused = await agent.invoke({ messages: [new HumanMessage('go')] }, config);
    const [interrupt] = interrupts(paused);
    expect(interrupt?.value).toMatchObject({ kind: 'countersign_consent', service: 'calendar', tool: 'read' });
    expect(box.runs).toEqual([]);

    // Woken up without a consent, it pauses again.
    const again = await agent.invoke(new Command({ resume: 'I consented, honestly' }), config);
    expect(interrupts(again)[0]?.value).toMatchObject({ kind: 'countersign_consent' });
    expect(box.runs).toEqual([]);

    expect((await world.consent(ada, String(interrupt?.value['url']))).status).toBe(200);
    const done = await agent.invoke(new Command({ resume: 'connected' }), config);
    expect(results(done)).toEqual([`c_0_0 success ${right}`]);
    expect(await world.server.introspect(tokens.at(-1) ?? '')).toEqual({ active: false });
  },
);

verifies(
  ['CRD-5', 'CRD-2'],
  'AI SDK: the application finds the address in the error, and the next attempt goes on',
  async () => {
    const raw = { read: tool({ inputSchema: z.object({ x: z.number() }), execute: whose }) } as ToolSet;
    const tools = guardForAiSdk(raw, gate);
    const model = mockModel([
      [{ name: 'read', input: { x: 1 } }],
      'please connect',
      [{ name: 'read', input: { x: 1 } }],
      'done',
    ]);
    const stopWhen = stepCountIs(2);
    const first = await generateText({ model, tools, stopWhen, prompt: 'go' });
    const part = first.steps[0]?.content.find(({ type }) => type === 'tool-error') as { error?: unknown } | undefined;
    const error = part?.error;
    if (!(error instanceof ConsentRequired)) throw new Error(`expected ConsentRequired, got ${String(error)}`);
    expect(error.service).toBe('calendar');
    expect((await world.consent(ada, error.url)).status).toBe(200);

    const second = await generateText({
      model,
      tools,
      stopWhen,
      messages: [{ role: 'user', content: 'go' }, ...first.response.messages, { role: 'user', content: 'connected' }],
    });
    const results = second.steps[0]?.content.filter(({ type }) => type === 'tool-result') as { output: unknown }[];
    expect(results.map(({ output }) => output)).toEqual([right]);
    await expectTokenEnded();
  },
);

verifies(
  ['CRD-5', 'CRD-2'],
  'OpenAI Agents: the model gets the address for its user, and the next attempt goes on',
  async () => {
    const ran: unknown[] = [];
    const agent = guardAgent(new Agent({ name: 'A', tools: [recording('read', ran, { execute: whose })] }), gate);
    const read = (id: string) => ({ calls: [{ name: 'read', id, args: { amount: 1 } }] });
    const served = await serve([read('c1'), 'please connect', read('c2'), 'done']);
    await served.runner.run(agent, 'go');
    const [url] = /https:\/\/\S+/.exec(resultsIn(served)['c1'] ?? '') ?? [];
    expect((await world.consent(ada, url ?? '')).status).toBe(200);
    await served.runner.run(agent, 'connected');
    expect(resultsIn(served)['c2']).toBe(right);
    await expectTokenEnded();
  },
);

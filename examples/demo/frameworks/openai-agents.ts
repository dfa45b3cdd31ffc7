/**
 * The demo's agent on the OpenAI Agents SDK.
 */
import { guardAgent, resumeRunState, runnableTools, signRunState } from '@countersign/openai-agents';
import { Agent, OpenAIProvider, Runner, tool, type RunItem, type RunState } from '@openai/agents';
import type { AgentRun, AgentSettings, DemoFramework } from './framework.ts';

type GuardedAgent = Agent<unknown>;

export const openaiAgents: DemoFramework = {
  start: (settings, prompt) => converse(settings, guardedAgent(settings), prompt),
  async resume(settings, signed) {
    const agent = guardedAgent(settings);
    const state = await resumeRunState(agent, String(signed), { key: settings.stateKey, context: undefined });
    // What a chat would do after a click on "approve". It proves nothing: the gate asks for the signed vote.
    for (const item of state.getInterruptions()) state.approve(item);
    return converse(settings, agent, state);
  },
  runnableTools: (settings) => runnableTools(guardedAgent({ ...settings, instructions: '' }), undefined),
};

function guardedAgent({
  tools,
  gate,
  instructions,
}: Pick<AgentSettings, 'tools' | 'gate' | 'instructions'>): GuardedAgent {
  const own = Object.entries(tools).map(([name, { description, schema, run }]) =>
    tool({ name, description, parameters: schema, execute: (args) => run(args) }),
  );
  const agent = new Agent<unknown>({
    name: 'support',
    instructions,
    model: 'gpt-5-mini',
    // Nothing is kept at the provider, so that the run can go on from its state alone.
    modelSettings: { store: false, providerData: { include: ['reasoning.encrypted_content'] } },
    tools: own,
  });
  return guardAgent(agent, gate);
}

async function converse(
  { modelUrl, stateKey, say }: AgentSettings,
  agent: GuardedAgent,
  input: string | RunState<unknown, GuardedAgent>,
): Promise<AgentRun> {
  const address = modelUrl === undefined ? {} : { baseURL: `${modelUrl}/v1`, apiKey: 'none-needed' };
  const runner = new Runner({
    modelProvider: new OpenAIProvider({ ...address, useResponses: true }),
    // The SDK's own traces go to OpenAI.
    tracingDisabled: true,
    toolNotFoundBehavior: 'return_error_to_model',
  });
  const result = await runner.run(agent, input, { maxTurns: 12, stream: true });
  for await (const event of result) if (event.type === 'run_item_stream_event') describe(event.item, say);
  await result.completed;
  const text = typeof result.finalOutput === 'string' ? result.finalOutput : '';
  return { text, suspended: result.interruptions.length > 0, state: signRunState(result.state, stateKey) };
}

function describe(item: RunItem, say: (line: string) => void): void {
  switch (item.type) {
    case 'tool_call_item':
      return item.rawItem.type === 'function_call'
        ? say(`asks for ${item.rawItem.name} ${item.rawItem.arguments}`)
        : undefined;
    case 'tool_call_output_item':
      return say(`  gets ${JSON.stringify(item.output)}`);
    case 'tool_approval_item':
      return say('  is suspended: the run ends here until a person has decided');
    case 'message_output_item':
      return item.content === '' ? undefined : say(`says "${item.content}"`);
    default:
      return undefined;
  }
}

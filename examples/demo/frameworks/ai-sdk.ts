/**
 * The demo's agent on the Vercel AI SDK.
 */
import { createOpenAI } from '@ai-sdk/openai';
import { OpenTelemetry } from '@ai-sdk/otel';
import { isStepCount, registerTelemetry, tool, ToolLoopAgent, type ModelMessage, type ToolSet } from 'ai';
import { guardTools } from '@countersign/ai-sdk';
import type { AgentRun, AgentSettings, DemoFramework } from './framework.ts';

export const aiSdk: DemoFramework = {
  start: (settings, prompt) => generate(settings, [{ role: 'user', content: prompt }]),
  resume: (settings, state) => generate(settings, answerRequests(state as ModelMessage[])),
  runnableTools: guardedTools,
};

function guardedTools({ tools, gate }: Pick<AgentSettings, 'tools' | 'gate'>): ToolSet {
  const own = Object.entries(tools).map(([name, { description, schema, run }]) => {
    return [name, tool({ description, inputSchema: schema, execute: run })] as const;
  });
  return guardTools(Object.fromEntries(own) as ToolSet, gate);
}

async function generate(settings: AgentSettings, messages: ModelMessage[]): Promise<AgentRun> {
  registerTelemetry(new OpenTelemetry());
  const { modelUrl, instructions, say } = settings;
  const provider = createOpenAI(modelUrl === undefined ? {} : { baseURL: `${modelUrl}/v1`, apiKey: 'none-needed' });
  const agent = new ToolLoopAgent({
    model: provider('gpt-5-mini'),
    instructions,
    tools: guardedTools(settings),
    stopWhen: isStepCount(12),
    // Nothing is kept at the provider, so that the run can go on from its messages alone.
    providerOptions: { openai: { store: false } },
    onStepEnd: ({ content }) => content.forEach((part) => describe(part, say)),
  });
  const { text, responseMessages, content } = await agent.generate({ messages });
  const suspended = content.some(({ type }) => type === 'tool-approval-request');
  return { text, suspended, state: [...messages, ...responseMessages] };
}

/** What a chat client would send after a click on "approve". It proves nothing: the gate asks for the signed vote. */
function answerRequests(messages: ModelMessage[]): ModelMessage[] {
  const parts = messages.flatMap(({ role, content }) =>
    role === 'assistant' && typeof content !== 'string' ? content : [],
  );
  const requests = parts.filter((part) => part.type === 'tool-approval-request');
  const answers = requests.map(({ approvalId }) => ({
    type: 'tool-approval-response' as const,
    approvalId,
    approved: true,
  }));
  return [...messages, { role: 'tool', content: answers }];
}

type Part = Awaited<ReturnType<ToolLoopAgent<never, ToolSet>['generate']>>['content'][number];

function describe(part: Part, say: (line: string) => void): void {
  switch (part.type) {
    case 'tool-call':
      return say(`asks for ${part.toolName} ${JSON.stringify(part.input)}`);
    case 'tool-result':
      return say(`  gets ${JSON.stringify(part.output)}`);
    case 'tool-error':
      return say(`  gets "${part.error instanceof Error ? part.error.message : String(part.error)}"`);
    case 'tool-approval-request':
      return say('  is suspended: the run ends here until a person has decided');
    case 'text':
      return part.text === '' ? undefined : say(`says "${part.text}"`);
    default:
      return undefined;
  }
}

/**
 * The demo's agent on LangChain.
 */
import { deserialize, serialize } from 'node:v8';
import { countersignMiddleware, guardTools } from '@countersign/langchain';
import { AIMessage, HumanMessage, ToolMessage, type BaseMessage } from '@langchain/core/messages';
import { tool, type ClientTool } from '@langchain/core/tools';
import { Command, MemorySaver } from '@langchain/langgraph';
import { ChatOpenAI } from '@langchain/openai';
import { createAgent } from 'langchain';
import type { AgentRun, AgentSettings, DemoFramework } from './framework.ts';

export const langchain: DemoFramework = {
  start: (settings, prompt) => converse(settings, new MemorySaver(), { messages: [new HumanMessage(prompt)] }),
  // What a chat would send after a click on "approve". It proves nothing: the gate asks for the signed vote.
  resume: (settings, state) => converse(settings, restored(state), new Command({ resume: 'approved' })),
  runnableTools: (settings) => Object.fromEntries(guardedTools(settings).map((guarded) => [guarded.name, guarded])),
};

function guardedTools({ tools, gate }: Pick<AgentSettings, 'tools' | 'gate'>): ClientTool[] {
  const own = Object.entries(tools).map(([name, { description, schema, run }]) =>
    tool((args) => run(args), { name, description, schema }),
  );
  return guardTools(own, gate);
}

/** Threads, as an application would keep them in its database: LangGraph's saver in memory, written out as text. */
const stored = ({ storage, writes }: MemorySaver): string => serialize({ storage, writes }).toString('base64');

function restored(state: unknown): MemorySaver {
  return Object.assign(new MemorySaver(), deserialize(Buffer.from(String(state), 'base64')));
}

async function converse(settings: AgentSettings, checkpointer: MemorySaver, input: object): Promise<AgentRun> {
  const { modelUrl, instructions, gate, say } = settings;
  const address = modelUrl === undefined ? {} : { apiKey: 'none-needed', configuration: { baseURL: `${modelUrl}/v1` } };
  const agent = createAgent({
    // Nothing is kept at the provider, so that the run can go on from its thread alone.
    model: new ChatOpenAI({
      model: 'gpt-5-mini',
      useResponsesApi: true,
      zdrEnabled: true,
      modelKwargs: { include: ['reasoning.encrypted_content'] },
      ...address,
    }),
    systemPrompt: instructions,
    tools: guardedTools(settings),
    middleware: [countersignMiddleware(gate)],
    checkpointer,
  });
  const options = { configurable: { thread_id: 'conversation' }, recursionLimit: 50, streamMode: 'updates' as const };
  const run = { text: '', suspended: false };
  for await (const update of await agent.stream(input as never, options)) {
    for (const [node, change] of Object.entries(update as Readonly<Record<string, unknown>>)) {
      if (node === '__interrupt__') {
        run.suspended = true;
        say('  is suspended: the run ends here until a person has decided');
      }
      const { messages = [] } = (change ?? {}) as { readonly messages?: readonly BaseMessage[] };
      for (const message of messages) {
        run.text = message.text;
        describe(message, say);
      }
    }
  }
  return { ...run, state: stored(checkpointer) };
}

function describe(message: BaseMessage, say: (line: string) => void): void {
  if (ToolMessage.isInstance(message)) return say(`  gets ${JSON.stringify(message.content)}`);
  if (!AIMessage.isInstance(message)) return;
  if (message.text !== '') say(`says "${message.text}"`);
  for (const { name, args } of message.tool_calls ?? []) say(`asks for ${name} ${JSON.stringify(args)}`);
}

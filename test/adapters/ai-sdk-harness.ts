/** The Vercel AI SDK. A run that waits is stored as its messages; native approval is `toolApproval`, signed. */
import { createMCPClient, type MCPClient } from '@ai-sdk/mcp';
import { createOpenAI } from '@ai-sdk/openai';
import { OpenTelemetry } from '@ai-sdk/otel';
import { detectUnguarded, guardModel, guardTools, inventoryOf } from '@countersign/ai-sdk';
import type { Gate } from '@countersign/core';
import {
  isStepCount,
  tool,
  ToolLoopAgent,
  wrapLanguageModel,
  type GenericToolApprovalFunction,
  type LanguageModel,
  type ModelMessage,
  type ToolExecutionOptions,
  type ToolSet,
} from 'ai';
import { z } from 'zod';
import { answerFor, failure, nameOfError, type Forgery, type Harness, type Job, type Report } from './harness.ts';
import { openInstallation } from './installation.ts';
import { withSpans } from './spans.ts';
import { generateTool, ruleFor, runTool, type ToolName } from './tools.ts';

type Outcome = Omit<Report, 'spans'>;
type Approval = GenericToolApprovalFunction<ToolSet, never, unknown>;

const inputSchema = z.object({ amount: z.number() });
const statuses = { allow: 'not-applicable', deny: 'denied', review: 'user-approval' } as const;

export const aiSdkHarness: Harness = async (job) => {
  const { result, spans } = await withSpans(async (): Promise<Outcome> => {
    const installation = job.guarded ? await openInstallation(job) : undefined;
    const clients: MCPClient[] = [];
    try {
      if (job.action.kind === 'inventory') {
        const tools = await toolsOf(job, clients);
        const text = JSON.stringify(installation?.countersign.inventory('acme', inventoryOf(tools)));
        return { waiting: [], text, ...failure(() => guarded(tools, installation?.gate)) };
      }
      if (job.action.kind === 'work') {
        const tools = guardTools(await toolsOf(job, clients), installation?.gate as Gate);
        await installation?.countersign.worker({ tools: tools as never }).tick();
        return { waiting: [] };
      }
      return await converse(job, installation?.gate, clients);
    } catch (error) {
      return { waiting: [], error: nameOfError(error) };
    } finally {
      for (const client of clients) await client.close();
      await installation?.close();
    }
  });
  return { ...result, spans };
};

async function converse(job: Job, gate: Gate | undefined, clients: MCPClient[]): Promise<Outcome> {
  const messages = messagesOf(job);
  const settings = {
    model: modelOf(job, gate),
    tools: job.shape === 'sub-agent' ? outerTools(job, gate, clients) : guarded(await toolsOf(job, clients), gate),
    stopWhen: isStepCount(6),
    maxRetries: 0,
    ...nativeApproval(job),
    telemetry: { integrations: [new OpenTelemetry(), ...(gate === undefined ? [] : [detectUnguarded()])] },
    ...(job.tools.includes('late')
      ? { prepareCall: (call: object) => ({ ...call, tools: { late: plainTool(job, 'late') } }) as never }
      : {}),
  };
  const agent = new ToolLoopAgent<never, ToolSet>(settings as never);
  const options = {
    messages,
    ...(job.abortAfterMs === undefined ? {} : { abortSignal: AbortSignal.timeout(job.abortAfterMs) }),
    ...(job.toolTimeoutMs === undefined ? {} : { timeout: { toolMs: job.toolTimeoutMs } }),
    ...(job.rewriteTo === undefined
      ? {}
      : {
          onToolExecutionStart: ({ toolCall }: { toolCall: { input: object } }) =>
            void Object.assign(toolCall.input, { amount: job.rewriteTo }),
        }),
  };
  const result = job.stream ? await streamed(agent, options) : await agent.generate(options as never);
  return outcomeOf(messages, await result.responseMessages, await result.text);
}

async function streamed(agent: ToolLoopAgent<never, ToolSet>, options: object) {
  const result = await agent.stream(options as never);
  for await (const part of result.stream) if (part.type === 'error') throw part.error;
  return result;
}

function outcomeOf(before: readonly ModelMessage[], added: readonly ModelMessage[], text: string): Outcome {
  const parts = added.flatMap(({ role, content }) =>
    role === 'assistant' && typeof content !== 'string' ? content : [],
  );
  const asked = parts.flatMap((part) =>
    part.type === 'tool-approval-request' && part.isAutomatic !== true ? [part.toolCallId] : [],
  );
  const waiting = parts.flatMap((part) =>
    part.type === 'tool-call' && asked.includes(part.toolCallId)
      ? [`${part.toolName} ${(part.input as { amount: number }).amount}`]
      : [],
  );
  return asked.length === 0 ? { waiting: [], text } : { waiting, state: JSON.stringify([...before, ...added]) };
}

function messagesOf({ action }: Job): ModelMessage[] {
  if (action.kind !== 'resume') return [{ role: 'user', content: 'go' }];
  const stored = forged(action.state, action.forge);
  const parts = stored.flatMap(({ role, content }) =>
    role === 'assistant' && typeof content !== 'string' ? content : [],
  );
  const responses = parts.flatMap((part) => {
    if (part.type !== 'tool-approval-request' || part.isAutomatic === true) return [];
    const call = parts.findLast((each) => each.type === 'tool-call' && each.toolCallId === part.toolCallId);
    const approved = answerFor(action.answer, call?.type === 'tool-call' ? call.toolName : '') === 'approve';
    return Array.from({ length: action.times }, () => ({
      type: 'tool-approval-response' as const,
      approvalId: part.approvalId,
      approved,
    }));
  });
  const last = stored.at(-1);
  // Results of calls that ran at once stand in the last tool message: the answers belong there too.
  if (last?.role === 'tool')
    return [...stored.slice(0, -1), { role: 'tool', content: [...last.content, ...responses] }];
  return [...stored, { role: 'tool', content: responses }];
}

function forged(state: string, forge: Forgery | undefined): ModelMessage[] {
  return JSON.parse(forge === undefined ? state : rewritten(state, forge)) as ModelMessage[];
}

function rewritten(state: string, forge: Forgery): string {
  if (forge === 'other-arguments') return state.replaceAll('"amount":1', '"amount":999');
  return state.replaceAll('"deploy"', JSON.stringify(forge.tool)).replaceAll('"c1"', JSON.stringify(forge.id));
}

function modelOf({ modelUrl }: Job, gate: Gate | undefined): LanguageModel {
  const model = createOpenAI({ baseURL: `${modelUrl}/v1`, apiKey: 'k' })('gpt-4o');
  return gate === undefined ? model : wrapLanguageModel({ model, middleware: guardModel(gate) });
}

function nativeApproval(job: Job): object {
  if (job.guarded) return {};
  const toolApproval: Approval = async ({ toolCall }) =>
    statuses[await ruleFor(job, toolCall.toolName, toolCall.input)];
  return { toolApproval, experimental_toolApprovalSecret: 'a secret of the server' };
}

function guarded(tools: ToolSet, gate: Gate | undefined): ToolSet {
  return gate === undefined ? tools : guardTools(tools, gate);
}

async function toolsOf(job: Job, clients: MCPClient[]): Promise<ToolSet> {
  const tools: ToolSet = {};
  for (const name of job.tools) {
    if (name === 'late') continue;
    if (name === 'mcp') Object.assign(tools, await mcpTools(job, clients));
    else if (name === 'search') tools['web_search'] = createOpenAI({ apiKey: 'k' }).tools.webSearch() as never;
    else tools[name] = name === 'generate' ? generatorTool(job) : plainTool(job, name);
  }
  return tools;
}

function plainTool(job: Job, name: ToolName): ToolSet[string] {
  return tool({
    description: name,
    inputSchema,
    execute: (input, { abortSignal }) => runTool(job, name, input, abortSignal),
  }) as never;
}

function generatorTool(job: Job): ToolSet[string] {
  async function* execute(input: unknown): AsyncGenerator<string, void, void> {
    yield* generateTool(job, input);
  }
  return tool({ description: 'generate', inputSchema, execute }) as never;
}

async function mcpTools({ mcpUrl }: Job, clients: MCPClient[]): Promise<ToolSet> {
  const client = await createMCPClient({ clientName: 'demo', transport: { type: 'http', url: mcpUrl } });
  clients.push(client);
  return (await client.tools()) as ToolSet;
}

/** The sub-agent is a tool that runs a loop of its own, as the SDK's documentation shows it. */
function outerTools(job: Job, gate: Gate | undefined, clients: MCPClient[]): ToolSet {
  const inner = async (_input: unknown, { abortSignal }: ToolExecutionOptions<never>): Promise<string> => {
    const raw = await toolsOf(job, clients);
    const tools = gate === undefined ? raw : guardTools(raw, gate.delegate('helper'), { wait: true });
    const settings = {
      model: modelOf(job, gate),
      tools,
      stopWhen: isStepCount(6),
      maxRetries: 0,
      ...nativeApproval(job),
    };
    const agent = new ToolLoopAgent<never, ToolSet>(settings as never);
    const { text } = await agent.generate({
      prompt: 'help',
      ...(abortSignal === undefined ? {} : { abortSignal }),
    } as never);
    return text;
  };
  return guarded({ helper: tool({ description: 'helps', inputSchema, execute: inner as never }) as never }, gate);
}

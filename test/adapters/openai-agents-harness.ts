/** The OpenAI Agents SDK. A run that waits is stored as its `RunState`; native approval is `needsApproval`, refusal a guardrail. */
import { guardAgent, inventoryOf, runnableTools } from '@countersign/openai-agents';
import type { Gate } from '@countersign/core';
import {
  Agent,
  addTraceProcessor,
  MCPServerStreamableHttp,
  OpenAIProvider,
  RunContext,
  Runner,
  RunState,
  setTraceProcessors,
  setTracingDisabled,
  tool,
  ToolGuardrailFunctionOutputFactory as Guardrail,
  webSearchTool,
  type Tool,
  type ToolInputGuardrailDefinition,
} from '@openai/agents';
import { z } from 'zod';
import { answerFor, failure, nameOfError, type Forgery, type Harness, type Job, type Report } from './harness.ts';
import { openInstallation } from './installation.ts';
import { withSpans } from './spans.ts';
import { amountOf, ruleFor, runTool, mayBeDenied, needsReview, type ToolName } from './tools.ts';

type Outcome = Omit<Report, 'spans'>;
/** What a plain and a streamed result have in common. */
interface Result {
  readonly interruptions: readonly { readonly name?: string | undefined; readonly arguments?: string | undefined }[];
  readonly finalOutput?: unknown;
  readonly state: { toString(): string };
}

interface Context {
  readonly user: string;
}

const parameters = z.object({ amount: z.number() });

/** The SDK's own traces, instead of sending them away. */
const traced: unknown[] = [];
// Off by default where tests run.
setTracingDisabled(false);
setTraceProcessors([]);
addTraceProcessor({
  onTraceStart: async () => undefined,
  onTraceEnd: async (trace) => void traced.push(trace.toJSON()),
  onSpanStart: async () => undefined,
  onSpanEnd: async (span) => void traced.push({ data: span.spanData, error: span.error }),
  shutdown: async () => undefined,
  forceFlush: async () => undefined,
});

export const openaiAgentsHarness: Harness = async (job) => {
  traced.length = 0;
  const { result, spans } = await withSpans(async (): Promise<Outcome> => {
    const installation = job.guarded ? await openInstallation(job) : undefined;
    const servers: MCPServerStreamableHttp[] = [];
    try {
      if (job.action.kind === 'inventory') {
        const gate = installation?.gate as Gate;
        const allowed = { allowHosted: ['web_search'] };
        const listed = await inventoryOf(guardAgent(await agentOf(job, undefined, servers), gate, allowed), allowed);
        const agent = await agentOf(job, undefined, servers);
        const text = JSON.stringify(installation?.countersign.inventory('acme', listed));
        return { waiting: [], text, ...failure(() => guardAgent(agent, gate)) };
      }
      const agent = await agentOf(job, installation?.gate, servers);
      if (job.action.kind === 'work') {
        await installation?.countersign.worker({ tools: await runnableTools(agent, { user: job.user }) }).tick();
        return { waiting: [] };
      }
      return await converse(job, agent);
    } catch (error) {
      return { waiting: [], error: nameOfError(error) };
    } finally {
      for (const server of servers) await server.close();
      await installation?.close();
    }
  });
  return { ...result, spans: `${spans}\n${JSON.stringify(traced)}` };
};

async function converse(job: Job, agent: Agent<Context>): Promise<Outcome> {
  const modelProvider = new OpenAIProvider({ baseURL: `${job.modelUrl}/v1`, apiKey: 'k', useResponses: true });
  const runner = new Runner({ modelProvider, model: 'gpt-4o', toolNotFoundBehavior: 'return_error_to_model' });
  if (job.rewriteTo !== undefined) {
    runner.on(
      'agent_tool_start',
      (_context, _agent, _tool, { toolCall }) =>
        void Object.assign(toolCall, { arguments: JSON.stringify({ amount: job.rewriteTo }) }),
    );
  }
  const options = {
    context: { user: job.user },
    ...(job.abortAfterMs === undefined ? {} : { signal: AbortSignal.timeout(job.abortAfterMs) }),
  };
  const input = (await resumed(job, agent)) ?? 'go';
  if (!job.stream) return outcomeOf(await runner.run(agent, input, options));
  const result = await runner.run(agent, input, { ...options, stream: true });
  for await (const _event of result);
  await result.completed;
  return outcomeOf(result);
}

function outcomeOf(result: Result): Outcome {
  if (result.interruptions.length === 0)
    return { waiting: [], text: typeof result.finalOutput === 'string' ? result.finalOutput : '' };
  const waiting = result.interruptions.map(({ name, arguments: text }) => `${name} ${amountOf(parsed(text))}`);
  return { waiting, state: result.state.toString() };
}

/** The SDK also asks about arguments that are no JSON. */
function parsed(text = ''): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function resumed(job: Job, agent: Agent<Context>): Promise<RunState<Context, Agent<Context>> | undefined> {
  const { action } = job;
  if (action.kind !== 'resume') return undefined;
  const text = forged(action.state, action.forge);
  const state = job.guarded
    ? await RunState.fromStringWithContext<Context, Agent<Context>>(agent, text, new RunContext({ user: job.user }), {
        contextStrategy: 'replace',
      })
    : await RunState.fromString<Context, Agent<Context>>(agent, text);
  for (let time = 0; time < action.times; time += 1) {
    for (const item of state.getInterruptions()) {
      if (answerFor(action.answer, item.name ?? '') === 'approve') state.approve(item);
      else state.reject(item);
    }
  }
  return state;
}

function forged(state: string, forge: Forgery | undefined): string {
  // Arguments are JSON in JSON, and a nested run is JSON in that.
  if (forge === 'other-arguments') return state.replaceAll(/(\\*"amount\\*":)1\b/g, '$1999');
  return forge === undefined ? state : state.replaceAll('deploy', forge.tool).replaceAll(/\bc1\b/g, forge.id);
}

async function agentOf(job: Job, gate: Gate | undefined, servers: MCPServerStreamableHttp[]): Promise<Agent<Context>> {
  const guard = (agent: Agent<Context>): Agent<Context> =>
    gate === undefined ? agent : guardAgent(agent, ({ context }) => (context.user === job.user ? gate : undefined));
  const tools = job.tools.filter((name) => name !== 'late' && name !== 'mcp').map((name) => toolOf(job, name));
  if (job.tools.includes('mcp')) {
    const server = new MCPServerStreamableHttp({
      name: 'demo',
      url: job.mcpUrl,
      ...(job.guarded ? {} : { toolInputGuardrails: [refusal(job)] }),
    });
    await server.connect();
    servers.push(server);
  }
  const worker = new Agent<Context>({ name: 'specialist', tools, mcpServers: servers });
  if (job.shape === 'plain') {
    const agent = guard(worker);
    if (job.tools.includes('late')) agent.tools.push(toolOf(job, 'late'));
    return agent;
  }
  if (job.shape === 'hand-off') return guard(new Agent<Context>({ name: 'front', handoffs: [worker] }));
  const helper = guard(worker).asTool({
    toolName: 'helper',
    toolDescription: 'helps',
    parameters: z.object({ input: z.string() }),
  });
  return guard(new Agent<Context>({ name: 'front', tools: [helper as never] }));
}

function toolOf(job: Job, name: ToolName): Tool<Context> {
  if (name === 'search') return webSearchTool() as Tool<Context>;
  return tool({
    name,
    description: name,
    parameters,
    execute: (input, _context, details) => runTool(job, name, input, details?.signal),
    ...(job.guarded ? {} : nativeApproval(job, name)),
    ...(job.toolTimeoutMs === undefined ? {} : { timeoutMs: job.toolTimeoutMs }),
  }) as Tool<Context>;
}

function nativeApproval(job: Job, name: ToolName): object {
  const asks = needsReview(name) || job.fault !== undefined;
  return {
    ...(asks
      ? { needsApproval: async (_context: unknown, input: unknown) => (await ruleFor(job, name, input)) === 'review' }
      : {}),
    ...(mayBeDenied(name) ? { inputGuardrails: [refusal(job)] } : {}),
  };
}

function refusal(job: Job): ToolInputGuardrailDefinition {
  return {
    type: 'tool_input',
    name: 'rule',
    run: async ({ toolCall }) =>
      (await ruleFor(job, toolCall.name, parsed(toolCall.arguments))) === 'deny'
        ? Guardrail.rejectContent('not permitted')
        : Guardrail.allow(),
  };
}

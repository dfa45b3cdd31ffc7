/**
 * Puts the gate in front of everything that an agent can do: the tools it has, gets or finds, its hand-offs and the agents
 * behind them. The runner and realtime sessions ask an agent for its tools through a few methods; those are replaced
 * on the agent itself, and nothing else of it is changed.
 * @module
 */
import { ToolNotGovernable, type GateSource } from '@countersign/core';
import type { Agent, FunctionTool, Handoff, HostedTool, RunContext, Tool } from '@openai/agents';
import { gateFor, identify, type AgentSite, type CallContext, type GuardOptions } from './call-site.ts';
import {
  createStartedCalls,
  guardApplyPatchTool,
  guardComputerTool,
  guardShellTool,
  type StartedCalls,
} from './guard-executor-tool.ts';
import { guardFunctionTool, isAgentTool } from './guard-function-tool.ts';
import { guardHandoff } from './guard-handoff.ts';
import { hiddenInThisRun, leaveOutHidden } from './hidden-tools.ts';
import { guardHostedMcp, guardToolSearch, hostedRefusal, isClientToolSearch, isHostedMcp } from './hosted-tool.ts';
import { markedMcpTools, takeMark } from './mcp-sources.ts';
import { nameOf } from './tool-name.ts';
import { createTurns } from './turns.ts';
import { createUserWords } from './user-words.ts';

type AnyAgent = Agent<unknown>;
type AnyTool = Tool<unknown>;
type AnyHandoff = Handoff<unknown>;

/** An agent of the SDK, of any context and output: also a sandbox or realtime agent. */
export interface AgentShape {
  readonly name: string;
  readonly tools: readonly unknown[];
  readonly handoffs: readonly unknown[];
  getAllTools(...args: never[]): Promise<unknown[]>;
  getEnabledHandoffs(...args: never[]): Promise<unknown[]>;
}

/** The type of `runContext.context` of an agent. */
export type ContextOf<A> = A extends { getSystemPrompt(context: RunContext<infer Context>): unknown }
  ? Context
  : unknown;

const guarded = new WeakMap<object, AgentGuard>();
/** Tools made from guarded agents by `asTool`. */
const innerGuarded = new WeakSet<object>();

interface AgentGuard {
  readonly site: AgentSite;
  readonly realtime: boolean;
  readonly calls: StartedCalls;
  /** Guarded copies: the SDK compares tools by identity across the turns of a run. */
  readonly copies: WeakMap<object, AnyTool>;
}

/**
 * Guards `agent` and answers it: its tools, whenever and from wherever they come, its clones, and every agent it hands off
 * to. Agents used through `asTool()` must be guarded before that. `source` is a gate, or resolves one per call.
 *
 * @throws ToolNotGovernable when the agent has a tool that runs past this process and is not in `allowHosted`, or a tool
 * made from an agent that is not guarded
 */
export function guardAgent<A extends AgentShape>(
  agent: A,
  source: GateSource<CallContext<ContextOf<A>>>,
  options: GuardOptions = {},
): A {
  guard(agent as unknown as AnyAgent, source as GateSource<CallContext>, options);
  return agent;
}

export function isGuardedAgent(agent: object): boolean {
  return guarded.has(agent);
}

function guard(agent: AnyAgent, source: GateSource<CallContext>, options: GuardOptions): AnyAgent {
  if (guarded.has(agent)) return agent;
  const realtime = 'voice' in agent;
  const turns = createTurns(agent.name, realtime);
  const site: AgentSite = { agentName: agent.name, source, options, turns, words: createUserWords() };
  const own: AgentGuard = { site, realtime, calls: createStartedCalls(), copies: new WeakMap() };
  for (const tool of agent.tools as AnyTool[]) refuse(own, tool);
  guarded.set(agent, own);
  override(agent, own);
  if (!realtime) leaveOutHidden(agent, isGuardedAgent);
  agent.on('agent_start', (context, _agent, input) => {
    turns.earlier(context as RunContext<unknown>, callIdsOf(input));
    site.words.started(context, input);
  });
  agent.on('agent_tool_start', (context, _tool, { toolCall }) =>
    own.calls.started(context as RunContext<unknown>, toolCall),
  );
  // Eagerly, because a restored run may start in any of them.
  for (const entry of agent.handoffs)
    guard(('onInvokeHandoff' in entry ? entry.agent : entry) as AnyAgent, source, options);
  return agent;
}

function override(agent: AnyAgent, own: AgentGuard): void {
  const { site } = own;
  const { source, options, turns } = site;
  const getAllTools = agent.getAllTools.bind(agent);
  const getEnabledHandoffs = agent.getEnabledHandoffs.bind(agent);
  const getSystemPrompt = agent.getSystemPrompt.bind(agent);
  const clone = agent.clone.bind(agent);
  const asTool = agent.asTool.bind(agent);
  const onward = (target: AnyAgent): AnyAgent => guard(target, source, options);

  agent.getMcpTools = markedMcpTools(agent);
  agent.getAllTools = async (...args) => {
    const [context] = args;
    // Only a turn names a span to trace under. A stored state is restored without one: its calls must find their tools
    // again, and were not seen being made here.
    const restoring = args.length < 2 && !own.realtime;
    if (restoring) turns.restored(context);
    const tools = guardTools(own, await getAllTools(...args), restoring);
    return restoring ? tools : offered(own, context, tools);
  };
  agent.getEnabledHandoffs = async (context) => {
    const handoffs = (await getEnabledHandoffs(context)) as AnyHandoff[];
    const permitted = await permittedNames(site, context);
    const hidden = own.realtime ? undefined : hiddenInThisRun();
    const isHidden = ({ toolName }: AnyHandoff): boolean => !permitted.has(toolName);
    if (hidden !== undefined) hidden.handoffs = new Set(handoffs.filter(isHidden).map(({ toolName }) => toolName));
    return handoffs
      .filter((entry) => hidden !== undefined || !isHidden(entry))
      .map((entry) => guardHandoff(site, agent, entry, onward)) as never;
  };
  agent.getSystemPrompt = async (context) => {
    turns.asked(context);
    return getSystemPrompt(context);
  };
  agent.clone = ((config: Parameters<typeof clone>[0]) => onward(clone(config) as AnyAgent)) as typeof agent.clone;
  agent.asTool = ((config: Parameters<typeof asTool>[0]) => {
    const made = asTool(config);
    innerGuarded.add(made);
    return made;
  }) as typeof agent.asTool;
}

async function permittedNames(site: AgentSite, context: RunContext<unknown>): Promise<ReadonlySet<string>> {
  const gate = await gateFor(site, context, '');
  return new Set(gate?.permittedTools() ?? []);
}

/**
 * What a principal may not use is not shown to its model. A runner still gets it, to find it when the model calls it; not
 * so a computer, which it would start, and what runs at the provider.
 */
async function offered(own: AgentGuard, context: RunContext<unknown>, tools: readonly AnyTool[]): Promise<AnyTool[]> {
  const permitted = await permittedNames(own.site, context);
  const isPermitted = (tool: AnyTool): boolean =>
    (tool.type === 'hosted_tool' && isClientToolSearch(tool)) || permitted.has(nameOf(tool));
  const hidden = own.realtime ? undefined : hiddenInThisRun();
  if (hidden === undefined) return tools.filter(isPermitted);
  const findable = tools.filter((tool) => isPermitted(tool) || !['hosted_tool', 'computer'].includes(tool.type));
  hidden.tools = new Set(findable.filter((tool) => !isPermitted(tool)).map(nameOf));
  return findable;
}

/** Guarded copies of what can be guarded. What came after `guardAgent` and cannot is left out. */
function guardTools(own: AgentGuard, tools: readonly AnyTool[], restoring: boolean): AnyTool[] {
  const copies: AnyTool[] = [];
  for (const found of tools) {
    if (ungovernable(own, found) !== undefined) continue;
    // A hosted MCP server never waits for a person, so a stored state in which one does is forged.
    if (restoring && found.type === 'hosted_tool' && isHostedMcp(found)) continue;
    const known = own.copies.get(found);
    const copy = known ?? guardTool(own, found);
    own.copies.set(found, copy);
    copies.push(copy);
  }
  return copies;
}

function guardTool(own: AgentGuard, found: AnyTool): AnyTool {
  const { site, calls, realtime } = own;
  const { tool, server } = takeMark(found);
  const name = nameOf(tool);
  const at = (source: string, schema?: unknown, description?: unknown) => ({
    ...site,
    identity: identify(name, source, description, schema),
  });
  switch (tool.type) {
    case 'function': {
      const source = server === undefined ? 'local' : `mcp:${server}`;
      return guardFunctionTool(
        at(source, tool.parameters, tool.description),
        tool as FunctionTool<unknown>,
        realtime,
      ) as AnyTool;
    }
    case 'shell':
      return guardShellTool(at('local'), tool, calls);
    case 'apply_patch':
      return guardApplyPatchTool(at('local'), tool, calls);
    case 'computer':
      return guardComputerTool(at('local'), tool as never, calls) as AnyTool;
    default:
      return guardHosted(own, tool);
  }
}

function guardHosted(own: AgentGuard, tool: HostedTool): HostedTool {
  if (isClientToolSearch(tool)) return guardToolSearch(tool, (found) => guardTools(own, found, false));
  return isHostedMcp(tool) ? guardHostedMcp(own.site, tool) : tool;
}

/** Why no gate can stand in front of a tool. */
export function ungovernable({ site }: Pick<AgentGuard, 'site'>, tool: AnyTool): string | undefined {
  switch (tool.type) {
    case 'function':
      return isAgentTool(tool) && !innerGuarded.has(tool)
        ? 'it runs an agent that is not guarded; guard that agent before asTool()'
        : undefined;
    case 'shell':
      return tool.shell === undefined ? 'it runs in a container of the provider' : undefined;
    case 'apply_patch':
    case 'computer':
      return undefined;
    case 'hosted_tool':
      return hostedRefusal(tool, site.options.allowHosted ?? []);
    default:
      return 'it is of an unknown kind';
  }
}

function refuse(own: AgentGuard, tool: AnyTool): void {
  const why = ungovernable(own, tool);
  if (why !== undefined) throw new ToolNotGovernable(`tool ${JSON.stringify(nameOf(tool))} cannot be guarded: ${why}`);
}

function callIdsOf(input: unknown): string[] {
  if (!Array.isArray(input)) return [];
  return (input as { type?: unknown; callId?: unknown }[]).flatMap(({ type, callId }) =>
    typeof type === 'string' && type.endsWith('_call') && typeof callId === 'string' ? [callId] : [],
  );
}

/**
 * What an agent can do, for `countersign.inventory`: before anything runs.
 * @module
 */
import type { InventoryTool, ReviewPath } from '@countersign/core';
import { RunContext, type Agent, type Tool } from '@openai/agents';
import { isGuardedAgent, ungovernable, type AgentShape } from './guard-agent.ts';
import { handoffSource } from './guard-handoff.ts';
import { isHostedMcp } from './hosted-tool.ts';
import { nameOf } from './tool-name.ts';
import type { GuardOptions } from './call-site.ts';

/**
 * The agent's tools and hand-offs, and those of every agent that it hands off to, each once. Tools of MCP servers are
 * listed when `context` is given, because the servers must be connected and may filter by it.
 */
export async function inventoryOf(
  agent: AgentShape,
  options: GuardOptions & { readonly context?: unknown } = {},
): Promise<InventoryTool[]> {
  const found = new Map<string, InventoryTool>();
  const visited = new Set<object>();
  await visit(agent as unknown as Agent<unknown>, options, visited, (tool) =>
    found.set(`${tool.source}\n${tool.name}`, tool),
  );
  return [...found.values()];
}

async function visit(
  agent: Agent<unknown>,
  options: GuardOptions & { readonly context?: unknown },
  visited: Set<object>,
  add: (tool: InventoryTool) => void,
): Promise<void> {
  if (visited.has(agent)) return;
  visited.add(agent);
  const unguarded = isGuardedAgent(agent) ? undefined : `agent ${JSON.stringify(agent.name)} is not guarded`;
  const entry = (name: string, source: string, why: string | undefined, review?: ReviewPath): InventoryTool =>
    why === undefined
      ? { name, source, ...(review === undefined ? {} : { review }) }
      : { name, source, ungovernable: why };
  for (const tool of agent.tools as Tool<unknown>[]) {
    add(
      entry(
        nameOf(tool),
        tool.type === 'hosted_tool' ? 'provider:openai' : 'local',
        unguarded ?? ungovernable({ site: { options } as never }, tool),
        reviewOf(tool),
      ),
    );
  }
  if ('context' in options) {
    for (const tool of await agent.getMcpTools(new RunContext(options.context)))
      add(entry(nameOf(tool), 'mcp', unguarded, 'pauses'));
  }
  for (const handoff of agent.handoffs) {
    const target = ('onInvokeHandoff' in handoff ? handoff.agent : handoff) as Agent<unknown>;
    const name = 'onInvokeHandoff' in handoff ? handoff.toolName : `transfer_to_${target.name}`;
    add(entry(name, handoffSource, unguarded, 'refused'));
    await visit(target, options, visited, add);
  }
}

/** The server of a hosted MCP tool waits for an answer that cannot be "ask a person"; other hosted tools ask nobody. */
function reviewOf(tool: Tool<unknown>): ReviewPath | undefined {
  if (tool.type !== 'hosted_tool') return 'pauses';
  return isHostedMcp(tool) ? 'refused' : undefined;
}

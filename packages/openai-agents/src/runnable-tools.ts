/**
 * The tools of a guarded agent for a worker: calls that were approved asynchronously run there, without the SDK's loop.
 * @module
 */
import { runnable, type RunnableTool, type RunnableTools } from '@countersign/core';
import { RunContext, type Agent } from '@openai/agents';
import type { AgentShape, ContextOf } from './guard-agent.ts';

/** Function tools, also of MCP servers. Agents as tools, shell, patch and computer tools need the SDK's loop. */
export async function runnableTools<A extends AgentShape>(agent: A, context: ContextOf<A>): Promise<RunnableTools> {
  const tools = await (agent as unknown as Agent<unknown>).getAllTools(new RunContext<unknown>(context));
  const entries = tools.flatMap((tool): [string, RunnableTool][] => {
    const found = (tool as { readonly [runnable]?: RunnableTool })[runnable];
    return found === undefined ? [] : [[found.identity.name, found]];
  });
  return Object.fromEntries(entries);
}

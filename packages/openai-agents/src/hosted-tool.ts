/**
 * Tools that run at the model provider. No code of this process stands in front of them, so they are refused unless they
 * are named; a hosted MCP server asks this process before every call, and the gate answers.
 * @module
 */
import { notPermitted } from '@countersign/core';
import {
  attachClientToolSearchExecutor,
  getClientToolSearchExecutor,
  type HostedTool,
  type RunContext,
  type Tool,
} from '@openai/agents';
import { answerOf, sentenceFor } from './answer.ts';
import { callOf, gateFor, type AgentSite } from './call-site.ts';

interface McpData {
  readonly type?: unknown;
  readonly server_label?: unknown;
  readonly require_approval?: unknown;
}

function mcpData(tool: HostedTool): McpData | undefined {
  const data = tool.providerData as McpData | undefined;
  return tool.name === 'hosted_mcp' || data?.type === 'mcp' ? (data ?? {}) : undefined;
}

export function isHostedMcp(tool: HostedTool): boolean {
  return mcpData(tool) !== undefined;
}

/** What a policy calls it: its own name, or the label of the MCP server. */
export function hostedName(tool: HostedTool): string {
  const data = mcpData(tool);
  return data === undefined ? tool.name : typeof data.server_label === 'string' ? data.server_label : 'hosted_mcp';
}

export function isClientToolSearch(tool: HostedTool): boolean {
  return getClientToolSearchExecutor(tool) !== undefined;
}

/** Why no gate can stand in front of this tool, if that is so. */
export function hostedRefusal(tool: HostedTool, allowHosted: readonly string[]): string | undefined {
  if (isClientToolSearch(tool)) return undefined;
  const name = hostedName(tool);
  const data = mcpData(tool);
  if (!allowHosted.includes(name)) return `${name} runs at the provider`;
  if (data !== undefined && data.require_approval !== 'always')
    return `hosted MCP server ${name} does not require approval for every call`;
  return undefined;
}

interface McpRequest {
  readonly rawItem?: {
    readonly id?: string;
    readonly name?: string;
    readonly providerData?: { readonly id?: string; readonly name?: string; readonly arguments?: string };
  };
}

/** The answer of the gate is final: the SDK has no way to say "ask a person" here, so a pending review is a refusal. */
export function guardHostedMcp(site: AgentSite, tool: HostedTool): HostedTool {
  const server = hostedName(tool);
  const onApproval = async (
    context: RunContext<unknown>,
    item: unknown,
  ): Promise<{ approve: boolean; reason?: string }> => {
    const { rawItem } = item as McpRequest;
    const data = rawItem?.providerData;
    const callId = data?.id ?? rawItem?.id ?? '';
    const name = data?.name ?? rawItem?.name ?? '';
    const gate = await gateFor(site, context, name, callId);
    const args = jsonOf(data?.arguments);
    if (gate === undefined || args === undefined) return { approve: false, reason: notPermitted };
    const identity = { name, source: `hosted-mcp:${server}` };
    const call = callOf({ ...site, identity }, context, { callId, arguments: args, wire: data?.arguments });
    const outcome = await gate.execute(call, () => ({ approve: true }));
    const fresh = outcome.status === 'completed' && !outcome.replayed && answerOf(outcome) !== undefined;
    return fresh
      ? { approve: true }
      : { approve: false, reason: outcome.status === 'completed' ? notPermitted : sentenceFor(outcome) };
  };
  return { ...tool, providerData: { ...tool.providerData, on_approval: onApproval } };
}

function jsonOf(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '{}') as unknown;
  } catch {
    return undefined;
  }
}

/** A client-side tool search answers with tools that the agent was never asked about: they are guarded on the way out. */
export function guardToolSearch(
  tool: HostedTool,
  guard: (found: readonly Tool<unknown>[]) => Tool<unknown>[],
): HostedTool {
  const search = getClientToolSearchExecutor(tool);
  if (search === undefined) return tool;
  const guarded: typeof search = async (input) => {
    const found = await search(input);
    return guard(
      found === null || found === undefined
        ? []
        : ((Array.isArray(found) ? found : [found]) as readonly Tool<unknown>[]),
    ) as never;
  };
  return attachClientToolSearchExecutor({ ...tool }, guarded) as HostedTool;
}

/**
 * Where a guarded tool stands: who resolves its gate, what it is called in the policy, and which call is being made.
 * @module
 */
import { createHash } from 'node:crypto';
import { resolveGate, type Gate, type GateSource, type ToolCall, type ToolIdentity } from '@countersign/core';
import type { RunContext } from '@openai/agents';
import type { Turns } from './turns.ts';
import type { UserWords } from './user-words.ts';

/** What a gate resolver may look at: the server's own values, never messages or arguments. */
export interface CallContext<Context = unknown> {
  /** What was passed to `runner.run(…, { context })`. */
  readonly context: Context;
  readonly agentName: string;
  readonly toolName: string;
  /** Empty where no call is made yet: when tools are offered. */
  readonly callId: string;
}

/** A call that waits for a person. */
export interface PendingCall {
  readonly approval: string;
  readonly agentName: string;
  readonly toolName: string;
  readonly callId: string;
}

export interface GuardOptions {
  /**
   * Tools that run at the provider, by name (`web_search`), and hosted MCP servers, by label, that may be offered to
   * principals who are permitted a tool of this name. Nothing stands in front of what a hosted tool does; a hosted MCP
   * server must require approval `always`, and the gate gives it.
   */
  readonly allowHosted?: readonly string[];
  /** Told when a call begins to wait for a person, so that an application can show which approval is meant. */
  readonly onPending?: (pending: PendingCall) => void;
  /**
   * The user messages with which the SDK starts an agent are this user's own words: nothing retrieved, summarised or
   * written by a model is ever put into them. They then count where a rule or an approver asks where a value came from.
   * Default false: only what the gate's `heard` says counts. Inside guarded calls and for delegates it always is so.
   */
  readonly trustUserMessages?: boolean;
}

/** What all tools of one guarded agent share. */
export interface AgentSite {
  readonly agentName: string;
  readonly source: GateSource<CallContext>;
  readonly options: GuardOptions;
  readonly turns: Turns;
  readonly words: UserWords;
}

export interface ToolSite extends AgentSite {
  readonly identity: ToolIdentity;
}

/** Never rejects; `undefined` means deny. */
export function gateFor(
  site: AgentSite,
  context: RunContext<unknown> | undefined,
  toolName: string,
  callId = '',
): Promise<Gate | undefined> {
  return resolveGate(site.source, { context: context?.context, agentName: site.agentName, toolName, callId });
}

export function callOf(
  site: ToolSite,
  context: RunContext<unknown> | undefined,
  call: { readonly callId: string | undefined; readonly arguments: unknown; readonly wire?: string | undefined },
): ToolCall {
  const { callId = '', wire } = call;
  const place = site.turns.place(context, callId);
  const { trustUserMessages = false } = site.options;
  return {
    ...{ tool: site.identity, callId, arguments: call.arguments, ...place },
    ...(wire === undefined ? {} : { wire }),
    ...(trustUserMessages ? { observed: () => ({ user: site.words.of(context) }) } : {}),
  };
}

/** Description and schema are what the model was told; a tool that changed after it was approved is another tool. */
export function identify(name: string, source: string, description: unknown, schema: unknown): ToolIdentity {
  const text = JSON.stringify(['countersign/openai-agents/tool/1', description ?? null, schema ?? null], sortMembers);
  return { name, source, schemaDigest: createHash('sha256').update(text).digest('base64url') };
}

/** MCP servers may list the members of a schema in another order every time. */
function sortMembers(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)));
}

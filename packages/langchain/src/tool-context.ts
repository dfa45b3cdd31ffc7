/**
 * What a resolver reads to find out who is behind a call.
 * @module
 */
import type { GateSource } from '@countersign/core';
import type { ToolRunnableConfig } from '@langchain/core/tools';

/** Server-side only: what your code passed as config, never what is in messages or arguments. */
export interface ToolContext {
  /** `config.configurable`. Where clients can set it (a LangGraph server), read only what your authentication put there. */
  readonly configurable: Readonly<Record<string, unknown>>;
  /** `context` of the graph's run. It is not kept in checkpoints: whoever resumes supplies it anew. */
  readonly context: unknown;
  readonly threadId: string | undefined;
  /** Absent when the question is which tools to offer. */
  readonly toolName: string | undefined;
  readonly toolCallId: string | undefined;
}

/** A gate, or a function that finds it for each call. Its run should be stable per thread: `countersign.gate({ principal, run })`. */
export type ToolGateSource = GateSource<ToolContext>;

/** The config that reaches a tool inside a graph carries the graph's context too. */
export type ToolConfig = ToolRunnableConfig & { readonly context?: unknown };

export function toolContext(config: ToolConfig | undefined, toolName: string | undefined): ToolContext {
  const configurable: Record<string, unknown> = config?.configurable ?? {};
  return {
    configurable,
    context: config?.context,
    threadId: textOf(configurable['thread_id']),
    toolName,
    toolCallId: textOf(config?.toolCall?.id),
  };
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

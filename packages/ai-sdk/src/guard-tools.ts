/**
 * Guarded tools: the same tools with the same types, whose bodies run only through the gate.
 *
 * The wrapper around `execute` is the boundary. `needsApproval` only lets the SDK pause where it can: nothing it
 * answers, and nothing the client sends back, lets a call run.
 * @module
 */
import { ToolNotGovernable, type GateSource } from '@countersign/core';
import type { ToolSet } from 'ai';
import { guardTool, type GuardSettings, type ToolContext } from './guard-tool.ts';
import { isToolSearch, kindOf, whyUngovernable, type AnyTool } from './tool-kind.ts';

export interface GuardToolsOptions<Name extends string = string> {
  /**
   * Tools whose `execute` is a plain function that returns an AsyncIterable: their values are then streamed. Async
   * generator functions are recognised; an iterable that was not declared is read to its last value.
   */
  readonly streaming?: readonly Name[];
  /**
   * Tools that run at the model provider, past every gate and every approval. `guardModel` offers them to principals
   * whom the policy permits a tool of this name, and to nobody else.
   */
  readonly allowProviderExecuted?: readonly Name[];
  /** Tools without `execute`: they run in the client, and what they answer is the client's word. */
  readonly allowClientSide?: readonly Name[];
  /**
   * Waits inside `execute` for a blocking approval instead of suspending the run: for sub-agents and code mode, where
   * the SDK has no pause. Default false.
   */
  readonly wait?: boolean;
  /**
   * The user messages that the SDK hands to a tool are this user's own words: nothing retrieved, summarised or
   * written by a model is ever put into them. They then count where a rule or an approver asks where a value came from.
   * Default false: only what the gate's `heard` says counts. Inside guarded calls and for delegates it always is so.
   */
  readonly trustUserMessages?: boolean;
}

/**
 * Guards every tool of a set. `source` is a gate, or resolves one for each call (`ambientGate`, or your own function of
 * the tool's server-side context); without a gate every call is denied.
 *
 * A call that may not run rejects: UnauthorizedToolCall when denied, CallPending while a person has to approve,
 * CallUnknown when an earlier attempt has no known outcome, and whatever the tool threw, scrubbed. The SDK tells the
 * model and goes on.
 *
 * @throws ToolNotGovernable for a tool that does not run here and was not allowed by name
 * @throws ConfigurationError for a tool that is guarded already
 */
export function guardTools<Tools extends ToolSet>(
  tools: Tools,
  source: GateSource<ToolContext>,
  options: GuardToolsOptions<keyof NoInfer<Tools> & string> = {},
): Tools {
  const settings: GuardSettings = {
    source,
    streaming: new Set(options.streaming),
    wait: options.wait === true,
    trustUserMessages: options.trustUserMessages === true,
  };
  const allowed: Readonly<Record<'provider' | 'client', readonly string[]>> = {
    provider: options.allowProviderExecuted ?? [],
    client: options.allowClientSide ?? [],
  };
  const guarded = Object.create(Object.getPrototypeOf(tools) as object | null) as Record<string, AnyTool>;
  for (const [name, tool] of Object.entries(tools) as [string, AnyTool][]) {
    const kind = kindOf(tool);
    if (kind !== 'executable' && !allowed[kind].includes(name)) {
      throw new ToolNotGovernable(
        `tool ${JSON.stringify(name)} ${whyUngovernable(tool)}; remedy: leave it out, or allow it by name`,
      );
    }
    const value = kind !== 'executable' || isToolSearch(tool) ? tool : guardTool(name, tool, settings);
    Object.defineProperty(guarded, name, { value, enumerable: true, configurable: true, writable: true });
  }
  return guarded as Tools;
}

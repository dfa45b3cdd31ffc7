/**
 * For `createAgent`: writes down what the model asked for, guards whatever reaches the tool node, offers only what is
 * permitted, and keeps the treatment of errors that agents without such middleware have.
 * @module
 */
import { CountersignError, resolveGate, ToolNotGovernable, type Gate } from '@countersign/core';
import { getContextVariable, registerConfigureHook, setContextVariable } from '@langchain/core/context';
import { ToolMessage } from '@langchain/core/messages';
import { Command, isCommand, isGraphBubbleUp } from '@langchain/langgraph';
import { createMiddleware, MiddlewareError, ToolInvocationError, type AgentMiddleware } from 'langchain';
import { ReplacedToolHandler } from './callback-handler.ts';
import { refuseGarbled, withGarbledCalls } from './garbled-calls.ts';
import { guardTool, type GuardOptions } from './guard-tools.ts';
import { langchainState, type PauseSlot } from './guarded-state.ts';
import { keepAskedCall, recordFor } from './recorded-answers.ts';
import { toolContext, type ToolConfig, type ToolGateSource } from './tool-context.ts';
import { kindOf, serverToolName, type AnyTool } from './tool-kind.ts';

export interface MiddlewareOptions extends GuardOptions {
  /**
   * Tools that run at the model's provider and may be offered all the same, by `type` (`mcp:<server_label>` for hosted MCP
   * servers): to principals whom the policy permits a tool of that name. No gate sees their calls. Default: none.
   */
  readonly allowServerTools?: readonly string[];
  /**
   * What an error of a tool becomes. `message`: what an agent without tool middleware makes of it, a message to the
   * model. `throw`: what an agent with other tool middleware makes of it, the end of the run. Default: `message`, and
   * for `guardAgent` what the agent would do without it.
   */
  readonly toolErrors?: 'message' | 'throw';
}

type Hooks = Required<Pick<AgentMiddleware, 'wrapModelCall' | 'wrapToolCall'>>;

/**
 * First in `middleware` it sees what the others make of a pause: a retry would take it for an error. Last it sees the
 * tools, arguments and offers as the others left them. Wherever it is, a raw tool that comes in behind it is not run.
 * `guardAgent` is at both ends.
 */
export function countersignMiddleware(source: ToolGateSource, options: MiddlewareOptions = {}): AgentMiddleware {
  const outer = outerHooks(source, options);
  const inner = innerHooks(source, options);
  return createMiddleware({
    name: 'Countersign',
    wrapModelCall: async (request, handler) =>
      outer.wrapModelCall(request, (given) => inner.wrapModelCall(given as typeof request, handler as never) as never),
    wrapToolCall: async (request, handler) =>
      outer.wrapToolCall(request, (given) => inner.wrapToolCall(given, handler as never) as never),
  }) as AgentMiddleware;
}

/** What has to be around all other middleware. */
export function outerHooks(source: ToolGateSource, options: MiddlewareOptions): Hooks {
  return {
    async wrapModelCall(request, handler) {
      const config = request.runtime as ToolConfig;
      const given = await Promise.resolve(handler(request)).catch(throwCause);
      // Middleware in between answered by a command, which LangChain has: handed on, it would be carried out twice.
      if (isCommand(given)) return new Command({});
      const answer = withGarbledCalls(given);
      const gate = options.allowUnrecordedCalls === true ? undefined : await gateFor(source, config);
      return gate === undefined ? answer : recordFor(gate, answer, config);
    },
    async wrapToolCall(request, handler) {
      keepAskedCall(request.toolCall.id, request.runtime as ToolConfig);
      const refusal = refuseGarbled(request.state.messages, request.toolCall);
      if (refusal !== undefined) return refusal;
      const slot: PauseSlot = {};
      try {
        const answer = await langchainState().pause.run(slot, async () => handler(request));
        if (slot.signal !== undefined) throw slot.signal;
        return answer;
      } catch (error) {
        if (slot.signal !== undefined) throw slot.signal;
        if (!becomesMessage(error, options, request.runtime.signal)) throw error;
        return errorMessage(error, request.toolCall);
      }
    },
  };
}

/** LangChain wraps what a middleware throws, once for each around it: with this one, as often as without. */
function throwCause(error: unknown): never {
  throw MiddlewareError.isInstance(error) && error.cause instanceof Error ? error.cause : error;
}

/** What has to be inside all other middleware. */
export function innerHooks(source: ToolGateSource, options: MiddlewareOptions): Hooks {
  const guardedTools = new WeakMap<object, AnyTool>();
  const guard = (tool: AnyTool): AnyTool => {
    const guarded = guardedTools.get(tool) ?? guardTool(tool, source, options);
    guardedTools.set(tool, guarded);
    return guarded;
  };
  return {
    async wrapModelCall(request, handler) {
      const gate = await gateFor(source, request.runtime as ToolConfig);
      return handler({ ...request, tools: offered(request.tools, gate, options) });
    },
    async wrapToolCall(request, handler) {
      const tool = request.tool === undefined ? undefined : guard(request.tool);
      // In a context of its own, which ends with this call.
      const { pause } = langchainState();
      return pause.run(pause.getStore(), async () => {
        watchForReplacedTools();
        return handler({ ...request, tool } as typeof request);
      });
    },
  };
}

function gateFor(source: ToolGateSource, config: ToolConfig): Promise<Gate | undefined> {
  return resolveGate(source, toolContext(config, undefined));
}

function offered(
  tools: readonly AnyTool[],
  gate: Gate | undefined,
  { allowServerTools = [] }: MiddlewareOptions,
): AnyTool[] {
  const permitted = new Set(gate?.permittedTools() ?? []);
  return tools.filter((tool) => {
    if (kindOf(tool) !== 'server') return permitted.has(String((tool as { name?: unknown }).name));
    const name = serverToolName(tool);
    return allowServerTools.includes(name) && permitted.has(name);
  });
}

const replacedToolHandler = new ReplacedToolHandler();

/** Holds for this asynchronous context only. */
function watchForReplacedTools(): void {
  if (getContextVariable(replacedToolHandler.name) !== undefined) return;
  registerConfigureHook({ contextVar: replacedToolHandler.name, inheritable: false });
  setContextVariable(replacedToolHandler.name, replacedToolHandler);
}

/** Pauses, aborts and errors of other middleware stay what they are, and so do errors that LangChain itself answers. */
function becomesMessage(
  error: unknown,
  { toolErrors = 'message' }: MiddlewareOptions,
  signal: AbortSignal | undefined,
): boolean {
  if (isGraphBubbleUp(error) || signal?.aborted === true || MiddlewareError.isInstance(error)) return false;
  if (ToolInvocationError.isInstance(error)) return false;
  return toolErrors === 'message' || error instanceof CountersignError;
}

/** In the words of the tool node of `createAgent`. */
function errorMessage(error: unknown, call: { readonly id?: string | undefined; readonly name: string }): ToolMessage {
  const content =
    error instanceof CountersignError ? refusalOf(error, call.name) : `${String(error)}\n Please fix your mistakes.`;
  return new ToolMessage({ content, tool_call_id: call.id ?? '', name: call.name, status: 'error' });
}

/** The handler that stops a raw tool knows only the name that a config gave to the run. */
function refusalOf(error: CountersignError, toolName: string): string {
  return error instanceof ToolNotGovernable
    ? `The tool "${toolName}" is not guarded, so it was not run.`
    : error.message;
}

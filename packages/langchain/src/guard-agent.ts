/**
 * For `createAgent`: all of the gate at once. It changes nothing else about the agent, and its place in the list of
 * middleware is no question: it is at both ends.
 * @module
 */
import { ToolNotGovernable } from '@countersign/core';
import { createMiddleware, type AgentMiddleware } from 'langchain';
import { guardTool } from './guard-tools.ts';
import { isGuarded } from './guarded-state.ts';
import { innerHooks, outerHooks, type MiddlewareOptions } from './middleware.ts';
import type { ToolGateSource } from './tool-context.ts';
import { kindOf, serverToolName, type AnyTool } from './tool-kind.ts';

/** What is read of the options of `createAgent`. */
export interface AgentOptions {
  readonly tools?: readonly unknown[] | undefined;
  readonly middleware?: readonly unknown[] | undefined;
}

type Hooks = ReturnType<typeof outerHooks>;
type HasTools = Pick<AgentMiddleware, 'tools' | 'wrapToolCall'>;

/**
 * The options for `createAgent` with every tool behind the gate, the model's answers on record, and only what is permitted
 * offered: `createAgent(guardAgent({ model, tools, middleware }, source))`. Middleware that offers tools of the agent must
 * take them from its request: the objects that you gave are not the ones that the agent has.
 * @throws ToolNotGovernable for a tool that runs at the model's provider and is not in `allowServerTools`
 */
export function guardAgent<const Options extends AgentOptions>(
  options: Options,
  source: ToolGateSource,
  guard: MiddlewareOptions = {},
): Options {
  const middleware = (options.middleware ?? []) as readonly HasTools[];
  const wrapping = middleware.some(({ wrapToolCall }) => wrapToolCall !== undefined);
  // Without a need for it the agent gets no hook for tools: with one LangChain accepts tools that it would refuse.
  const watching = wrapping || middleware.some(({ tools = [] }) => tools.length > 0);
  const settings: MiddlewareOptions = { ...guard, toolErrors: guard.toolErrors ?? (wrapping ? 'throw' : 'message') };
  const end = (name: string, hooks: Hooks): AgentMiddleware =>
    createMiddleware({
      name,
      ...(watching ? hooks : { wrapModelCall: refusingRawTools(hooks.wrapModelCall) }),
    }) as AgentMiddleware;
  return {
    ...options,
    ...(options.tools === undefined ? {} : { tools: options.tools.map((tool) => guarded(tool, source, guard)) }),
    middleware: [
      end('Countersign', outerHooks(source, settings)),
      ...middleware,
      end('CountersignInside', innerHooks(source, settings)),
    ],
  };
}

/** Raw tools that nothing here has seen: `createDeepAgent` and the like add middleware of their own to the options. */
function refusingRawTools(wrapModelCall: Hooks['wrapModelCall']): Hooks['wrapModelCall'] {
  return (request, handler) => {
    const raw = request.tools.find((tool) => kindOf(tool) !== 'server' && !isGuarded(tool));
    if (raw === undefined) return wrapModelCall(request, handler);
    const name = String((raw as { name?: unknown }).name);
    throw new ToolNotGovernable(`The tool "${name}" came to this agent unguarded: give it \`countersignMiddleware\`.`);
  };
}

function guarded(tool: unknown, source: ToolGateSource, guard: MiddlewareOptions): unknown {
  const each = tool as AnyTool;
  if (kindOf(each) !== 'server') return guardTool(each, source, guard);
  if (guard.allowServerTools?.includes(serverToolName(each)) === true) return tool;
  throw new ToolNotGovernable(`expected a tool that runs here, got the provider's tool "${serverToolName(each)}"`);
}

/**
 * One tool behind the gate.
 * @module
 */
import {
  ConfigurationError,
  currentCall,
  notPermitted,
  resolveGate,
  resultOf,
  runnable,
  UnauthorizedToolCall,
  type ExecuteOptions,
  type Gate,
  type GateSource,
  type RunnableTool,
  type ToolCall,
  type ToolIdentity,
} from '@countersign/core';
import type { ModelMessage, ToolSet } from 'ai';
import { isGuarded, markGuarded } from './guarded-state.ts';
import { placeOfCall } from './place-of-call.ts';
import { identifyTool } from './tool-identity.ts';
import { kindOf, type AnyTool } from './tool-kind.ts';
import { userWords } from './user-words.ts';
import { validateEdited } from './validate-edited.ts';

/** What a gate resolver may look at: the server's own values, never messages or arguments. */
export interface ToolContext {
  readonly toolName: string;
  readonly toolCallId: string;
  /** This tool's entry of `toolsContext`. */
  readonly toolContext: unknown;
}

export interface GuardSettings {
  readonly source: GateSource<ToolContext>;
  readonly streaming: ReadonlySet<string>;
  readonly wait: boolean;
  readonly trustUserMessages: boolean;
}

/** The options that `execute` and `needsApproval` have in common. */
interface CallOptions {
  readonly toolCallId: string;
  readonly messages: ModelMessage[];
  readonly context?: unknown;
  readonly abortSignal?: AbortSignal | undefined;
  readonly [pausedByRequest]?: boolean;
}

/** Tells a guarded `needsApproval` that the request's own rules pause the call, whatever it answers. */
export const pausedByRequest: unique symbol = Symbol.for('countersign/1/ai-sdk/paused-by-request') as never;

type RawExecute = (input: unknown, options: CallOptions) => unknown;

interface Site extends GuardSettings {
  readonly name: string;
  readonly tool: AnyTool;
  readonly body: RawExecute;
  readonly identity: () => ToolIdentity;
}

/**
 * A copy of the tool with its prototype, symbols and hidden members, so that classes and tool callers keep working; the
 * tool's own code still runs on the tool itself.
 */
export function guardTool(name: string, tool: AnyTool, settings: GuardSettings): AnyTool {
  if (isGuarded(tool)) {
    throw new ConfigurationError(`tool ${JSON.stringify(name)} is guarded already; remedy: guard the original tool`);
  }
  const body = tool.execute as RawExecute;
  const site: Site = { ...settings, name, tool, body, identity: identifyTool(name, tool) };
  const streams =
    settings.streaming.has(name) || Object.prototype.toString.call(body) === '[object AsyncGeneratorFunction]';
  // The SDK looks for an iterator on what `execute` returns at once, so each kind of function stays of its kind.
  const execute = streams
    ? (input: unknown, options: CallOptions) => streamGuarded(site, input, options)
    : (input: unknown, options: CallOptions) => executeGuarded(site, input, options);
  markGuarded(execute);
  const members = {
    ...Object.getOwnPropertyDescriptors(tool),
    execute: { value: execute, enumerable: true },
    needsApproval: {
      value: (input: unknown, options: CallOptions) => needsApproval(site, input, options),
      enumerable: true,
    },
    ...guardedCaller(site),
    ...(tool.contextSchema === undefined ? { [runnable]: { value: runnableOf(site) } } : {}),
  };
  return Object.create(Object.getPrototypeOf(tool) as object | null, members as PropertyDescriptorMap) as AnyTool;
}

async function executeGuarded(site: Site, input: unknown, options: CallOptions): Promise<unknown> {
  const gate = await requireGate(site, options);
  const body = (args: unknown): unknown => lastValue(invoke(site, args, options));
  return resultOf(
    await gate.execute(callOf(site, input, options), body, executeOptions(site, options)),
    gate.principal.agent,
  );
}

async function* streamGuarded(site: Site, input: unknown, options: CallOptions): AsyncGenerator<unknown, void, void> {
  const gate = await requireGate(site, options);
  const body = (args: unknown): AsyncIterable<unknown> => values(invoke(site, args, options));
  const outcome = yield* gate.stream(callOf(site, input, options), body, executeOptions(site, options));
  const result = resultOf(outcome, gate.principal.agent);
  // The body did not run again, so nothing was yielded; the SDK takes the last value as the result.
  if (outcome.status === 'completed' && outcome.replayed) yield result;
}

/**
 * True where the SDK should pause: for a blocking review that is pending, or approved and about to be resumed. A denial
 * and an asynchronous review answer false, so that `execute` explains them to the model. Never rejects.
 */
async function needsApproval(site: Site, input: unknown, options: CallOptions): Promise<boolean> {
  const own = options[pausedByRequest] === true || (await ownNeedsApproval(site, input, options));
  try {
    const gate = await resolve(site, options);
    if (gate === undefined) return own;
    const { approval } = await gate.check(callOf(site, input, options), { pauses: own });
    const pauses = approval?.mode === 'blocking' && (approval.state === 'pending' || approval.state === 'approved');
    return own || (pauses && !site.wait);
  } catch {
    return own;
  }
}

/** A tool's own rule that fails cannot say that no person is needed. */
async function ownNeedsApproval({ tool }: Site, input: unknown, options: CallOptions): Promise<boolean> {
  const own = tool.needsApproval as
    | boolean
    | ((input: unknown, options: CallOptions) => boolean | PromiseLike<boolean>)
    | undefined;
  if (typeof own !== 'function') return own === true;
  try {
    return Boolean(await own.call(tool, input, options));
  } catch {
    return true;
  }
}

function resolve({ source, name }: Site, { toolCallId, context }: CallOptions): Promise<Gate | undefined> {
  return resolveGate(source, { toolName: name, toolCallId, toolContext: context });
}

async function requireGate(site: Site, options: CallOptions): Promise<Gate> {
  const gate = await resolve(site, options);
  if (gate === undefined) throw new UnauthorizedToolCall(notPermitted);
  return gate;
}

function callOf(site: Site, input: unknown, { toolCallId, messages }: CallOptions): ToolCall {
  const call = { tool: site.identity(), callId: toolCallId, arguments: input, ...placeOfCall(toolCallId, messages) };
  return site.trustUserMessages ? { ...call, observed: () => ({ user: userWords(messages) }) } : call;
}

function executeOptions({ wait, tool }: Site, { abortSignal }: CallOptions): ExecuteOptions<unknown> {
  return { wait, signal: abortSignal, isSuspension, validate: validateEdited(tool) };
}

/** Code mode pauses a program by throwing. */
function isSuspension(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return (
    ('code' in error && error.code === 'CODE_MODE_TOOL_APPROVAL_REQUIRED') ||
    error.name === 'HostFunctionInterruptSignal'
  );
}

/** On the tool itself: private members of a class are not on the copy, and some callers lose `this`. */
function invoke({ tool, body }: Site, args: unknown, options: CallOptions): unknown {
  return body.call(tool, args, options);
}

async function lastValue(returned: unknown): Promise<unknown> {
  if (!isAsyncIterable(returned)) return returned;
  let last: unknown;
  for await (const value of returned) last = value;
  return last;
}

async function* values(returned: unknown): AsyncGenerator<unknown, void, void> {
  if (isAsyncIterable(returned)) yield* returned;
  else yield await returned;
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Symbol.asyncIterator in value &&
    typeof value[Symbol.asyncIterator] === 'function'
  );
}

/** For workers, which have no framework around them. Tools that need the framework's context are left out. */
function runnableOf(site: Site): RunnableTool {
  return {
    get identity() {
      return site.identity();
    },
    validate: validateEdited(site.tool),
    run(args) {
      const { callKey, signal } = currentCall();
      return lastValue(
        invoke(site, args, { toolCallId: callKey, messages: [], abortSignal: signal, context: undefined }),
      );
    },
  };
}

interface LocalCaller {
  readonly type: 'local';
  bind(tools: ToolSet): AnyTool;
}

/**
 * Code mode: the SDK executes `bind(tools)` in place of the tool, past its guarded `execute`. What it binds is guarded
 * here, and so are the tools that it can call.
 */
function guardedCaller(site: Site): PropertyDescriptorMap {
  const { experimental_toolCaller: caller } = site.tool as {
    experimental_toolCaller?: LocalCaller | { readonly type: 'provider' };
  };
  if (caller?.type !== 'local') return {};
  const bind = (tools: ToolSet): AnyTool => {
    const callable = Object.entries(tools).map(([name, tool]) => {
      return [name, isGuarded(tool) || kindOf(tool) !== 'executable' ? tool : guardTool(name, tool, site)];
    });
    return guardTool(site.name, caller.bind(Object.fromEntries(callable) as ToolSet), site);
  };
  return { experimental_toolCaller: { value: { ...caller, bind } } };
}

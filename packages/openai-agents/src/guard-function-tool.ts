/**
 * One function tool behind the gate: a copy whose `invoke` decides on exactly the arguments that the tool's body gets.
 * @module
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import {
  notPermitted,
  runnable,
  type Body,
  type ExecuteOptions,
  type RunnableTool,
  type ToolCall,
} from '@countersign/core';
import { ModelBehaviorError, RunContext, tool, type FunctionTool } from '@openai/agents';
import {
  getFunctionToolApprovalInput,
  hasDynamicFunctionToolApprovalPolicy,
  setFunctionToolPreparedInput,
} from '@openai/agents-core/utils/internal';
import { answerOf, InnerPause, pausesFor } from './answer.ts';
import { realtimeMembers, runnerMembers } from './approval-members.ts';
import { callOf, gateFor, type ToolSite } from './call-site.ts';
import { jsonText, originalParser, type OriginalParser, type Prepared } from './original-parser.ts';

type Details = NonNullable<Parameters<FunctionTool<unknown>['invoke']>[2]>;
type NeedsApproval = FunctionTool<unknown>['needsApproval'];

interface Guarded {
  readonly site: ToolSite;
  readonly original: FunctionTool<unknown>;
  readonly parser: OriginalParser;
  readonly orchestrates: boolean;
}

/** Says whether an inner run of the agent tool that runs here paused. */
const innerRun = new AsyncLocalStorage<{ paused: boolean }>();

export function isAgentTool(original: object): boolean {
  return 'on' in original;
}

export function guardFunctionTool(
  site: ToolSite,
  original: FunctionTool<unknown>,
  realtime = false,
): FunctionTool<unknown> {
  const parser = originalParser(
    original,
    () => outer.needsApproval,
    (value) => members.parsed(value),
  );
  const guarded: Guarded = { site, original, parser, orchestrates: isAgentTool(original) };
  // Made by the SDK, so that its registries know this `invoke`. It fails by itself only for input that does not parse.
  const outer = tool({
    name: 'guarded',
    description: '',
    parameters: parser.parameters as never,
    execute: (input: unknown, context?: RunContext<unknown>, details?: Details) =>
      execute(guarded, context, input, details),
    errorFunction: (context: RunContext<unknown>, error: unknown, details?: Details) =>
      explainInvalid(guarded, context, error, details),
  }) as unknown as FunctionTool<unknown>;
  const policy: NeedsApproval = (context, input, callId) => needsApproval(guarded, context, input, callId);
  const members = (realtime ? realtimeMembers : runnerMembers)(original.parameters, policy, outer.needsApproval);
  const registered = parser.refuse() !== undefined;
  const invoke: FunctionTool<unknown>['invoke'] = registered
    ? outer.invoke
    : (context, text, details) => invokePlain(guarded, context, text, details);
  const descriptors = {
    ...Object.getOwnPropertyDescriptors(original),
    ...members.descriptors,
    invoke: { value: invoke, enumerable: true, writable: true, configurable: true },
    ...(guarded.orchestrates ? {} : { [runnable]: { value: runnableOf(guarded) } }),
  };
  return Object.create(
    Object.getPrototypeOf(original) as object | null,
    descriptors as PropertyDescriptorMap,
  ) as FunctionTool<unknown>;
}

/** `input` is the JSON that the model sent; what the gate sees is what the tool's own parser made of it. */
async function execute(
  guarded: Guarded,
  context: RunContext<unknown> | undefined,
  input: unknown,
  details: Details | undefined,
): Promise<unknown> {
  const prepared = guarded.parser.take(input);
  const value: unknown = prepared?.result.success === true ? prepared.result.value : input;
  // What is not plain data cannot be digested: then the gate decides on the JSON, and the body parses its copy of that.
  const wholly = prepared?.result.success === true && isPlainData(value);
  const body: Body<unknown> = (args) => {
    const text = jsonText(input);
    const own = details ?? {};
    if (wholly && prepared !== undefined) prepareFor(own, prepared, text, { success: true, value: args });
    else return guarded.original.invoke(context ?? new RunContext(), jsonText(args), own);
    return guarded.original.invoke(context ?? new RunContext(), text, own);
  };
  return run(guarded, context, wholly ? value : input, body, details);
}

/** A tool that the SDK did not make has no parser: the text is all there is. */
async function invokePlain(
  guarded: Guarded,
  context: RunContext<unknown>,
  text: string,
  details?: Details,
): Promise<unknown> {
  let input: unknown;
  try {
    input = JSON.parse(text === '' ? '{}' : text);
  } catch {
    return 'An error occurred while parsing tool arguments. Please try again with valid JSON.';
  }
  return run(guarded, context, input, (args) => guarded.original.invoke(context, jsonText(args), details), details);
}

async function run(
  guarded: Guarded,
  context: RunContext<unknown> | undefined,
  args: unknown,
  body: Body<unknown>,
  details?: Details,
): Promise<unknown> {
  const { site } = guarded;
  const toolCall = details?.toolCall;
  // Code of the application that calls `invoke` itself names no call; the runner always does.
  const callId = toolCall === undefined ? randomUUID() : toolCall.callId;
  const gate = await gateFor(site, context, site.identity.name, callId);
  if (gate === undefined) return notPermitted;
  const wire = toolCall?.arguments === '' ? undefined : toolCall?.arguments;
  const made = callOf(site, context, { callId, arguments: args, wire });
  const call: ToolCall = toolCall === undefined ? { ...made, origin: 'model' } : made;
  const options: ExecuteOptions<unknown> = {
    signal: details?.signal,
    isSuspension: (error) => error instanceof InnerPause,
  };
  return answerOf(await gate.execute(call, guarded.orchestrates ? withInnerRun(body) : body, options));
}

/** An agent tool returns normally when its inner run pauses; its call must not count as completed then. */
function withInnerRun(body: Body<unknown>): Body<unknown> {
  return async (args) => {
    const outer = innerRun.getStore();
    const mine = { paused: false };
    const result = await innerRun.run(mine, () => body(args));
    if (!mine.paused) return result;
    if (outer !== undefined) outer.paused = true;
    throw new InnerPause(result);
  };
}

/** The tool's own rule may ask for more people, never for fewer. A call that would be denied bothers nobody. */
async function needsApproval(
  guarded: Guarded,
  context: RunContext<unknown>,
  input: unknown,
  callId = '',
): Promise<boolean> {
  const { site, parser } = guarded;
  const prepared = parser.prepare(input);
  if (prepared?.result.success === false) return false;
  const value: unknown = prepared === undefined ? input : prepared.result.value;
  const own = await ownNeedsApproval(guarded.original, context, value, callId);
  const gate = await gateFor(site, context, site.identity.name, callId);
  if (gate === undefined) return false;
  const call = callOf(site, context, { callId, arguments: isPlainData(value) ? value : input });
  const checked = await gate.check(call, { pauses: own });
  const pauses = checked.decision.verdict !== 'deny' && (own || pausesFor(site, callId, checked));
  const inner = innerRun.getStore();
  if (pauses && inner !== undefined) inner.paused = true;
  return pauses;
}

async function ownNeedsApproval(
  original: FunctionTool<unknown>,
  context: RunContext<unknown>,
  value: unknown,
  callId: string,
): Promise<boolean> {
  const own: unknown = original.needsApproval;
  if (typeof own !== 'function') return own === true;
  const input: unknown = hasDynamicFunctionToolApprovalPolicy(original) ? getFunctionToolApprovalInput(value) : value;
  return Boolean(await original.needsApproval(context, input as never, callId));
}

/** What the tool says to input that its parser refused; its body is not entered, whatever the parser says now. */
async function explainInvalid(
  { original, parser }: Guarded,
  context: RunContext<unknown>,
  error: unknown,
  details?: Details,
): Promise<string> {
  if (!isInvalidInput(error)) throw error;
  const own = details ?? {};
  const never: Prepared | undefined = parser.refuse();
  if (never === undefined) throw error;
  const text = error.toolInvocation?.input ?? details?.toolCall?.arguments ?? '';
  // Without details the SDK has redacted this input, and it stays so whatever the settings are by now.
  const disposition = details === undefined ? { disposition: { redacted: true } } : {};
  prepareFor(own, { ...never, ...disposition }, text, { success: false, error: error.originalError ?? error });
  return (await original.invoke(context, text, own)) as string;
}

interface InvalidInput extends Error {
  readonly originalError?: unknown;
  readonly toolInvocation?: { readonly input: string };
}

/** The SDK does not export the class; only this one has the member. */
function isInvalidInput(error: unknown): error is InvalidInput {
  return error instanceof ModelBehaviorError && 'toolInvocation' in error;
}

function prepareFor(details: Details, prepared: Prepared, input: string, result: Prepared['result']): void {
  setFunctionToolPreparedInput(details, { ...prepared, consumed: false, input, result });
}

/** For workers, which have no framework around them. */
function runnableOf({ site, original, parser }: Guarded): RunnableTool {
  return {
    identity: site.identity,
    run(args) {
      const text = '{}';
      const details: Details = {};
      const prepared = parser.refuse();
      if (prepared !== undefined) prepareFor(details, prepared, text, { success: true, value: args });
      return original.invoke(new RunContext(), prepared === undefined ? jsonText(args) : text, details);
    },
  };
}

const maxDepth = 64;

/** Whether the gate can digest it: JSON values, dates and URLs. */
function isPlainData(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null)
    return typeof value !== 'function' && typeof value !== 'symbol' && typeof value !== 'bigint';
  if (value instanceof Date || value instanceof URL) return true;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (depth > maxDepth || (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null)) return false;
  return Object.values(value).every((member) => isPlainData(member, depth + 1));
}

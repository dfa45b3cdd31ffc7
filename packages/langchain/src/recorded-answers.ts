/**
 * What models asked for. LangGraph keeps a model's answer in a checkpoint until its calls run, and whoever can write there
 * can write calls. So each answer is written down on the server where the model gives it, and a call that comes out of the
 * state of a graph is looked up.
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { resolveGate, type AskedCall, type Gate } from '@countersign/core';
import { AIMessage, type BaseMessage } from '@langchain/core/messages';
import { langchainState } from './guarded-state.ts';
import { textOf, toolContext, type ToolConfig, type ToolGateSource } from './tool-context.ts';

/** One object for each attempt of a task, made by LangGraph. */
interface Attempt {
  readonly currentTaskInput?: unknown;
}

interface CallInMessage {
  readonly id?: string | undefined;
  readonly name: string;
  readonly args: unknown;
}

/**
 * Writes down the calls of a model's answer, for graphs of your own: `createAgent` has the middleware for it. Return what
 * it resolves to as the node's message: an answer whose id is missing or was used before gets a new one.
 *
 * Never rejects. Where it cannot write, the calls of this answer will be denied.
 */
export async function recordAnswer<Answer>(
  answer: Answer,
  source: ToolGateSource,
  config: ToolConfig | undefined,
): Promise<Answer> {
  const gate = await resolveGate(source, toolContext(config, undefined));
  return gate === undefined ? answer : recordFor(gate, answer, config);
}

/** As {@link recordAnswer}, also for the answers of `createAgent` that hold a structured response. */
export async function recordFor<Answer>(gate: Gate, answer: Answer, config: ToolConfig | undefined): Promise<Answer> {
  if (AIMessage.isInstance(answer)) return (await recordMessage(gate, answer, config)) as Answer;
  const messages: unknown = typeof answer === 'object' && answer !== null && 'messages' in answer && answer.messages;
  if (!Array.isArray(messages)) return answer;
  const recorded = await Promise.all(messages.map((message: unknown) => recordFor(gate, message, config)));
  return { ...answer, messages: recorded };
}

async function recordMessage(gate: Gate, answer: AIMessage, config: ToolConfig | undefined): Promise<AIMessage> {
  const attempt = attemptOf(config);
  // As LangGraph would in a moment: in the object itself, which may be in a command too.
  if (textOf(answer.id) === undefined) answer.lc_kwargs['id'] = answer.id = randomUUID();
  let message = answer;
  // LangGraph takes it for the message that it has already, and so do its calls.
  const same = messagesIn(attempt?.currentTaskInput).findLast(({ id }) => isSame(id, String(message.id)));
  if (same?.id !== undefined && same.id !== message.id) message = withId(answer, same.id);
  try {
    const calls = callsOf(message);
    if (calls.length === 0) return answer;
    const result = await gate.recordAsked(askedIn(message, calls, config));
    // A cached model, and some providers, answer with one id twice: the second time it is another answer.
    if (result === 'known' && same === undefined) {
      message = withId(answer, `${answer.id}~${randomUUID()}`);
      await gate.recordAsked(askedIn(message, calls, config));
    }
  } catch {
    return answer;
  }
  if (attempt !== undefined) answersHere.set(attempt, [...(answersHere.get(attempt) ?? []), message]);
  return message;
}

/** Also where it got a new id here. */
function isSame(id: string | undefined, given: string): boolean {
  return id === given || id?.startsWith(`${given}~`) === true;
}

/** Calls that nobody can tell apart, or whose arguments are garbled, never run. */
function callsOf({ tool_calls: calls = [], invalid_tool_calls: invalid = [] }: AIMessage): readonly CallInMessage[] {
  const ids = [...calls, ...invalid].map(({ id }) => id);
  return calls.filter(({ id }) => textOf(id) !== undefined && ids.indexOf(id) === ids.lastIndexOf(id));
}

function askedIn(
  message: BaseMessage,
  calls: readonly CallInMessage[],
  config: ToolConfig | undefined,
): readonly AskedCall[] {
  return calls.map((call) => askedCall(message, call, config));
}

function askedCall(message: BaseMessage, call: CallInMessage, config: ToolConfig | undefined): AskedCall {
  const { thread_id: thread = null } = (config?.configurable ?? {}) as { thread_id?: unknown };
  const fields = [
    'countersign/langchain/answer/1',
    thread,
    langchainState().frame.getStore()?.step ?? null,
    message.id,
  ];
  const step = createHash('sha256').update(JSON.stringify(fields)).digest('base64url');
  return { tool: call.name, callId: call.id ?? '', step, arguments: call.args };
}

/** A copy: a cache hands out the same object again, to others too. */
function withId(message: AIMessage, id: string): AIMessage {
  const copy = Object.create(Object.getPrototypeOf(message) as object) as AIMessage;
  return Object.assign(copy, message, { id, lc_kwargs: { ...message.lc_kwargs, id } });
}

/** Answers that a node got and went on with, before they were in any state. */
const answersHere = new WeakMap<object, readonly AIMessage[]>();

export function attemptOf(config: ToolConfig | undefined): Attempt | undefined {
  return (config?.configurable as { __pregel_scratchpad?: Attempt } | undefined)?.__pregel_scratchpad;
}

/** Middleware may change the very objects of the state. */
const callsBefore = new WeakMap<object, Map<string, AskedCall>>();

/** To be told before any other middleware sees the call. */
export function keepAskedCall(callId: string | undefined, config: ToolConfig | undefined): void {
  const attempt = attemptOf(config);
  const call = askedCallOf(callId, config);
  if (attempt === undefined || call === undefined) return;
  const kept = callsBefore.get(attempt) ?? new Map<string, AskedCall>();
  if (!kept.has(call.callId)) kept.set(call.callId, { ...call, arguments: copyOf(call.arguments) });
  callsBefore.set(attempt, kept);
}

function copyOf(args: unknown): unknown {
  try {
    return structuredClone(args);
  } catch {
    return args;
  }
}

/**
 * The call of this id as the graph has it, before middleware and schema change it: the one that LangGraph sent to this
 * task, or that of the last message. `undefined`: it is in no answer that this task can see.
 */
export function askedCallOf(callId: string | undefined, config: ToolConfig | undefined): AskedCall | undefined {
  const attempt = attemptOf(config);
  if (attempt === undefined || callId === undefined) return undefined;
  const kept = callsBefore.get(attempt)?.get(callId);
  if (kept !== undefined) return kept;
  const input = attempt.currentTaskInput;
  const sent = (input as { readonly lg_tool_call?: CallInMessage } | null | undefined)?.lg_tool_call;
  const message = [...messagesIn(input), ...(answersHere.get(attempt) ?? [])].findLast((each) => has(each, callId));
  if (message === undefined || (sent !== undefined && sent.id !== callId)) return undefined;
  const call = sent ?? message.tool_calls?.find(({ id }) => id === callId);
  return call === undefined ? undefined : askedCall(message, call, config);
}

function messagesIn(input: unknown): readonly AIMessage[] {
  if (typeof input !== 'object' || input === null) return [];
  const items: readonly unknown[] = Array.isArray(input) ? input : Object.values(input).flat();
  return items.filter((item): item is AIMessage => AIMessage.isInstance(item));
}

function has({ tool_calls: calls = [] }: AIMessage, callId: string): boolean {
  return calls.some(({ id }) => id === callId);
}

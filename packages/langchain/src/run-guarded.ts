/**
 * One call of a guarded tool: from LangChain's config to the gate, and from the outcome to what the framework expects.
 * @module
 */
import {
  resolveGate,
  type Gate,
  type Outcome,
  type ResultCodec,
  type ToolCall,
  type ToolIdentity,
} from '@countersign/core';
import type { CallbackManagerForToolRun } from '@langchain/core/callbacks/manager';
import { interrupt, isGraphBubbleUp, isGraphInterrupt } from '@langchain/langgraph';
import { answerOf, refuseUnidentified, refuseWithoutId, type Asker } from './answer.ts';
import { langchainState, type Frame } from './guarded-state.ts';
import { placeOfCall, type Place } from './place-of-call.ts';
import { attemptOf } from './recorded-answers.ts';
import { resultCodec } from './result-codec.ts';
import { textOf, toolContext, type ToolConfig, type ToolGateSource } from './tool-context.ts';
import { userWords } from './user-words.ts';

export interface GuardedBody {
  readonly source: ToolGateSource;
  readonly identity: () => ToolIdentity;
  readonly artifact: boolean;
  /** Wait in process for a blocking approval where no graph can pause. */
  readonly wait: boolean;
  /** Run calls that no model is on record for. */
  readonly unrecorded: boolean;
  readonly trustUserMessages: boolean;
  /** For arguments that an approver edited. */
  readonly validate: (args: unknown) => Promise<void>;
  run(args: unknown, runManager: CallbackManagerForToolRun | undefined, config: ToolConfig | undefined): unknown;
}

type RunManager = CallbackManagerForToolRun | undefined;

/** What a body yields here: pieces for the callbacks, and at the end its result. */
type Part = { readonly chunk: unknown } | { readonly result: unknown };

/** What people who answer an interrupt are shown. Their answer only wakes the run up. */
export type CountersignInterrupt =
  | {
      readonly kind: 'countersign_approval';
      readonly approval: string;
      readonly tool: string;
      readonly message: string;
    }
  | {
      readonly kind: 'countersign_consent';
      readonly service: string;
      readonly url: string;
      readonly tool: string;
      readonly message: string;
    };

export async function runGuarded(
  body: GuardedBody,
  args: unknown,
  runManager: RunManager,
  config: ToolConfig | undefined,
): Promise<unknown> {
  remember(undefined);
  const tool = body.identity();
  const asker: Asker = { toolName: tool.name, toolCallId: textOf(config?.toolCall?.id), artifact: body.artifact };
  const gate = await resolveGate(body.source, toolContext(config, tool.name));
  if (gate === undefined) return refuseUnidentified(asker);
  const place = placeOfCall(tool.name, args, config, body.unrecorded);
  if (place.callId === undefined) return refuseWithoutId(asker);
  const { callId, step, origin } = place;
  const observed = body.trustUserMessages ? { observed: () => ({ user: userWords(config) }) } : {};
  const call: ToolCall = { tool, callId, step, origin, arguments: args, ...observed };
  const outcome = await execute(gate, call, place, body, runManager, config);
  // LangChain's own way to end an aborted call.
  if (outcome.status === 'denied' && outcome.reason === 'call_aborted') config?.signal?.throwIfAborted();
  if (place.pausable) pauseFor(outcome, tool.name);
  if (outcome.status === 'suspended') remember(outcome.signal);
  if (outcome.status === 'failed') place.failed();
  return answerOf(outcome, asker, gate.principal.agent);
}

async function execute(
  gate: Gate,
  call: ToolCall,
  place: Place,
  body: GuardedBody,
  runManager: RunManager,
  config: ToolConfig | undefined,
): Promise<Outcome> {
  const frame: Frame = {
    step: `${place.step} ${call.callId}`,
    configCallId: textOf(config?.toolCall?.id),
    attempt: attemptOf(config),
  };
  const stream = gate.stream<Part>(call, (copy) => partsOf(body, copy, runManager, config, frame), {
    codec: partCodec,
    isSuspension: isGraphInterrupt,
    signal: config?.signal,
    asked: place.asked,
    validate: body.validate,
    wait: body.wait && !place.pausable,
  });
  for (;;) {
    const step = await stream.next();
    if (step.done === true) return withResult(step.value);
    if ('chunk' in step.value) await tell(runManager, step.value.chunk);
  }
}

/** Runs the body to its end inside the gate: a generator that was only handed out would run after its lease has ended. */
async function* partsOf(
  body: GuardedBody,
  args: unknown,
  runManager: RunManager,
  config: ToolConfig | undefined,
  frame: Frame,
): AsyncGenerator<Part, void, void> {
  const { frame: frames, pause } = langchainState();
  const inside = async <Value>(action: () => Value | PromiseLike<Value>): Promise<Value> =>
    frames.run(frame, () => pause.run(undefined, async () => action()));
  const answered = await inside(() => body.run(args, runManager, config));
  if (!isAsyncGenerator(answered)) return yield { result: answered };
  for (;;) {
    const step = await inside(() => answered.next());
    if (step.done === true) return yield { result: step.value };
    yield { chunk: step.value };
  }
}

const partCodec: ResultCodec<Part> = {
  encode(part) {
    if (!('result' in part)) throw new TypeError('a piece is not a result');
    return resultCodec.encode(part.result);
  },
  decode: (text) => ({ result: resultCodec.decode(text) }),
};

function withResult(outcome: Outcome<Part>): Outcome {
  if (outcome.status !== 'completed') return outcome;
  return { ...outcome, result: 'result' in outcome.result ? outcome.result.result : undefined };
}

function isAsyncGenerator(value: unknown): value is AsyncGenerator<unknown, unknown, void> {
  return (
    typeof value === 'object' &&
    value !== null &&
    Symbol.asyncIterator in value &&
    'next' in value &&
    typeof value.next === 'function'
  );
}

/** As LangChain does: a handler that fails is told so, and the tool goes on. */
async function tell(runManager: RunManager, chunk: unknown): Promise<void> {
  try {
    await runManager?.handleToolEvent(chunk);
  } catch (error) {
    await runManager?.handleToolError(error);
  }
}

/**
 * Pauses the graph while a person has to act; returns when there is nothing to wait for. Whatever answer LangGraph has
 * for this task is taken and thrown away: it may be meant for another interrupt, be left over from an earlier one, or be
 * a guess. When the task runs again, the gate is asked again.
 */
function pauseFor(outcome: Outcome, tool: string): void {
  const payload = payloadOf(outcome, tool);
  if (payload === undefined) return;
  try {
    for (;;) interrupt(payload);
  } catch (signal) {
    if (!isGraphBubbleUp(signal)) return;
    remember(signal);
    throw signal;
  }
}

function payloadOf(outcome: Outcome, tool: string): CountersignInterrupt | undefined {
  if (outcome.status === 'pending' && outcome.mode === 'blocking') {
    return { kind: 'countersign_approval', approval: outcome.approval, tool, message: outcome.message };
  }
  if (outcome.status === 'consent_required') {
    const { service, url, message } = outcome;
    return { kind: 'countersign_consent', service, url, tool, message };
  }
  return undefined;
}

/** For the middleware: a retry around this call would take the pause for an error. Each attempt begins without one. */
function remember(signal: unknown): void {
  const slot = langchainState().pause.getStore();
  if (slot !== undefined) slot.signal = signal instanceof Error ? signal : undefined;
}

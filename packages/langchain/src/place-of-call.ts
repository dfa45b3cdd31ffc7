/**
 * Where in a run a call stands: the same on every evaluation of it, also when LangGraph runs the task again from its top
 * after a pause, in another process, or from an old checkpoint.
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { plainCodec, type AskedCall, type ToolCall } from '@countersign/core';
import { langchainState, type Frame } from './guarded-state.ts';
import { askedCallOf, attemptOf } from './recorded-answers.ts';
import { textOf, type ToolConfig } from './tool-context.ts';

export interface Place {
  readonly step: string;
  /** `undefined`: a model's call without an id, inside a graph. It has no identity to approve or to run once. */
  readonly callId: string | undefined;
  /** Whether `interrupt()` can pause the graph here. */
  readonly pausable: boolean;
  /** `resume`: it came out of the state of a graph, and no answer of a model is there that it could be from. */
  readonly origin: ToolCall['origin'];
  /** The call that the state holds. It runs only if a model is on record for it. */
  readonly asked: AskedCall | undefined;
  /** To be told when the body threw: asked again in this attempt of the task, it is a retry and a call of its own. */
  failed(): void;
}

interface GraphConfigurable {
  readonly thread_id?: unknown;
  readonly checkpoint_ns?: unknown;
  readonly __pregel_checkpointer?: unknown;
}

/** @param anyState take calls from a state on trust */
export function placeOfCall(toolName: string, args: unknown, config: ToolConfig | undefined, anyState: boolean): Place {
  const configurable: GraphConfigurable = config?.configurable ?? {};
  const attempt = attemptOf(config);
  const inGraph = attempt !== undefined && typeof configurable.checkpoint_ns === 'string';
  const frame = langchainState().frame.getStore();
  const attempted = inGraph ? attempt : frame;
  const own = ownCall(toolName, config, frame);
  const callId = callIdOf(toolName, args, config, attempted, own, inGraph);
  // What the body of a guarded tool asks for itself, in the same task, is in nobody's state.
  const inBody = frame !== undefined && frame.attempt === attempt;
  const fromState = inGraph && !inBody && !anyState;
  // Also where the tool is another than the one called: middleware put it there, or the one called handed its config on.
  const asked = fromState ? askedCallOf(textOf(config?.toolCall?.id), config) : undefined;
  const where = inGraph && !inBody ? [configurable.thread_id ?? null, configurable.checkpoint_ns] : [];
  const place =
    asked === undefined
      ? ['countersign/langchain/step/1', ...where, ...(frame === undefined ? [] : ['in', frame.step])]
      : ['countersign/langchain/step/2', asked.step];
  const failure = `failed ${toolName} ${callId ?? ''}`;
  const failures = attempted === undefined ? 0 : countOf(attempted, failure);
  return {
    step: digest(failures === 0 ? place : [...place, 'retry', failures]),
    callId,
    pausable: inGraph && Boolean(configurable.__pregel_checkpointer),
    origin: fromState && own?.id !== undefined && asked === undefined ? 'resume' : 'model',
    asked,
    failed: () => void (attempted === undefined || increment(attempted, failure)),
  };
}

/** A config handed on by the tool or node around this one still carries that one's call. */
function ownCall(
  toolName: string,
  config: ToolConfig | undefined,
  frame: Frame | undefined,
): { readonly id: string | undefined } | undefined {
  const call = config?.toolCall;
  const id = textOf(call?.id);
  return call?.name === toolName && (frame === undefined || frame.configCallId !== id) ? { id } : undefined;
}

function callIdOf(
  toolName: string,
  args: unknown,
  config: ToolConfig | undefined,
  attempt: object | undefined,
  own: { readonly id: string | undefined } | undefined,
  inGraph: boolean,
): string | undefined {
  if (own?.id !== undefined) return own.id;
  if (own !== undefined && inGraph) return undefined;
  if (attempt === undefined) return randomUUID();
  const same = digest([toolName, textOf(config?.toolCall?.id) ?? null, textOfArguments(args)]);
  // Equal calls of one attempt are told apart by their order, and each finds itself again when the task runs again.
  return `direct:${same}:${increment(attempt, same)}`;
}

/** What happened so far in one attempt of a task. A task that runs again begins anew, and counts the same again. */
const counts = new WeakMap<object, Map<string, number>>();

function countOf(attempt: object, what: string): number {
  return counts.get(attempt)?.get(what) ?? 0;
}

/** Answers the count before. */
function increment(attempt: object, what: string): number {
  const known = counts.get(attempt) ?? new Map<string, number>();
  counts.set(attempt, known);
  const count = known.get(what) ?? 0;
  known.set(what, count + 1);
  return count;
}

function textOfArguments(args: unknown): string {
  try {
    return plainCodec.encode(args);
  } catch {
    return 'not plain data: the gate refuses it';
  }
}

function digest(fields: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(fields)).digest('base64url');
}

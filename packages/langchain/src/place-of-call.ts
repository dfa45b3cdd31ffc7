/**
 * Where in a run a call stands: the same on every evaluation of it, also when LangGraph runs the task again from its top
 * after a pause, in another process, or from an old checkpoint.
 * @module
 */
import { createHash, randomUUID } from 'node:crypto';
import { plainCodec } from '@countersign/core';
import { langchainState, type Frame } from './guarded-state.ts';
import { textOf, type ToolConfig } from './tool-context.ts';

export interface Place {
  readonly step: string;
  /** `undefined`: a model's call without an id, inside a graph. It has no identity to approve or to run once. */
  readonly callId: string | undefined;
  /** Whether `interrupt()` can pause the graph here. */
  readonly pausable: boolean;
  /** To be told when the body threw: asked again in this attempt of the task, it is a retry and a call of its own. */
  failed(): void;
}

interface GraphConfigurable {
  readonly thread_id?: unknown;
  readonly checkpoint_ns?: unknown;
  /** One object for each attempt of a task; LangGraph counts interrupts in it. */
  readonly __pregel_scratchpad?: object;
  readonly __pregel_checkpointer?: unknown;
}

export function placeOfCall(toolName: string, args: unknown, config: ToolConfig | undefined): Place {
  const configurable: GraphConfigurable = config?.configurable ?? {};
  const attempt = configurable.__pregel_scratchpad;
  const inGraph = attempt !== undefined && typeof configurable.checkpoint_ns === 'string';
  const frame = langchainState().frame.getStore();
  const attempted = inGraph ? attempt : frame;
  const callId = callIdOf(toolName, args, config, attempted, frame, inGraph);
  const where = inGraph ? [configurable.thread_id ?? null, configurable.checkpoint_ns] : [];
  const place = ['countersign/langchain/step/1', ...where, ...(frame === undefined ? [] : ['in', frame.step])];
  const failure = `failed ${toolName} ${callId ?? ''}`;
  const failures = attempted === undefined ? 0 : countOf(attempted, failure);
  return {
    step: digest(failures === 0 ? place : [...place, 'retry', failures]),
    callId,
    pausable: inGraph && Boolean(configurable.__pregel_checkpointer),
    failed: () => void (attempted === undefined || increment(attempted, failure)),
  };
}

function callIdOf(
  toolName: string,
  args: unknown,
  config: ToolConfig | undefined,
  attempt: object | undefined,
  frame: Frame | undefined,
  inGraph: boolean,
): string | undefined {
  const call = config?.toolCall;
  const id = textOf(call?.id);
  // A config handed on by the tool or node around this one still carries that one's call.
  const own = call?.name === toolName && (frame === undefined || frame.configCallId !== id);
  if (own && id !== undefined) return id;
  if (own && inGraph) return undefined;
  if (attempt === undefined) return randomUUID();
  const same = digest([toolName, id ?? null, textOfArguments(args)]);
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

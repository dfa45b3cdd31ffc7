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
  const where = inGraph ? [String(configurable.thread_id ?? ''), configurable.checkpoint_ns] : [];
  const step = digest(['countersign/langchain/step/1', ...where, ...(frame === undefined ? [] : ['in', frame.step])]);
  const pausable = inGraph && Boolean(configurable.__pregel_checkpointer);
  return { step, callId: callIdOf(toolName, args, config, inGraph ? attempt : frame, frame, inGraph), pausable };
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
  return `direct:${same}:${ordinal(attempt, same)}`;
}

const ordinals = new WeakMap<object, Map<string, number>>();

/** The how-manieth equal call of one attempt this is: a task that runs again makes its calls again, and each gets its own. */
function ordinal(attempt: object, call: string): number {
  const counts = ordinals.get(attempt) ?? new Map<string, number>();
  ordinals.set(attempt, counts);
  const count = counts.get(call) ?? 0;
  counts.set(call, count + 1);
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

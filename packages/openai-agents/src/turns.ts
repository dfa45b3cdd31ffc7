/**
 * Where in a run a call stands, and whether this process saw the model ask for it. The SDK tells a tool neither; both are
 * read from what it asks the agent for: tools when a turn or a restored state is prepared, the system prompt only
 * before the model is called.
 * @module
 */
import type { RunContext } from '@openai/agents';

export interface Place {
  /** `<agent>#<n>`: how many earlier turns had a call of this id. Providers reuse ids, so the id alone is not enough. */
  readonly step: string;
  readonly origin: 'model' | 'resume';
}

export interface Turns {
  /** A stored state is being restored: its calls were not seen being made. */
  restored(context: RunContext<unknown>): void;
  /** The model is about to be called. */
  asked(context: RunContext<unknown>): void;
  /** Ids that the conversation before this run has used, as often as they occur. */
  earlier(context: RunContext<unknown>, callIds: readonly string[]): void;
  place(context: RunContext<unknown> | undefined, callId: string): Place;
}

interface Run {
  /** 0 until the model was called: whatever runs before that comes from a stored state. */
  turn: number;
  live: boolean;
  readonly calls: Map<string, { turn: number; occurrence: number }>;
}

/** @param serverSide a realtime session keeps its state in this process, so every call of it was seen being made */
export function createTurns(agentName: string, serverSide: boolean): Turns {
  const runs = new WeakMap<object, Run>();
  const runOf = (context: object): Run => {
    const run = runs.get(context) ?? { turn: 0, live: serverSide, calls: new Map() };
    runs.set(context, run);
    return run;
  };
  return {
    restored(context) {
      runOf(context).live = serverSide;
    },
    asked(context) {
      const run = runOf(context);
      run.turn += 1;
      run.live = true;
    },
    earlier(context, callIds) {
      const { calls } = runOf(context);
      for (const id of callIds) calls.set(id, { turn: -1, occurrence: (calls.get(id)?.occurrence ?? -1) + 1 });
    },
    place(context, callId) {
      const run = context === undefined ? undefined : runOf(context);
      return {
        step: `${agentName.slice(0, 200)}#${run === undefined ? 0 : occurrenceOf(run, callId)}`,
        origin: run?.live === true ? 'model' : 'resume',
      };
    },
  };
}

function occurrenceOf({ calls, turn }: Run, callId: string): number {
  const known = calls.get(callId);
  if (known?.turn === turn) return known.occurrence;
  const occurrence = (known?.occurrence ?? -1) + 1;
  calls.set(callId, { turn, occurrence });
  return occurrence;
}

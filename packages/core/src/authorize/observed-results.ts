/**
 * What guarded calls were given and answered, as this process saw it: what provenance is looked up in. Kept in memory
 * alone, for a while and up to a size. A run that lost any of what its calls were given is remembered as one that did.
 * @module
 */
import type { CallFacts } from '../store/store.ts';
import { createLostRuns } from './lost-runs.ts';
import { createRunRecorder, type ResultsOfRun, type RunLimits, type RunRecorder } from './results-of-run.ts';

export interface ObservedResults {
  /** Before its body: whether it ends well, badly or never, it may have stored what it was given. */
  began(call: CallFacts, given: string): void;
  ended(call: CallFacts, text: string): void;
  of(run: RunOfUser): ResultsOfRun;
  /** Everything of this user, who was erased. */
  forget(tenant: string, subject: string): void;
}

/** A run is a user's: nobody else's results count in it. */
type RunOfUser = Pick<CallFacts, 'tenant' | 'run' | 'subject'>;

/** Ages in milliseconds, lengths in UTF-16 units. */
export interface ObservedResultsLimits {
  readonly maxRuns: number;
  /** Since the last call of the run. */
  readonly maxRunAge: number;
  /** Everything. */
  readonly maxLength: number;
  /** Of the memory for runs that lost something. */
  readonly lostRunBits: number;
  readonly run: RunLimits;
}

const defaultLimits: ObservedResultsLimits = {
  maxRuns: 10_000,
  maxRunAge: 86_400_000,
  maxLength: 16_777_216,
  lostRunBits: 2 ** 25,
  run: {
    maxResultAge: 3_600_000,
    maxResults: 50,
    maxResultLength: 262_144,
    maxResultsLength: 524_288,
    maxCalls: 1_000,
    maxGivenLength: 262_144,
  },
};

interface Kept {
  readonly owner: Pick<CallFacts, 'tenant' | 'subject'>;
  readonly recorder: RunRecorder;
  usedAt: number;
}

/** @param elapsed a clock that never goes back, in milliseconds */
export function createObservedResults(
  limits: ObservedResultsLimits = defaultLimits,
  elapsed: () => number = () => performance.now(),
): ObservedResults {
  /** The least recently used first. */
  const runs = new Map<string, Kept>();
  const lost = createLostRuns(limits.lostRunBits);
  let total = 0;

  const drop = (key: string, { recorder }: Kept): void => {
    runs.delete(key);
    total -= recorder.length();
    lost.add(key);
  };
  const dropOldest = (now: number): void => {
    for (const [key, kept] of runs) {
      const old = now - kept.usedAt > limits.maxRunAge;
      if (!old && runs.size <= limits.maxRuns && total <= limits.maxLength) return;
      drop(key, kept);
    }
  };
  const inRun = (call: CallFacts, write: (recorder: RunRecorder, now: number) => void): void => {
    const key = keyOf(call);
    const { tenant, subject } = call;
    const now = elapsed();
    const kept = runs.get(key) ?? {
      ...{ owner: { tenant, subject }, usedAt: now },
      recorder: createRunRecorder(limits.run, !lost.has(key)),
    };
    if (runs.delete(key)) total -= kept.recorder.length();
    kept.usedAt = now;
    write(kept.recorder, now);
    total += kept.recorder.length();
    runs.set(key, kept);
    dropOldest(now);
  };

  return {
    began: (call, given) => inRun(call, (recorder) => recorder.began(toolOf(call), given)),
    ended: (call, text) => inRun(call, (recorder, now) => recorder.ended(toolOf(call), text, now)),
    of(run) {
      const key = keyOf(run);
      return runs.get(key)?.recorder.read(elapsed()) ?? { results: [], complete: !lost.has(key) };
    },
    forget(tenant, subject) {
      for (const [key, kept] of runs)
        if (kept.owner.tenant === tenant && kept.owner.subject === subject) drop(key, kept);
    },
  };
}

function toolOf({ tool: { name, source } }: CallFacts): { readonly name: string; readonly source: string } {
  return { name, source };
}

function keyOf({ tenant, run, subject }: RunOfUser): string {
  return JSON.stringify([tenant, run, subject]);
}

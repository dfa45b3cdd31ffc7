/**
 * What guarded calls of a run were given and answered, as this process saw it: what provenance is looked up in. Kept in
 * memory alone, for a while and up to a size. A result that is forgotten only makes values less trusted. What a call was
 * given is another matter: without it a result could not be told from a repetition, so a run that lost any is not complete.
 * @module
 */
import type { CallFacts } from '../store/store.ts';

/** One of the two, in the order of what happened: a call began with these arguments, or ended with this result. */
export interface ObservedResult {
  readonly tool: { readonly name: string; readonly source: string };
  /** The result as JSON; empty where a call began. */
  readonly text: string;
  /** The arguments of the call, as JSON; empty where it ended. */
  readonly given: string;
}

export interface ResultsOfRun {
  /** Oldest first. */
  readonly results: readonly ObservedResult[];
  /** Whether it is known what every call that this process saw was given. */
  readonly complete: boolean;
}

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

export interface ObservedResultsLimits {
  readonly maxAgeMs: number;
  readonly maxRuns: number;
  readonly maxResultsPerRun: number;
  readonly maxCallsPerRun: number;
  /** UTF-16 units of one result, of all arguments of a run, and of everything. */
  readonly maxResultLength: number;
  readonly maxGivenLength: number;
  readonly maxLength: number;
}

const defaultLimits: ObservedResultsLimits = {
  maxAgeMs: 3_600_000,
  maxRuns: 1_000,
  maxResultsPerRun: 50,
  maxCallsPerRun: 1_000,
  maxResultLength: 262_144,
  maxGivenLength: 262_144,
  maxLength: 8_388_608,
};

interface Kept {
  readonly owner: Pick<CallFacts, 'tenant' | 'subject'>;
  results: readonly ObservedResult[];
  complete: boolean;
  length: number;
  usedAt: number;
}

/** @param elapsed a clock that never goes back, in milliseconds */
export function createObservedResults(
  limits: ObservedResultsLimits = defaultLimits,
  elapsed: () => number = () => performance.now(),
): ObservedResults {
  /** In the order of their last result. */
  const runs = new Map<string, Kept>();
  let total = 0;

  const drop = (key: string, kept: Kept): void => {
    runs.delete(key);
    total -= kept.length;
  };
  const dropOldest = (now: number): void => {
    for (const [key, kept] of runs) {
      const fits = runs.size <= limits.maxRuns && total <= limits.maxLength && now - kept.usedAt <= limits.maxAgeMs;
      if (fits) return;
      drop(key, kept);
    }
  };

  const add = (call: CallFacts, result: Pick<ObservedResult, 'text' | 'given'>): void => {
    const key = keyOf(call);
    const { tenant, subject } = call;
    const kept = runs.get(key) ?? { owner: { tenant, subject }, results: [], complete: true, length: 0, usedAt: 0 };
    if (runs.has(key)) drop(key, kept);
    const { name, source } = call.tool;
    bound(kept, [...kept.results, { tool: { name, source }, ...result }], limits);
    kept.usedAt = elapsed();
    runs.set(key, kept);
    total += kept.length;
    dropOldest(kept.usedAt);
  };

  return {
    began: (call, given) => add(call, { text: '', given }),
    ended(call, text) {
      if (text !== '' && text.length <= limits.maxResultLength) add(call, { text, given: '' });
    },
    of(run) {
      const kept = runs.get(keyOf(run));
      if (kept === undefined || elapsed() - kept.usedAt > limits.maxAgeMs) return { results: [], complete: true };
      return { results: kept.results, complete: kept.complete };
    },
    forget(tenant, subject) {
      for (const [key, kept] of runs)
        if (kept.owner.tenant === tenant && kept.owner.subject === subject) drop(key, kept);
    },
  };
}

/** Results go one by one, the oldest first; what calls were given stays as a whole, or not at all. */
function bound(kept: Kept, all: readonly ObservedResult[], limits: ObservedResultsLimits): void {
  const ends = all.filter(({ text }) => text !== '');
  const gone = new Set(ends.slice(0, Math.max(0, ends.length - limits.maxResultsPerRun)));
  const begun = all.length - ends.length;
  const given = all.reduce((sum, each) => sum + each.given.length, 0);
  if (begun > limits.maxCallsPerRun || given > limits.maxGivenLength) kept.complete = false;
  kept.results = all.filter((each) => !gone.has(each) && (kept.complete || each.text !== ''));
  kept.length = kept.results.reduce((sum, { text, given: asked }) => sum + text.length + asked.length, 0);
}

function keyOf({ tenant, run, subject }: RunOfUser): string {
  return JSON.stringify([tenant, run, subject]);
}

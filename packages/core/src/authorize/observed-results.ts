/**
 * The results of guarded calls, by run, as this process saw them settled: what provenance is looked up in. Kept in memory
 * alone, for a while and up to a size; what is forgotten only makes values less trusted.
 * @module
 */
import type { CallFacts } from '../store/store.ts';

export interface ObservedResult {
  readonly tool: { readonly name: string; readonly source: string };
  /** The result as JSON. */
  readonly text: string;
  /** The arguments of the call, as JSON. */
  readonly given: string;
}

export interface ObservedResults {
  add(call: CallFacts, result: Pick<ObservedResult, 'text' | 'given'>): void;
  /** Oldest first. */
  of(run: RunOfUser): readonly ObservedResult[];
  /** Everything of this user, who was erased. */
  forget(tenant: string, subject: string): void;
}

/** A run is a user's: nobody else's results count in it. */
type RunOfUser = Pick<CallFacts, 'tenant' | 'run' | 'subject'>;

export interface ObservedResultsLimits {
  readonly maxAgeMs: number;
  readonly maxRuns: number;
  readonly maxResultsPerRun: number;
  /** UTF-16 units of one result with its arguments, and of all of them. */
  readonly maxResultLength: number;
  readonly maxLength: number;
}

const defaultLimits: ObservedResultsLimits = {
  maxAgeMs: 3_600_000,
  maxRuns: 1_000,
  maxResultsPerRun: 50,
  maxResultLength: 262_144,
  maxLength: 8_388_608,
};

interface Kept {
  readonly owner: Pick<CallFacts, 'tenant' | 'subject'>;
  readonly results: ObservedResult[];
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

  return {
    add({ tool: { name, source }, ...call }, { text, given }) {
      const length = text.length + given.length;
      if (length > limits.maxResultLength) return;
      const key = keyOf(call);
      const kept = runs.get(key) ?? {
        owner: { tenant: call.tenant, subject: call.subject },
        results: [],
        length: 0,
        usedAt: 0,
      };
      if (runs.has(key)) drop(key, kept);
      kept.results.push({ tool: { name, source }, text, given });
      kept.length += length;
      if (kept.results.length > limits.maxResultsPerRun) kept.length -= lengthOf(kept.results.shift());
      kept.usedAt = elapsed();
      runs.set(key, kept);
      total += kept.length;
      dropOldest(kept.usedAt);
    },
    of(run) {
      const kept = runs.get(keyOf(run));
      return kept === undefined || elapsed() - kept.usedAt > limits.maxAgeMs ? [] : kept.results;
    },
    forget(tenant, subject) {
      for (const [key, kept] of runs)
        if (kept.owner.tenant === tenant && kept.owner.subject === subject) drop(key, kept);
    },
  };
}

function keyOf({ tenant, run, subject }: RunOfUser): string {
  return JSON.stringify([tenant, run, subject]);
}

function lengthOf(result: ObservedResult | undefined): number {
  return result === undefined ? 0 : result.text.length + result.given.length;
}

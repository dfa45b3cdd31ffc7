/**
 * What a worker could not run, and leaves alone for a while, longer each time: an attempt costs records.
 * @module
 */
import { backOff } from '../back-off.ts';

export interface Postponed {
  has(id: string): boolean;
  add(id: string): void;
  /** Forgets whatever no longer waits. */
  keepOnly(waiting: ReadonlySet<string>): void;
}

const limits = { firstMs: 1_000, longestMs: 5 * 60_000 };

export function createPostponed(): Postponed {
  const known = new Map<string, { readonly failures: number; readonly until: number }>();
  return {
    has: (id) => (known.get(id)?.until ?? 0) > performance.now(),
    add(id) {
      const failures = (known.get(id)?.failures ?? 0) + 1;
      known.set(id, { failures, until: performance.now() + backOff(failures, limits) });
    },
    keepOnly(waiting) {
      for (const id of known.keys()) if (!waiting.has(id)) known.delete(id);
    },
  };
}

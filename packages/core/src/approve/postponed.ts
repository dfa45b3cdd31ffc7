/**
 * What a worker could not run, and leaves alone for a while, longer each time: an attempt costs records.
 * @module
 */
import { backOff } from '../back-off.ts';

export interface Postponed {
  has(id: string): boolean;
  add(id: string): void;
}

const limits = { firstMs: 1_000, longestMs: 5 * 60_000 };
/** More than one look reads. Of others the oldest begin anew. */
const maxKnown = 20_000;

export function createPostponed(): Postponed {
  const known = new Map<string, { readonly failures: number; readonly until: number }>();
  return {
    has: (id) => (known.get(id)?.until ?? 0) > performance.now(),
    add(id) {
      const failures = (known.get(id)?.failures ?? 0) + 1;
      known.delete(id);
      known.set(id, { failures, until: performance.now() + backOff(failures, limits) });
      const [oldest] = known.keys();
      if (known.size > maxKnown && oldest !== undefined) known.delete(oldest);
    },
  };
}

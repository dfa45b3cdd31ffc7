/**
 * Wakes whoever shows requests when one of them changed. It only shortens a wait: what other processes open or decide may
 * come without a word, so whoever waits looks for themselves now and then.
 * @module
 */
import type { Store } from '../store/store.ts';

export interface Changes {
  /** Something of this tenant was decided or edited here. */
  tell(tenant: string): void;
  /** Resolves when something of the tenant may have changed, or when `signal` aborts. Never rejects. */
  next(tenant: string, ids: readonly string[], signal: AbortSignal): Promise<void>;
}

/** How many requests the store is asked to watch for one who waits. */
const maxWatched = 50;

export function createChanges(store: Pick<Store, 'approvalChanged'>): Changes {
  const waiting = new Map<string, Set<() => void>>();

  return {
    tell(tenant) {
      for (const wake of waiting.get(tenant) ?? []) wake();
    },
    next(tenant, ids, signal) {
      const over = new AbortController();
      const both = AbortSignal.any([over.signal, signal]);
      return new Promise((resolve) => {
        const others = waiting.get(tenant) ?? new Set();
        waiting.set(tenant, others);
        const done = (): void => {
          others.delete(done);
          if (others.size === 0 && waiting.get(tenant) === others) waiting.delete(tenant);
          signal.removeEventListener('abort', done);
          over.abort();
          resolve();
        };
        others.add(done);
        if (signal.aborted) return done();
        signal.addEventListener('abort', done);
        for (const id of ids.slice(0, maxWatched)) void wakeOn(store, { tenant, id, signal: both }, done);
      });
    },
  };
}

/** A store that fails at this is one that cannot tell: then only the others wake. */
async function wakeOn(
  store: Pick<Store, 'approvalChanged'>,
  { tenant, id, signal }: { readonly tenant: string; readonly id: string; readonly signal: AbortSignal },
  wake: () => void,
): Promise<void> {
  if (store.approvalChanged === undefined) return;
  try {
    await store.approvalChanged(tenant, id, signal);
  } catch {
    return;
  }
  wake();
}

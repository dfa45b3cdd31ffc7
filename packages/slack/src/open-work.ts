/**
 * Work that goes on after its request was answered.
 * @module
 */
export interface OpenWork {
  readonly size: number;
  /** Whoever has to hear that it failed was told before: here a rejection counts for nothing. */
  add(work: Promise<unknown>): void;
  /** Resolves when nothing is left, also of what was added meanwhile. */
  idle(): Promise<void>;
}

export function createOpenWork(): OpenWork {
  const open = new Set<Promise<unknown>>();
  return {
    get size() {
      return open.size;
    },
    add(work) {
      const tracked = work.catch(() => undefined).finally(() => open.delete(tracked));
      open.add(tracked);
    },
    async idle() {
      while (open.size > 0) await Promise.all(open);
    },
  };
}

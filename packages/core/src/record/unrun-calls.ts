/**
 * Calls that were checked, permitted, and not claimed yet. A claim writes the decision down itself, in one step with
 * the intent; what is never claimed is written a little later, so that asking first costs no write on the way of a call.
 * @module
 */

/** Writes the decision down. It does nothing when the claim of another process did so. */
type Write = () => Promise<void>;

export interface UnrunCalls {
  add(callKey: string, write: Write): void;
  /** The claim wrote the decision. */
  claimed(callKey: string): void;
  /** Writes down what waits. Never rejects: a decision that nothing followed from stays unwritten when the store is down. */
  flush(): Promise<void>;
}

/** A call that runs is claimed within milliseconds of being checked. */
const waitMs = 5_000;
const maxWaiting = 1_000;

export function createUnrunCalls(): UnrunCalls {
  const waiting = new Map<string, Write>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const writes = [...waiting.values()];
    waiting.clear();
    await Promise.allSettled(writes.map((write) => write()));
  }

  return {
    flush,
    add(callKey, write) {
      if (waiting.size >= maxWaiting) void flush();
      waiting.set(callKey, write);
      timer ??= setTimeout(() => void flush(), waitMs);
      // No process lives on for this; `close` and `maintain` write what is left.
      timer.unref?.();
    },
    claimed: (callKey) => void waiting.delete(callKey),
  };
}

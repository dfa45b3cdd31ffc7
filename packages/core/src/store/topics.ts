/**
 * Wakes whoever waits in this process for something to happen.
 * @module
 */
export interface Topics {
  wake(topic: string): void;
  wakeAll(): void;
  /** Resolves at the next `wake` of this topic, or when `signal` aborts; never rejects. */
  next(topic: string, signal: AbortSignal): Promise<void>;
}

export function createTopics(): Topics {
  const waiting = new Map<string, Set<() => void>>();
  const wake = (topic: string): void => {
    for (const resolve of waiting.get(topic) ?? []) resolve();
  };
  return {
    wake,
    wakeAll() {
      for (const topic of waiting.keys()) wake(topic);
    },
    next(topic, signal) {
      return new Promise((resolve) => {
        const others = waiting.get(topic) ?? new Set();
        waiting.set(topic, others);
        const done = (): void => {
          others.delete(done);
          if (others.size === 0 && waiting.get(topic) === others) waiting.delete(topic);
          signal.removeEventListener('abort', done);
          resolve();
        };
        others.add(done);
        if (signal.aborted) done();
        else signal.addEventListener('abort', done);
      });
    },
  };
}

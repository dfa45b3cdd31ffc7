/**
 * Rejections that nobody hears end the process, unless it says otherwise.
 */
import process from 'node:process';

const event = 'unhandledRejection';

/** What nobody heard of while `act` ran. */
export async function unheardWhile(act: () => Promise<unknown>): Promise<readonly unknown[]> {
  const unheard: unknown[] = [];
  const note = (reason: unknown): void => void unheard.push(reason);
  const others = process.listeners(event);
  process.removeAllListeners(event);
  process.on(event, note);
  try {
    await act();
    // They are told of before the next turn of the event loop.
    await new Promise((resolve) => setImmediate(resolve));
    return unheard;
  } finally {
    process.removeListener(event, note);
    for (const listener of others) process.on(event, listener);
  }
}

/** Listeners of an application that fail at what they hear, at once and later. */
export const failingListeners: readonly (() => unknown)[] = [
  () => {
    throw new Error('the log is full');
  },
  () => Promise.reject(new Error('the log is full')),
];

/**
 * Requests that carry a signature and a time: bounded, fresh, and taken once.
 * @module
 */
import { within } from '../within-time.ts';

/** How far the time of a signed request may be from ours, in either direction, in milliseconds. */
const toleranceMs = 5 * 60_000;
/** A request from the future stays fresh until its time has passed by the tolerance. */
const rememberMs = 2 * toleranceMs;
const maxRemembered = 100_000;

/** A request that is refused before anything was done with it. */
export class RequestRefused extends Error {
  /** Of HTTP. */
  readonly status: number;
  /** For `recordRefused`: a fixed word. */
  readonly reason: string;
  constructor(status: number, message: string, reason = 'malformed') {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

/** @param seconds since the epoch, in decimal digits, as a header carries it */
export function isFresh(seconds: string, now: number): boolean {
  return /^\d{1,12}$/.test(seconds) && Math.abs(now - Number(seconds) * 1000) <= toleranceMs;
}

/**
 * The raw bytes, which are what a signature covers.
 * @throws RequestRefused 413 when they are more than `maxBytes`, 408 when they take longer than `timeoutMs`
 */
export async function readBody(request: Request, maxBytes: number, timeoutMs: number): Promise<Buffer> {
  const reader = request.body?.getReader();
  if (reader === undefined) return Buffer.alloc(0);
  const chunks: Uint8Array[] = [];
  let length = 0;
  const read = async (): Promise<Buffer> => {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return Buffer.concat(chunks);
      length += value.length;
      if (length > maxBytes) throw new RequestRefused(413, `send at most ${maxBytes} bytes`, 'too_large');
      chunks.push(value);
    }
  };
  try {
    return await within(read(), timeoutMs, () => new RequestRefused(408, 'the body took too long', 'too_slow'));
  } catch (error) {
    // Not awaited: a source that hangs may never answer to this either.
    reader.cancel().catch(() => undefined);
    throw error;
  }
}

/**
 * Remembers signed requests for as long as they stay fresh. Where several processes take requests, keep it in what they
 * share; without that a replay to another process still meets the vote that stands already. A throw, or no answer within a
 * second, refuses.
 */
export interface ReplayGuard {
  /** Answers whether this id was never taken before, and takes it. */
  take(id: string): boolean | Promise<boolean>;
  /** Gives an id back: its request failed for a reason of ours, and may be sent again. */
  giveBack(id: string): void | Promise<void>;
}

const guardTimeoutMs = 1_000;

/**
 * The same guard, which nobody waits for longer than a second. `take` rejects when it is late, and what it took then is
 * given back: nobody has acted on it. `giveBack` never rejects.
 */
export function boundedReplayGuard(guard: ReplayGuard): {
  take(id: string): Promise<boolean>;
  giveBack(id: string): Promise<void>;
} {
  async function giveBack(id: string): Promise<void> {
    try {
      await within((async () => guard.giveBack(id))(), guardTimeoutMs);
    } catch {
      // Then it cannot be sent again.
    }
  }
  async function take(id: string): Promise<boolean> {
    let late = false;
    const taking = (async () => guard.take(id))();
    const known = taking.then(async (first) => {
      if (first && late) await giveBack(id);
      return first;
    });
    return within(known, guardTimeoutMs, () => {
      late = true;
      return new Error(`the guard of replays did not answer within ${guardTimeoutMs} ms`);
    });
  }
  return { take, giveBack };
}

/**
 * Of this process. Once it is full of fresh ids it takes no more.
 * @param remember how long an id could be used again, in milliseconds
 */
export function memoryReplayGuard(now: () => number = Date.now, remember: number = rememberMs): ReplayGuard {
  const taken = new Map<string, number>();
  return {
    take(id) {
      const time = now();
      for (const [old, until] of taken) {
        if (until > time) break;
        taken.delete(old);
      }
      if (taken.has(id) || taken.size >= maxRemembered) return false;
      taken.set(id, time + remember);
      return true;
    },
    giveBack: (id) => void taken.delete(id),
  };
}

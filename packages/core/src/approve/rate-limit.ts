/**
 * How often something may be done: by an approver, or from an address.
 * @module
 */
import { ConfigurationError } from '../errors.ts';

export interface RateLimitTaken {
  readonly allowed: boolean;
  /** Milliseconds until it is worth another try; 0 when it was allowed. */
  readonly retryAfterMs: number;
  /** How many more are allowed at once. */
  readonly remaining: number;
}

/**
 * Where several processes answer, keep the counts in what they share: this interface is small so that a limiter on Redis
 * or a database fits it. A throw, or no answer in time, refuses.
 */
export interface RateLimit {
  readonly points: number;
  readonly perMs: number;
  /** Takes one point of this key, if it has one. */
  take(key: string): RateLimitTaken | Promise<RateLimitTaken>;
  /** Gives one point back: what was counted turned out to be right. */
  giveBack(key: string): void | Promise<void>;
}

/** Of this process. */
export interface LocalRateLimit extends RateLimit {
  take(key: string): RateLimitTaken;
  giveBack(key: string): void;
}

export interface RateLimitOptions {
  /** How many at once; they come back evenly over `perMs`. Over any `perMs` it is less than twice as many. */
  readonly points: number;
  readonly perMs: number;
  /** Keys that are told apart at a time. More of them share the points of one key. Default 10,000. */
  readonly maxKeys?: number;
  /** Milliseconds of a clock that never goes back. Default: the process's own. */
  readonly elapsed?: () => number;
}

/** Generic cell rate algorithm (ITU-T I.371): one number per key, the time at which all its points are back. */
export function createRateLimit(options: RateLimitOptions): LocalRateLimit {
  const { points, perMs, maxKeys = 10_000, elapsed = () => performance.now() } = options;
  if (!Number.isSafeInteger(points) || points < 1) {
    throw new ConfigurationError(`points must be a whole number from 1 on, got ${points}`);
  }
  if (!(perMs > 0 && perMs < Number.POSITIVE_INFINITY)) {
    throw new ConfigurationError(`perMs must be milliseconds, got ${perMs}`);
  }
  const step = perMs / points;
  /** Steps are no whole numbers, and their sums are rounded. */
  const tolerance = Math.min(0.001, step / 1_000);
  const fullAt = new Map<string, number>();
  const shared = createSharedPoints(step);
  let sweptAt = Number.NEGATIVE_INFINITY;

  function sweep(now: number): void {
    // All at most once in a step, so that a flood of keys does not make each take slow.
    if (now - sweptAt < step) return;
    sweptAt = now;
    for (const [key, time] of fullAt) if (time <= now) fullAt.delete(key);
  }

  function isTold(key: string, now: number): boolean {
    if (fullAt.has(key) || fullAt.size < maxKeys) return true;
    sweep(now);
    return fullAt.size < maxKeys;
  }

  return {
    points,
    perMs,
    take(key) {
      const now = elapsed();
      const told = isTold(key, now);
      const next = Math.max(now, (told ? fullAt.get(key) : shared.fullAt()) ?? 0) + step;
      const over = next - now - perMs;
      if (over > tolerance) return { allowed: false, retryAfterMs: Math.ceil(over), remaining: 0 };
      if (told) fullAt.set(key, next);
      else shared.take(key, next, now);
      return { allowed: true, retryAfterMs: 0, remaining: Math.max(0, Math.floor((tolerance - over) / step)) };
    },
    giveBack(key) {
      const now = elapsed();
      const time = fullAt.get(key);
      if (time === undefined) shared.giveBack(key, now);
      else if (time - step <= now) fullAt.delete(key);
      else fullAt.set(key, time - step);
    },
  };
}

interface SharedPoints {
  fullAt(): number;
  /** @param next the time at which all of them are back, with this one */
  take(key: string, next: number, now: number): void;
  /** Of what this key took here, and is not back by itself. */
  giveBack(key: string, now: number): void;
}

interface Taker {
  readonly count: number;
  /** When the last one is back. */
  readonly until: number;
}

/** Points of the keys that are not told apart. Who took some is known until they are back: at most twice the points. */
function createSharedPoints(step: number): SharedPoints {
  const takers = new Map<string, Taker>();
  let fullAt = 0;
  const takerOf = (key: string, now: number): Taker => {
    const taker = takers.get(key);
    return taker === undefined || taker.until <= now ? { count: 0, until: now } : taker;
  };
  return {
    fullAt: () => fullAt,
    take(key, next, now) {
      for (const [old, { until }] of takers) {
        if (until > now) break;
        takers.delete(old);
      }
      const count = takerOf(key, now).count + 1;
      // To the end of the line: the others are back before it.
      takers.delete(key);
      takers.set(key, { count, until: next });
      fullAt = next;
    },
    giveBack(key, now) {
      const { count, until } = takerOf(key, now);
      if (count === 0) return;
      fullAt -= step;
      if (count === 1) takers.delete(key);
      else takers.set(key, { count: count - 1, until });
    },
  };
}

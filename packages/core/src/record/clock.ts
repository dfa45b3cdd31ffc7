/**
 * The clock of records, grants and leases. It never goes back: an expired grant must not come to life again because
 * somebody set the machine's clock.
 * @module
 */
import { ConfigurationError, LedgerError } from '../errors.ts';

export interface Clock {
  /** Milliseconds since the epoch, a whole number, never less than it answered before. */
  now(): number;
  /** From now on at least this time: that of the newest record in the store. */
  advanceTo(time: number): void;
}

/** The largest time a `Date` can hold. */
const maxTime = 8.64e15;

/**
 * While the machine's clock is behind, time goes on by the process's monotonic clock: a clock that stood still would
 * keep every grant alive. `elapsed` is that clock, in milliseconds.
 */
export function createClock(now: () => number = Date.now, elapsed: () => number = () => performance.now()): Clock {
  let latest = 0;
  /** Where the monotonic clock took over; `undefined` while the machine's clock is right. */
  let behind: { readonly time: number; readonly at: number } | undefined;

  return {
    now() {
      const wall = Math.floor(now());
      if (!(wall >= 0 && wall <= maxTime)) throw new ConfigurationError(`the clock answered ${wall}`);
      if (wall >= latest) {
        behind = undefined;
        latest = wall;
      } else {
        behind ??= { time: latest, at: elapsed() };
        latest = Math.max(latest, Math.floor(behind.time + elapsed() - behind.at));
      }
      return latest;
    },
    advanceTo(time) {
      if (!(time >= 0 && time <= maxTime))
        throw new LedgerError(`the store answered ${time} as the time of its newest record`);
      if (time <= latest) return;
      latest = Math.ceil(time);
      behind = undefined;
    },
  };
}

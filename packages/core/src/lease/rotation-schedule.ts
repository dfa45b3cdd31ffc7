/**
 * Rotation by the clock, in any number of processes: who comes second finds the work done.
 * @module
 */
import { Cron } from 'croner';
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError } from '../errors.ts';
import type { RotationResult } from './rotation.ts';

export interface RotationScheduleOptions {
  /** Cron pattern, in UTC. Default: every hour. */
  readonly pattern?: string;
  /** Each process waits a random time up to this, in milliseconds. Default 60,000. */
  readonly jitterMs?: number;
  /** Told what became of each run. A throw of it is ignored. */
  readonly onRotated?: (results: readonly RotationResult[]) => void;
}

export interface RotationSchedule {
  /** When it runs next. */
  next(): Date | undefined;
  /** No further run begins. A run that has begun ends by itself. */
  stop(): void;
}

/** Keeps no process alive. Throws `ConfigurationError` for a pattern that is none. */
export function scheduleRotation(
  rotateDue: () => Promise<readonly RotationResult[]>,
  { pattern = '17 * * * *', jitterMs = 60_000, onRotated }: RotationScheduleOptions,
): RotationSchedule {
  const stopped = new AbortController();
  const run = async (): Promise<void> => {
    await sleep(Math.random() * jitterMs, undefined, { ref: false, signal: stopped.signal });
    onRotated?.(await rotateDue());
  };
  try {
    const job = new Cron(pattern, { timezone: 'UTC', unref: true, protect: true, catch: true }, run);
    return {
      next: () => job.nextRun() ?? undefined,
      stop() {
        job.stop();
        stopped.abort();
      },
    };
  } catch (error) {
    throw new ConfigurationError(`rotation: expected a cron pattern, got ${JSON.stringify(pattern)}`, { cause: error });
  }
}

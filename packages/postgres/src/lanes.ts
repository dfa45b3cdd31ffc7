/**
 * Group commit: what is asked for while a transaction of the same tenant runs goes together into the next one. Tenants do
 * not wait for each other, as far as there are connections.
 * @module
 */
import { StoreError } from '@countersign/core';
import { runBatch, type Memory, type Write } from './batch.ts';
import type { Connections } from './connections.ts';

interface Waiting extends Write {
  readonly deadline: number;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  readonly memory: Memory;
  waiting: Waiting[];
  running: Promise<void> | undefined;
}

export interface Lanes {
  /** Resolves with what the operation answers, once it is durable. */
  write<Result>(tenant: string, write: Write & { readonly run: (...given: never[]) => Result }): Promise<Result>;
  /** Resolves when everything that was asked for has ended. */
  drain(): Promise<void>;
}

export interface LanesOptions {
  readonly connections: Connections;
  readonly writer: string;
  readonly timeoutMs: number;
}

/** Each operation takes a few locks, and a server has some thousands for all its transactions. */
const maxBatch = 100;
const maxLanes = 10_000;

export function createLanes({ connections, writer, timeoutMs }: LanesOptions): Lanes {
  const lanes = new Map<string, Lane>();

  function laneOf(tenant: string): Lane {
    const known = lanes.get(tenant);
    if (known !== undefined) return known;
    if (lanes.size >= maxLanes) for (const [name, { running }] of lanes) if (running === undefined) lanes.delete(name);
    const lane: Lane = { memory: { tenant, writer, head: undefined }, waiting: [], running: undefined };
    lanes.set(tenant, lane);
    return lane;
  }

  async function run(lane: Lane): Promise<void> {
    // What is asked for in this turn goes together.
    await Promise.resolve();
    while (lane.waiting.length > 0) {
      const batch = nextBatch(lane.waiting);
      const late = batch.filter(({ deadline }) => deadline < performance.now());
      for (const { reject } of late) reject(tooLate(timeoutMs));
      const inTime = batch.filter((write) => !late.includes(write));
      if (inTime.length > 0) await runOne(lane, inTime);
    }
    lane.running = undefined;
  }

  async function runOne({ memory }: Lane, batch: readonly Waiting[]): Promise<void> {
    const outcomes = await runBatch({ connections, memory, timeoutMs }, batch);
    for (const [index, { resolve, reject }] of batch.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status === 'done') resolve(outcome.result as never);
      else reject(outcome?.error ?? new StoreError('an operation has no outcome: this is a defect'));
    }
  }

  return {
    write: (tenant, write) =>
      new Promise((resolve, reject) => {
        const lane = laneOf(tenant);
        lane.waiting.push({ ...write, deadline: performance.now() + timeoutMs, resolve, reject });
        lane.running ??= run(lane);
      }),
    async drain() {
      for (const { running } of lanes.values()) await running;
    },
  };
}

/** Takes what goes into one transaction out of those who wait. */
function nextBatch(waiting: Waiting[]): Waiting[] {
  const alone = waiting.findIndex((write) => write.alone === true);
  const number = alone === 0 ? 1 : alone === -1 ? maxBatch : Math.min(alone, maxBatch);
  return waiting.splice(0, number);
}

const tooLate = (timeoutMs: number): StoreError =>
  new StoreError(
    `PostgreSQL: this did not begin within ${timeoutMs} ms, since earlier writes were slow: find what slows the server, or raise timeoutMs`,
  );

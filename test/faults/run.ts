/**
 * One run: several processes on one store, faults one after the other, and at the end the question whether every
 * invariant holds. The seed gives the same faults and the same calls; how they meet is up to the machine.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createVoteSigner, openLedger, type OpenedRecord } from '@countersign/core';
import { processFaults, type Fault, type Targets } from './faults.ts';
import { findBreaches, type Breach } from './invariants.ts';
import { openCountersign, openStore, type ProcessInput } from './parts.ts';
import { openPlace, type Place, type StoreName } from './place.ts';
import { respawn } from './processes.ts';
import { createRandom } from './random.ts';
import { openWorld, type World } from './world.ts';

export interface RunInput {
  readonly store: StoreName;
  readonly faults: number;
  readonly seed: number;
  readonly workers: number;
  readonly onFault?: (number: number, name: string) => void;
}

export interface RunResult {
  readonly faults: Readonly<Record<string, number>>;
  readonly seconds: number;
  readonly calls: number;
  readonly effects: number;
  /** By what the workers were told. */
  readonly told: Readonly<Record<string, number>>;
  /** Effects whose outcome nobody could write down any more. */
  readonly unknown: number;
  readonly records: number;
  readonly breaches: readonly Breach[];
}

export async function runFaults({ store, faults: count, seed, workers: size, onFault }: RunInput): Promise<RunResult> {
  const random = createRandom(seed);
  const world = await openWorld();
  const place = await openPlace(store);
  const begun = performance.now();
  try {
    const input = inputOf(place, world, seed);
    const { targets, end } = await startProcesses(input, place, size, random.between(0, 2 ** 31));
    const happened: Record<string, number> = {};
    const faults = Object.entries({ ...processFaults, ...place.faults });
    for (let number = 1; number <= count; number += 1) {
      const [name, fault] = random.pick(faults as [[string, Fault], ...[string, Fault][]]);
      onFault?.(number, name);
      await fault(targets, random);
      happened[name] = (happened[name] ?? 0) + 1;
      await progress(world, random.between(1, 6));
    }
    // What was going on when the last fault ended comes to its own end.
    await sleep(1_000);
    await end();
    const seconds = (performance.now() - begun) / 1000;
    return { faults: happened, seconds, ...(await examine(input.process, place, world)) };
  } finally {
    await place.close();
    await world.close();
  }
}

const longestStallMs = 3_000;

/** Until the workers were told so many outcomes more: a fault that meets nobody at work shows nothing. */
async function progress(world: World, outcomes: number): Promise<void> {
  const enough = world.told.length + outcomes;
  const until = performance.now() + longestStallMs;
  while (world.told.length < enough && performance.now() < until) await sleep(5);
}

interface Inputs {
  readonly process: ProcessInput;
  readonly signingKey: string;
}

function inputOf(place: Place, world: World, seed: number): Inputs {
  const signingKey = randomBytes(32);
  const { publicKey } = createVoteSigner(signingKey);
  const key = randomBytes(32).toString('hex');
  return {
    process: { seed, store: place.address, world: world.url, key, voteKey: publicKey },
    signingKey: signingKey.toString('hex'),
  };
}

async function startProcesses({ process: input, signingKey }: Inputs, place: Place, size: number, seed: number) {
  const epoch = String(Date.now());
  let started = 0;
  const worker = () =>
    respawn(new URL('worker.ts', import.meta.url), () => {
      started += 1;
      const maxBytes = place.maxBytes();
      const limited = maxBytes === undefined ? input : { ...input, maxBytes };
      return [JSON.stringify({ ...limited, seed: seed + started }), epoch];
    });
  const first = worker();
  const others = Array.from({ length: size - 1 }, worker);
  const approver = respawn(new URL('approver.ts', import.meta.url), () => [JSON.stringify({ ...input, signingKey })]);
  const targets: Targets = { workers: [first, ...others], approver };
  const all = [...targets.workers, approver];
  await Promise.all(all.map((each) => each.ready()));
  return {
    targets,
    end: async () => void (await Promise.all(all.map((each) => each.end(15_000)))),
  };
}

const sweepAheadMs = 10 * 60_000;

/** With nobody else at work: sweeps, and reads everything. */
async function examine(
  input: ProcessInput,
  place: Place,
  world: World,
): Promise<Omit<RunResult, 'faults' | 'seconds'>> {
  const store = await openStore({ store: place.direct });
  try {
    const later = openCountersign({ ...input, store: place.direct }, store, () => Date.now() + sweepAheadMs);
    for (let round = 0; round < 1_000; round += 1) {
      const { closedLeases, expiredApprovals } = await later.maintain();
      if (closedLeases === 0 && expiredApprovals === 0) break;
    }
    const ledger = openLedger({ store, key: Buffer.from(input.key, 'hex') });
    const records: OpenedRecord[] = [];
    for await (const record of ledger.query({ tenant: 'acme' })) records.push(record);
    const open = await store.system.openLeases(Number.MAX_SAFE_INTEGER, 1_000);
    const verification = await ledger.verify('acme');
    const evidence = { world, records, verification, openLeases: open.map(({ id }) => id) };
    return { ...summary(world, records), breaches: findBreaches(evidence) };
  } finally {
    await store.close();
  }
}

function summary(world: World, records: readonly OpenedRecord[]) {
  const told: Record<string, number> = {};
  for (const { status, reason } of world.told) {
    const name = reason === undefined ? status : `${status} ${reason}`;
    told[name] = (told[name] ?? 0) + 1;
  }
  const ended = new Set(records.filter(({ kind }) => kind === 'outcome').map(({ call }) => call));
  return {
    told,
    calls: world.told.length,
    effects: world.effects.length,
    unknown: world.effects.filter(({ callKey }) => !ended.has(callKey)).length,
    records: records.length,
  };
}

/**
 * One transaction for operations of one tenant: lock and load what they read, run them in memory, write what changed.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CountersignError, StoreError } from '@countersign/core';
import { createChain, createOperations, type Operations } from '@countersign/core/store-kit';
import type { Connections } from './connections.ts';
import type { Begun, Row } from './transaction.ts';
import { isConnectionLost, isTransient, storeError } from './errors.ts';
import { NotLoaded } from './guard-tables.ts';
import { loadStatement } from './load.ts';
import { needs as allNeeds, type Forecast, type Lock, type Need } from './needs.ts';
import { createWorkingSet, type Head, type Loaded, type WorkingSet } from './working-set.ts';
import { writeStatement } from './write.ts';

export interface Write {
  readonly forecast: Forecast;
  /** What it changes cannot be written together with another change of the same row. */
  readonly alone?: boolean;
  readonly run: (operations: Operations) => unknown;
}

export type Outcome =
  | { readonly status: 'done'; readonly result: unknown }
  | { readonly status: 'failed'; readonly error: unknown };

/** What this process remembers of a tenant between batches. */
export interface Memory {
  readonly tenant: string;
  readonly writer: string;
  /** Head of its chain; `undefined` when it must be read again, since a write failed or may have. */
  head: Head | undefined;
}

interface BatchInput {
  readonly connections: Connections;
  readonly memory: Memory;
  readonly timeoutMs: number;
}

/** Before a transaction is tried again. */
const firstPauseMs = 5;
const longestPauseMs = 250;
/** Each time an operation finds one more row that was not foreseen. More than this is a defect, not a row. */
const maxLoads = 50;

/** Runs them together, or each alone where the server refuses what they wrote together. One outcome for each. */
export async function runBatch(input: BatchInput, batch: readonly Write[]): Promise<readonly Outcome[]> {
  const until = performance.now() + input.timeoutMs;
  for (let pause = firstPauseMs; ; pause = Math.min(pause * 2, longestPauseMs)) {
    try {
      return await runTogether(input, batch);
    } catch (error) {
      input.memory.head = undefined;
      if (isTransient(error) && performance.now() + pause < until) {
        await sleep(pause);
        continue;
      }
      // One that the server refuses must not take the others with it.
      const each = batch.length > 1 && !(error instanceof CountersignError) && !isConnectionLost(error);
      if (!each) return batch.map(() => ({ status: 'failed', error: storeError(error) }));
      const outcomes: Outcome[] = [];
      for (const write of batch) outcomes.push(...(await runBatch(input, [write])));
      return outcomes;
    }
  }
}

/** What was written may be there or not, so nothing is tried again. */
const answerLost = (): StoreError =>
  new StoreError('PostgreSQL: the connection broke at the commit, so this may or may not have been written');

async function runTogether(input: BatchInput, batch: readonly Write[]): Promise<readonly Outcome[]> {
  const { memory } = input;
  const needs = new Map<string, Need>();
  for (const { forecast } of batch) for (const need of forecast) needs.set(need.key, need);
  if (memory.head === undefined) addNeed(needs, allNeeds.head(memory.writer));
  for (let loads = 0; loads < maxLoads; loads += 1) {
    const begun = await input.connections.begin({ tenant: memory.tenant }, 'write');
    try {
      const set = await open(begun, memory, needs);
      const { outcomes, missing } = runAll(set, memory, batch);
      if (missing.length === 0) return await finish(begun, set, memory, outcomes);
      for (const need of missing) addNeed(needs, need);
    } catch (error) {
      await begun.rollBack();
      throw error;
    }
    await begun.rollBack();
  }
  throw new StoreError('an operation read more and more rows: this is a defect');
}

const addNeed = (needs: Map<string, Need>, need: Need): void => void needs.set(need.key, need);

async function open(begun: Begun, memory: Memory, needs: ReadonlyMap<string, Need>): Promise<WorkingSet> {
  const { ordinary, gates } = lockOrder(needs.values());
  const load = loadStatement(memory.tenant, needs.values());
  // Sent together. The first failure is the cause of those behind it.
  const answers = await Promise.all([
    ...(ordinary.length > 0 ? [lock(begun, 'pg_advisory_xact_lock', ordinary)] : []),
    ...gates.map(({ key, gate }) => lock(begun, gate === 'shared' ? sharedLock : 'pg_advisory_xact_lock', [key])),
    ...(load === undefined ? [] : [begun.query(load)]),
  ]);
  const loaded: Loaded = load === undefined ? {} : (answers.at(-1)?.[0] ?? {});
  return createWorkingSet({
    tenant: memory.tenant,
    needs,
    loaded,
    own: { writer: memory.writer, head: memory.head },
  });
}

const sharedLock = 'pg_advisory_xact_lock_shared';

function lock(begun: Begun, command: string, keys: readonly bigint[]): Promise<readonly Row[]> {
  return begun.query({
    text: `SELECT ${command}(key) FROM unnest($1::bigint[]) AS key`,
    values: [keys.map(String)],
    name: command,
  });
}

/** Everybody takes them in this order, so that no two wait for each other. */
function lockOrder(needs: Iterable<Need>): { ordinary: readonly bigint[]; gates: readonly Lock[] } {
  const ordinary = new Set<bigint>();
  const gates = new Map<bigint, Lock>();
  for (const { locks } of needs) {
    for (const each of locks) {
      if (each.gate === undefined) ordinary.add(each.key);
      else if (gates.get(each.key)?.gate !== 'exclusive') gates.set(each.key, each);
    }
  }
  const byKey = (left: bigint, right: bigint): number => (left < right ? -1 : left > right ? 1 : 0);
  return {
    ordinary: [...ordinary].toSorted(byKey),
    gates: [...gates.values()].toSorted((left, right) => byKey(left.key, right.key)),
  };
}

function runAll(
  set: WorkingSet,
  { writer }: Memory,
  batch: readonly Write[],
): { outcomes: readonly Outcome[]; missing: readonly Need[] } {
  const chain = createChain(writer, (tenant) => set.tables.records.head(tenant, writer));
  const operations = createOperations(set.tables, chain);
  const missing: Need[] = [];
  const outcomes = batch.map(({ run }): Outcome => {
    try {
      return { status: 'done', result: set.run(() => run(operations)) };
    } catch (error) {
      chain.forget();
      if (error instanceof NotLoaded) missing.push(error.need);
      return { status: 'failed', error: storeError(error) };
    }
  });
  return { outcomes, missing };
}

async function finish(
  begun: Begun,
  set: WorkingSet,
  memory: Memory,
  outcomes: readonly Outcome[],
): Promise<readonly Outcome[]> {
  const changes = set.changes();
  const write = writeStatement(memory.tenant, changes);
  const committed = await begun.commit(write);
  if (committed === 'unknown' && write !== undefined) throw answerLost();
  if (changes.records.length > 0) memory.head = set.head(memory.writer);
  return outcomes;
}

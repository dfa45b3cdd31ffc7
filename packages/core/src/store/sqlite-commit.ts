/**
 * Group commit: operations that are asked for in the same turn share one transaction, and so one flush to the disk.
 * @module
 */
import type { DatabaseSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';
import type { Runner } from './embedded-store.ts';
import { isBusy, storeError } from './sqlite-errors.ts';
import { rollBack } from './sqlite-open.ts';
import type { Durability } from './store.ts';

interface Write {
  readonly operation: () => unknown;
  readonly durability: Durability;
  readonly deadline: number;
  readonly resolve: (result: never) => void;
  readonly reject: (error: unknown) => void;
}

interface CommitOptions {
  readonly database: DatabaseSync;
  readonly path: string;
  readonly durability: Durability;
  readonly lockTimeoutMs: number;
  readonly undone: () => void;
}

/** While another process holds the lock, the event loop goes on and the lock is tried again this often. */
const retryMs = 5;

/** What it makes runs a batch in one transaction, and answers what could not begin because another process holds the lock. */
function createCommitBatch({ database, path, undone }: CommitOptions): (batch: readonly Write[]) => readonly Write[] {
  const begin = database.prepare('BEGIN IMMEDIATE');
  const commit = database.prepare('COMMIT');
  let synchronous: Durability | undefined;

  /** The level cannot change inside a transaction, so the strictest of the batch is set before it. */
  function setSynchronous(needed: Durability): void {
    if (needed === synchronous) return;
    database.exec(`PRAGMA synchronous = ${needed === 'power' ? 'FULL' : 'NORMAL'}`);
    synchronous = needed;
  }

  function commitTogether(batch: readonly Write[]): readonly unknown[] {
    setSynchronous(batch.some((write) => write.durability === 'power') ? 'power' : 'process');
    begin.run();
    try {
      const results = batch.map((write) => write.operation());
      commit.run();
      return results;
    } catch (error) {
      undone();
      rollBack(database);
      throw error;
    }
  }

  return function commitBatch(batch: readonly Write[]): readonly Write[] {
    let results: readonly unknown[];
    try {
      results = commitTogether(batch);
    } catch (error) {
      if (isBusy(error)) return batch;
      // One that throws must not take the others with it: each again, alone.
      if (batch.length > 1) return batch.flatMap((write) => commitBatch([write]));
      batch[0]?.reject(storeError(path, error));
      return [];
    }
    for (const [index, write] of batch.entries()) write.resolve(results[index] as never);
    return [];
  };
}

export function createCommitter(options: CommitOptions): Runner {
  const { database, path, durability, lockTimeoutMs } = options;
  const commitBatch = createCommitBatch(options);
  let waiting: Write[] = [];
  let scheduled = false;
  let closed: Promise<void> | undefined;

  function flush(): void {
    const batch = waiting;
    waiting = [];
    const locked = commitBatch(batch);
    const now = performance.now();
    const late = locked.filter((write) => write.deadline <= now);
    for (const write of late) write.reject(lockedFor(path, lockTimeoutMs));
    waiting = [...locked.filter((write) => write.deadline > now), ...waiting];
    scheduled = waiting.length > 0;
    if (scheduled) setTimeout(flush, retryMs * (0.5 + Math.random()));
  }

  function schedule(): void {
    if (scheduled) return;
    scheduled = true;
    // A flush to the disk is slow: wait for what else this turn asks for. Otherwise commit at once.
    if (durability === 'power') setImmediate(flush);
    else queueMicrotask(flush);
  }

  const enqueue = <Result>(operation: () => Result, needed: Durability): Promise<Result> =>
    new Promise((resolve, reject) => {
      waiting.push({ operation, durability: needed, deadline: performance.now() + lockTimeoutMs, resolve, reject });
      schedule();
    });

  return {
    async read(operation) {
      if (closed !== undefined) throw new StoreError(`${path}: the store is closed`);
      try {
        return operation();
      } catch (error) {
        throw storeError(path, error);
      }
    },
    write(operation, needed = 'process') {
      if (closed !== undefined) return Promise.reject(new StoreError(`${path}: the store is closed`));
      return enqueue(operation, durability === 'power' ? 'power' : needed);
    },
    close() {
      // Queued behind everything that was asked for before.
      const drained = waiting.length === 0 ? Promise.resolve() : enqueue(() => undefined, durability);
      closed ??= drained.catch(() => undefined).then(() => database.close());
      return closed;
    },
  };
}

function lockedFor(path: string, lockTimeoutMs: number): StoreError {
  return new StoreError(
    `${path} is locked: another process held it for ${lockTimeoutMs} ms; end that, or raise lockTimeoutMs`,
  );
}

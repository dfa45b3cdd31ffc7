/**
 * A store in the memory of one process, for tests, demonstrations and short scripts. Everything is gone with the
 * process, grants and approvals together, so that no restart brings a consumed grant back: that is what `power` guards
 * against, and why a claim that asks for it is served. The ledger is gone all the same.
 * @module
 */
import { StoreError } from '../errors.ts';
import { embeddedStore, type Runner } from './embedded-store.ts';
import { createUndoLog, memoryTables, type UndoLog } from './memory-tables.ts';
import type { Store } from './store.ts';
import { createTopics } from './topics.ts';

export function memoryStore(): Store {
  const log = createUndoLog();
  return embeddedStore({
    durability: 'process',
    tables: memoryTables(log),
    changes: createTopics(),
    place: 'memory',
    createRunner: (undone) => memoryRunner(log, undone),
  });
}

function memoryRunner(log: UndoLog, undone: () => void): Runner {
  let closed = false;
  const checkOpen = (): void => {
    if (closed) throw new StoreError('the store is closed');
  };
  return {
    async read(operation) {
      checkOpen();
      return operation();
    },
    async write(operation) {
      checkOpen();
      try {
        return operation();
      } catch (error) {
        log.undo();
        undone();
        throw error;
      } finally {
        log.clear();
      }
    },
    async close() {
      closed = true;
    },
  };
}

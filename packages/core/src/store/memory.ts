/**
 * A store in the memory of one process, for tests, demonstrations and short scripts. Everything is gone with the
 * process: even `process`, the weakest durability there is a word for, is more than it has. A claim that asks for
 * `power` is refused, so nothing of high risk runs on it.
 * @module
 */
import { StoreError } from '../errors.ts';
import { embeddedStore, type Runner } from './embedded-store.ts';
import { createUndoLog, memoryTables, type UndoLog } from './memory-tables.ts';
import type { Store } from './store.ts';

export function memoryStore(): Store {
  const log = createUndoLog();
  return embeddedStore({
    durability: 'process',
    tables: memoryTables(log),
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
    async write(operation, durability) {
      checkOpen();
      if (durability === 'power') {
        throw new StoreError('memoryStore() does not survive power loss, as this call requires: use sqliteStore()');
      }
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

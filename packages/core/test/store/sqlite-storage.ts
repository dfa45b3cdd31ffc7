import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sqliteStore, type SqliteStoreOptions } from '../../src/store/sqlite.ts';
import type { Store } from '../../src/store/store.ts';
import type { StoreStorage } from '../../src/testing/index.ts';

/** A SQLite file in a directory of its own. */
export function sqliteStorage(
  options: Omit<SqliteStoreOptions, 'path'> = {},
): StoreStorage & { readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-store-'));
  const path = join(directory, 'store.db');
  const opened: Store[] = [];
  return {
    path,
    async open() {
      const store = sqliteStore({ path, ...options });
      opened.push(store);
      return store;
    },
    async remove() {
      for (const store of opened) await store.close();
      rmSync(directory, { recursive: true });
    },
  };
}

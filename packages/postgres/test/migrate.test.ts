import { describe, expect } from 'vitest';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { migrate, postgresStore } from '../src/index.ts';
import { runMigrations } from '../src/migrate.ts';
import { migrations } from '../src/migrations.ts';
import type { Database } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };
const open = (database: Database) => postgresStore({ connectionString: database.url('runtime'), timeoutMs: 1_000 });
const second = { version: 2, sql: 'CREATE TABLE countersign.later (id integer)' };

describe('migrations', () => {
  verifies(
    'REL-1',
    'of processes that migrate one database at once, one does it, and all end well',
    async () => {
      const database = await used().databases.createEmpty();
      const connectionString = database.url('owner');
      const results = await Promise.all(Array.from({ length: 5 }, () => migrate({ connectionString })));
      expect(results.flatMap(({ applied }) => applied)).toEqual([1]);
      await (await open(database)).close();
    },
    options,
  );

  verifies(
    'REL-3',
    'a store on a database that nobody migrated, that a later version migrated, or that an upgrade waits for, is refused',
    async () => {
      const empty = await used().databases.createEmpty();
      await expect(open(empty)).rejects.toThrow(/run countersign-postgres migrate/);
      const database = await used().databases.create();
      const store = await open(database);
      await runMigrations({ connectionString: database.url('owner') }, [...migrations, second]);
      await expect(open(database)).rejects.toThrow(/has schema version 2, .* knows up to 1: upgrade it/);
      await expect(migrate({ connectionString: database.url('owner') })).rejects.toThrow(/upgrade it/);
      await store.close();
    },
    options,
  );

  verifies(
    'REL-3',
    'a step that fails leaves the database as it was, and is applied when it is mended',
    async () => {
      const database = await used().databases.create();
      const owner = { connectionString: database.url('owner') };
      const broken = { version: 2, sql: `${second.sql}; SELECT 1 / 0` };
      await expect(runMigrations(owner, [...migrations, broken])).rejects.toThrow(/division by zero/);
      await (await open(database)).close();
      expect(await runMigrations(owner, [...migrations, second])).toEqual({ applied: [2], version: 2 });
    },
    options,
  );

  verifies(
    'REL-3',
    'a foreign schema, a changed step and a missing one are refused: nobody knows what such a database holds',
    async () => {
      const foreign = await used().databases.createEmpty();
      await foreign.sql('owner', 'CREATE SCHEMA countersign');
      await expect(migrate({ connectionString: foreign.url('owner') })).rejects.toThrow(/not one of Countersign/);
      const database = await used().databases.create();
      const changed = [{ version: 1, sql: 'SELECT 1' }];
      await expect(runMigrations({ connectionString: database.url('owner') }, changed)).rejects.toThrow(
        /not the one that this version knows/,
      );
      await database.sql('owner', 'DELETE FROM countersign.migrations');
      await expect(open(database)).rejects.toThrow(/run countersign-postgres migrate/);
      await expect(migrate({ connectionString: database.url('owner') })).rejects.toThrow(/already exists/);
    },
    options,
  );

  verifies(
    'REL-3',
    'a server whose fsync is off is refused: a crash could bring used grants back',
    async () => {
      await used().server.halt();
      await used().server.start({ fsync: 'off' });
      const database = await used().databases.create();
      await expect(open(database)).rejects.toThrow(/fsync or full_page_writes is off/);
      await used().server.halt();
      await used().server.start({ fsync: 'on' });
      await (await open(database)).close();
    },
    options,
  );
});

import { hash } from 'node:crypto';
import { describe, expect } from 'vitest';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import {
  claimInput,
  newApproval,
  newCall,
  newDraft,
  reviewInput,
  voteInput,
} from '../../core/src/testing/store-fixtures.ts';
import { migrate, postgresStore } from '../src/index.ts';
import { runMigrations } from '../src/migrate.ts';
import { migrations } from '../src/migrations.ts';
import type { Database } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };
const open = (database: Database) => postgresStore({ connectionString: database.url('runtime'), timeoutMs: 1_000 });
const later = { version: 3, sql: 'CREATE TABLE countersign.later (id integer)' };

describe('migrations', () => {
  verifies(
    'REL-1',
    'of processes that migrate one database at once, one does it, and all end well',
    async () => {
      const database = await used().databases.createEmpty();
      const connectionString = database.url('owner');
      const results = await Promise.all(Array.from({ length: 5 }, () => migrate({ connectionString })));
      expect(results.flatMap(({ applied }) => applied)).toEqual([1, 2]);
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
      await runMigrations({ connectionString: database.url('owner') }, [...migrations, later]);
      await expect(open(database)).rejects.toThrow(/has schema version 3, .* knows up to 2: upgrade it/);
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
      const broken = { version: 3, sql: `${later.sql}; SELECT 1 / 0` };
      await expect(runMigrations(owner, [...migrations, broken])).rejects.toThrow(/division by zero/);
      await (await open(database)).close();
      expect(await runMigrations(owner, [...migrations, later])).toEqual({ applied: [3], version: 3 });
    },
    options,
  );

  verifies(
    'REL-3',
    'an installation of the first version is refused until it is migrated, and then goes on with what it holds',
    async () => {
      // Released: databases hold this digest.
      expect(hash('sha256', migrations[0]?.sql ?? '', 'hex')).toBe(
        '96ff712efcf06f7920e16b070176ec43c7ba3b073382e61eeb1ff3c072031255',
      );
      const database = await used().databases.createEmpty();
      const connectionString = database.url('owner');
      await runMigrations({ connectionString }, migrations.slice(0, 1));
      const cursor = `INSERT INTO countersign.entries VALUES ('acme', 'cursor', 'otlp/w', 'v1', '{"seq":1}', 1)`;
      await database.sql('sealer', cursor);
      await expect(open(database)).rejects.toThrow(/schema version 1, 2 is needed: run countersign-postgres migrate/);
      expect(await migrate({ connectionString })).toEqual({ applied: [2], version: 2 });
      const sealer = await postgresStore({ connectionString: database.url('sealer') });
      expect(await sealer.system.tenants()).toEqual(['acme']);
      const at = { tenant: 'acme', now: 2, records: [] } as const;
      const moved = { kind: 'cursor', id: 'otlp/w', expected: 'v1', value: '{"seq":2}' } as const;
      expect(await sealer.putEntry({ ...at, ...moved })).toEqual(expect.any(String));
      const segment = { kind: 'segment', id: '0', expected: undefined, value: 's' } as const;
      expect(await sealer.putEntry({ ...at, ...segment })).toEqual(expect.any(String));
      await sealer.close();
    },
    options,
  );

  verifies(
    'REL-3',
    'the second step takes its locks from processes at work: nobody waits in a circle',
    async () => {
      const database = await used().databases.create();
      const store = await postgresStore({ connectionString: database.url('everything') });
      let working = true;
      const work = async (tenant: string): Promise<void> => {
        while (working) {
          const [call, approval] = [newCall({ tenant }), newApproval()];
          await store.observe(reviewInput(call, approval));
          await store.vote(voteInput(call, approval));
          const { id, digest } = approval;
          await store.claim(claimInput(call, { now: 3000, approval: { id, digest } }));
          await store.subjectKey(tenant, approval.id, 'key');
          const entry = { tenant, kind: 'budget', id: approval.id, expected: undefined, value: 'v', now: 1 } as const;
          await store.putEntry({ ...entry, records: [newDraft({ tenant })] });
        }
      };
      const works = Promise.all(['t1', 't2', 't3', 't4'].map(work));
      const locks = migrations[1]?.sql.match(/^LOCK TABLE .*;$/gm)?.join(' ') ?? '';
      expect(locks).toMatch(/calls/);
      for (let round = 0; round < 20; round += 1) await database.sql('owner', locks);
      working = false;
      await works;
      await store.close();
      const deadlocks = 'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()';
      expect(await database.sql('superuser', deadlocks)).toEqual([{ deadlocks: 0 }]);
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

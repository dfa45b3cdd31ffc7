import { afterAll, beforeAll, describe } from 'vitest';
import { storeContract } from '@countersign/core/testing';
import { startPostgres, withPostgres, type Postgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { hasPostgres } from '../../../test/support/postgres.ts';
import { createDatabases, postgresStorage, type Databases } from './support/databases.ts';

let server: Postgres;
let databases: Databases;
beforeAll(async () => {
  if (!hasPostgres) return;
  server = await startPostgres();
  databases = await createDatabases(server);
}, 60_000);
afterAll(() => server?.stop());

describe('the store contract on PostgreSQL', () => {
  for (const { name, run } of storeContract({ createStorage: () => postgresStorage(databases) })) {
    verifies(['REL-1', 'CAP-8'], name, run, { using: withPostgres, timeout: 60_000 });
  }
});

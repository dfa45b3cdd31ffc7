/** One server for the tests of a file, started before the first and removed after the last. */
import { afterAll, beforeAll } from 'vitest';
import { hasPostgres, startPostgres, type Postgres } from '../../../../test/support/postgres.ts';
import { createDatabases, type Databases } from './databases.ts';

interface Used {
  readonly server: Postgres;
  readonly databases: Databases;
}

export function useServer(settings?: Readonly<Record<string, string>>): () => Used {
  let used: Used | undefined;
  beforeAll(async () => {
    if (!hasPostgres) return;
    const server = await startPostgres(settings);
    used = { server, databases: await createDatabases(server) };
  }, 120_000);
  afterAll(() => used?.server.stop(), 60_000);
  return () => {
    if (used === undefined) throw new Error('the PostgreSQL server did not start');
    return used;
  };
}

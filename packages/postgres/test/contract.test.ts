import { describe } from 'vitest';
import { storeContract } from '@countersign/core/testing';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { postgresStorage } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();

describe('the store contract on PostgreSQL', () => {
  for (const { name, run } of storeContract({ createStorage: () => postgresStorage(used().databases) })) {
    verifies(['REL-1', 'CAP-8'], name, run, { using: withPostgres, timeout: 120_000 });
  }
});

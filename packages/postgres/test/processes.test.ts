import { withPostgres } from '../../../test/support/postgres.ts';
import { testProcesses } from '../../core/test/store/process-cases.ts';
import { postgresStorage } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();

testProcesses({
  async createStorage() {
    const storage = await postgresStorage(used().databases);
    return { ...storage, address: storage.url };
  },
  using: withPostgres,
});

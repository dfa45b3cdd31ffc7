import { withPostgres } from '../../../test/support/postgres.ts';
import { testKills } from '../../core/test/faults/kill-cases.ts';
import { useServer } from './support/server.ts';

const used = useServer();

testKills({
  async createStore() {
    const database = await used().databases.create();
    return database.url('everything');
  },
  using: withPostgres,
});

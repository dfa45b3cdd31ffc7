import { testProcesses } from './process-cases.ts';
import { sqliteStorage } from './sqlite-storage.ts';

testProcesses({
  async createStorage() {
    const storage = sqliteStorage();
    return { ...storage, address: storage.path };
  },
});

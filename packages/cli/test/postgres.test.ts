/** The commands that open a store, on PostgreSQL: each with a login that has just the role it needs. */
import { expect } from 'vitest';
import { createCountersign, definePolicy, readKeyFile } from '@countersign/core';
import { postgresStore } from '@countersign/postgres';
import { useServer } from '../../postgres/test/support/server.ts';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { countersign, createWorld } from './support/world.ts';

const used = useServer();
const store = ['--store', 'postgres'];
const policy = definePolicy({
  countersign: 1,
  name: 'cli',
  version: '1',
  tenants: ['acme'],
  tools: { read: { capability: 'tickets:ticket:read', risk: 'low' } },
  agents: { support: { owner: 'user:alice', capabilities: ['tickets:ticket:read'] } },
  users: { alice: { capabilities: ['tickets:ticket:read'] } },
});

verifies(
  ['OPS-2', 'REL-1', 'AUD-4'],
  'an auditor verifies and reads with the reader role alone, and a hold stops the next call',
  async () => {
    const world = await createWorld();
    const database = await used().databases.create();
    const runtime = await postgresStore({ connectionString: database.url('runtime'), maxConnections: 2 });
    const key = readKeyFile(world.keyFile);
    const instance = createCountersign({ policy, store: runtime, audit: { key } });
    const gate = instance.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
    const call = (callId: string) =>
      gate.execute(
        { tool: { name: 'read', source: 'local' }, callId, step: '#0', origin: 'model', arguments: { callId } },
        () => 'done',
      );
    try {
      expect(await call('c1')).toMatchObject({ status: 'completed' });
      const as = (login: 'reader' | 'maintenance') => ({ COUNTERSIGN_POSTGRES_URL: database.url(login) });
      const verified = await countersign(['audit', 'verify', ...store, '--json'], as('reader'));
      expect(verified).toMatchObject({ code: 0, stderr: '' });
      const query = ['audit', 'query', ...store, '--tenant', 'acme', '--key-file', world.keyFile];
      expect((await countersign(query, as('reader'))).stdout).toContain('tickets:ticket:read');

      const hold = ['hold', 'set', ...store, '--tenant', 'acme', '--by', 'carol', '--key-file', world.keyFile];
      expect(await countersign(hold, as('reader'))).not.toMatchObject({ code: 0 });
      expect(await call('c2')).toMatchObject({ status: 'completed' });
      expect(await countersign(hold, as('maintenance'))).toMatchObject({ code: 0 });
      expect(await call('c3')).toMatchObject({ status: 'denied', reason: 'held' });
    } finally {
      await instance.close();
      await world.close();
    }
  },
  { using: withPostgres, timeout: 120_000 },
);

verifies(['OPS-2'], 'without the address of the database the command says where it is taken from', async () => {
  const ran = await countersign(['audit', 'verify', ...store]);
  expect(ran).toMatchObject({ code: 2, stdout: '' });
  expect(ran.stderr).toContain('COUNTERSIGN_POSTGRES_URL');
});

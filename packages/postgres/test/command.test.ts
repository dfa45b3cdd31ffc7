import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { postgresStore } from '../src/index.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const script = fileURLToPath(new URL('../src/main.ts', import.meta.url));

function run(url: string, ...words: readonly string[]): { status: number | null; said: string } {
  const env = { ...process.env, COUNTERSIGN_POSTGRES_URL: url };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--no-warnings', script, ...words], {
    env,
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { status, said: stdout + stderr };
}

verifies(
  'REL-1',
  'the command migrates, makes partitions, and says what is wrong',
  async () => {
    const database = await used().databases.createEmpty();
    expect(run(database.url('owner'), 'migrate')).toEqual({ status: 0, said: 'migrated to version 2\n' });
    expect(run(database.url('owner'), 'migrate')).toEqual({ status: 0, said: 'already at version 2\n' });
    const { status, said } = run(database.url('maintenance'), 'partitions');
    expect([status, said]).toEqual([0, expect.stringMatching(/^made: records_\d{6}, .*; dropped: none\n$/)]);
    expect(run(database.url('runtime'), 'partitions')).toMatchObject({
      status: 1,
      said: expect.stringMatching(/has not the role/),
    });
    expect(run(database.url('owner'), 'destroy')).toMatchObject({ status: 2, said: expect.stringMatching(/migrate/) });
    expect(run('', 'migrate')).toMatchObject({ status: 2, said: expect.stringMatching(/COUNTERSIGN_POSTGRES_URL/) });
    expect(run('', '--help')).toMatchObject({ status: 0, said: expect.stringMatching(/migrate/) });
    await (await postgresStore({ connectionString: database.url('runtime') })).close();
  },
  { using: withPostgres, timeout: 120_000 },
);

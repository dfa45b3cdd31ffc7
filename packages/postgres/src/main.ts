#!/usr/bin/env node
/**
 * `countersign-postgres migrate | partitions`: what the owner and the maintenance login run, for cron and deployment.
 * @module
 */
import process from 'node:process';
import { maintainPartitions } from './maintain-partitions.ts';
import { migrate } from './migrate.ts';

const usage = `countersign-postgres migrate       bring the database to the schema of this version (as its owner)
countersign-postgres partitions    make partitions ahead, drop empty ones (as a login with countersign_maintenance)

Both take the database from COUNTERSIGN_POSTGRES_URL, so that no password stands in a list of processes.
`;

const commands: Readonly<Record<string, (connectionString: string) => Promise<string>>> = {
  async migrate(connectionString) {
    const { applied, version } = await migrate({ connectionString });
    return applied.length === 0 ? `already at version ${version}` : `migrated to version ${version}`;
  },
  async partitions(connectionString) {
    const { made, dropped } = await maintainPartitions({ connectionString });
    return `made: ${made.join(', ') || 'none'}; dropped: ${dropped.join(', ') || 'none'}`;
  },
};

const [name = '', ...rest] = process.argv.slice(2);
const command = Object.hasOwn(commands, name) && rest.length === 0 ? commands[name] : undefined;
const url = process.env['COUNTERSIGN_POSTGRES_URL'] ?? '';
if (name === '--help' || name === 'help') {
  process.stdout.write(usage);
} else if (command === undefined || url === '') {
  process.stderr.write(command === undefined ? usage : 'COUNTERSIGN_POSTGRES_URL is not set: which database?\n');
  process.exitCode = 2;
} else {
  await command(url).then(
    (said) => void process.stdout.write(`${said}\n`),
    (error: unknown) => {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = 1;
    },
  );
}

/** What goes wrong: each fault happens, and is over when its promise resolves. */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { Proxy } from '../../packages/postgres/test/support/proxy.ts';
import type { Postgres } from '../support/postgres.ts';
import type { Respawned } from './processes.ts';
import type { Random } from './random.ts';

export interface Targets {
  readonly workers: readonly [Respawned, ...Respawned[]];
  readonly approver: Respawned;
}

export type Fault = (targets: Targets, random: Random) => Promise<void> | void;

/** On any store. */
export const processFaults: Readonly<Record<string, Fault>> = {
  'kill a worker': ({ workers }, random) => random.pick(workers).kill(),
  'kill two workers': ({ workers }, random) => {
    random.pick(workers).kill();
    random.pick(workers).kill();
  },
  'kill the approvals service': ({ approver }) => approver.kill(),
  'pause a worker': ({ workers }, random) => random.pick(workers).pause(random.between(20, 600)),
  'pause the approvals service': ({ approver }, random) => approver.pause(random.between(20, 400)),
  'step a clock forward': ({ workers }, random) => random.pick(workers).send({ clock: random.between(1_000, 30_000) }),
  'step a clock back': ({ workers }, random) => random.pick(workers).send({ clock: -random.between(1_000, 600_000) }),
};

/** A SQLite file: its lock held by somebody else, and its disk full. `limit` says how large it may become from now on. */
export function sqliteFaults(
  path: string,
  limit: (maxBytes: number | undefined) => void,
): Readonly<Record<string, Fault>> {
  return {
    async 'hold the lock of the file'(_, random) {
      const database = new DatabaseSync(path, { timeout: 5_000 });
      try {
        database.exec('BEGIN IMMEDIATE');
        await sleep(random.between(20, 500));
        database.exec('ROLLBACK');
      } catch {
        // It was locked for longer than this waits.
      } finally {
        database.close();
      }
    },
    async 'fill the disk'({ workers }, random) {
      limit(statSync(path).size + random.between(0, 3) * 4096);
      const worker = random.pick(workers);
      worker.kill();
      await worker.ready();
      await sleep(random.between(50, 300));
      limit(undefined);
      worker.kill();
    },
  };
}

/** A PostgreSQL server, and the network to it. */
export function postgresFaults(server: Postgres, database: string, proxy: Proxy): Readonly<Record<string, Fault>> {
  return {
    'lose a commit on its way': (_, random) => cut(proxy, 'before commit', random),
    'lose the answer to a commit': (_, random) => cut(proxy, 'after commit', random),
    async 'lose the network'(_, random) {
      proxy.cut = 'hang';
      await sleep(random.between(50, 600));
      proxy.cut = 'none';
    },
    async 'slow the network down'(_, random) {
      proxy.delayMs = random.between(20, 200);
      await sleep(random.between(100, 400));
      proxy.delayMs = 0;
    },
    'drop every connection': () =>
      administer(server, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`),
    async 'make the server read-only'(_, random) {
      await administer(server, `ALTER DATABASE ${database} SET default_transaction_read_only = on`);
      await administer(server, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
      await sleep(random.between(50, 300));
      await administer(server, `ALTER DATABASE ${database} RESET default_transaction_read_only`);
      await administer(server, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
    },
    async 'crash the server'(_, random) {
      await server.halt(random.pick(['crash', 'fast']));
      await sleep(random.between(0, 300));
      await server.start();
    },
  };
}

async function cut(proxy: Proxy, how: 'before commit' | 'after commit', random: Random): Promise<void> {
  proxy.cut = how;
  await sleep(random.between(10, 100));
  proxy.cut = 'none';
}

async function administer(server: Postgres, sql: string): Promise<void> {
  const client = new Client({ connectionString: server.url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end();
  }
}

/** Where the processes of a run keep their store, and what can go wrong with it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createDatabases } from '../../packages/postgres/test/support/databases.ts';
import { startProxy } from '../../packages/postgres/test/support/proxy.ts';
import { startPostgres } from '../support/postgres.ts';
import { postgresFaults, sqliteFaults, type Fault } from './faults.ts';
import { openStore } from './parts.ts';

export type StoreName = 'sqlite' | 'postgres';

export interface Place {
  /** What processes open. */
  readonly address: string;
  /** Past the faults. */
  readonly direct: string;
  readonly faults: Readonly<Record<string, Fault>>;
  readonly maxBytes: () => number | undefined;
  close(): Promise<void>;
}

export function openPlace(store: StoreName): Promise<Place> {
  return store === 'sqlite' ? sqlitePlace() : postgresPlace();
}

async function sqlitePlace(): Promise<Place> {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-faults-'));
  const address = join(directory, 'store.sqlite');
  await (await openStore({ store: address })).close();
  let maxBytes: number | undefined;
  return {
    address,
    direct: address,
    faults: sqliteFaults(address, (limit) => {
      maxBytes = limit;
    }),
    maxBytes: () => maxBytes,
    close: async () => rmSync(directory, { recursive: true, force: true }),
  };
}

async function postgresPlace(): Promise<Place> {
  const server = await startPostgres();
  const databases = await createDatabases(server);
  const database = await databases.create();
  const proxy = await startProxy(server.port);
  const direct = database.url('everything');
  return {
    address: direct.replace(`:${server.port}/`, `:${proxy.port}/`),
    direct,
    faults: postgresFaults(server, database.name, proxy),
    maxBytes: () => undefined,
    async close() {
      await proxy.close();
      await server.stop();
    },
  };
}

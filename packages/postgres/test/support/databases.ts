/** Migrated databases on one server, with a login for each role, owned by a login that is no superuser. */
import { Client } from 'pg';
import type { Store } from '@countersign/core';
import type { StoreStorage } from '@countersign/core/testing';
import type { Postgres } from '../../../../test/support/postgres.ts';
import { migrate, postgresStore, type PostgresStoreOptions } from '../../src/index.ts';
import { roleName, roles, type Role } from '../../src/roles.ts';

/** `everything`: a login with all roles, as for a single process that does all the work. */
export type Login = Role | 'everything' | 'owner' | 'nobody';

export interface Databases {
  /** A new database. */
  create(): Promise<Database>;
  /** A new database that nobody migrated. */
  createEmpty(): Promise<Database>;
  /** As a backup that is read into another database. Nobody may be connected to the first. */
  copyOf(database: Database): Promise<Database>;
}

export interface Database {
  readonly name: string;
  url(login: Login | 'superuser'): string;
  /** Runs SQL as a login, in one transaction with a tenant; answers the rows of the last statement. */
  sql(login: Login | 'superuser', text: string, tenant?: string): Promise<Record<string, unknown>[]>;
}

export async function createDatabases(server: Postgres): Promise<Databases> {
  const urlOf = (name: string, login: Login | 'superuser'): string => {
    const user = login === 'superuser' ? 'postgres' : `test_${login}`;
    return `postgresql://${user}@127.0.0.1:${server.port}/${name}`;
  };
  const admin = (text: string): Promise<unknown> => query(server.url, text);
  await admin('CREATE ROLE test_owner LOGIN CREATEROLE');
  for (const login of [...roles, 'everything', 'nobody']) await admin(`CREATE ROLE test_${login} LOGIN`);
  await admin('CREATE DATABASE template_migrated OWNER test_owner');
  await migrate({ connectionString: urlOf('template_migrated', 'owner') });
  for (const role of roles) await admin(`GRANT ${roleName(role)} TO test_${role}, test_everything`);

  let created = 0;
  async function create(template: string): Promise<Database> {
    created += 1;
    const name = `store_${created}`;
    await admin(`CREATE DATABASE ${name} TEMPLATE ${template} OWNER test_owner`);
    return {
      name,
      url: (login) => urlOf(name, login),
      sql: (login, text, tenant = 'acme') => {
        const scoped = `BEGIN; SET LOCAL countersign.tenant = '${tenant}'; ${text}; COMMIT`;
        return query(urlOf(name, login), scoped, -2);
      },
    };
  }
  return {
    create: () => create('template_migrated'),
    createEmpty: () => create('template0'),
    copyOf: ({ name }) => create(name),
  };
}

/** The rows of one statement of several; negative numbers count from the end. */
async function query(connectionString: string, text: string, statement = -1): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString });
  // The server may end it when the test stops the server.
  client.on('error', () => undefined);
  await client.connect();
  try {
    const results = [await client.query(text)].flat();
    return results.at(statement)?.rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

/** A database as the store contract wants it. */
export async function postgresStorage(
  databases: Databases,
  login: Login = 'everything',
  options: Partial<PostgresStoreOptions> = {},
): Promise<StoreStorage & { readonly database: Database; readonly url: string }> {
  const database = await databases.create();
  const opened: Store[] = [];
  return {
    database,
    url: database.url(login),
    async open() {
      const store = await postgresStore({ connectionString: database.url(login), maxConnections: 4, ...options });
      opened.push(store);
      return store;
    },
    async remove() {
      for (const store of opened) await store.close();
    },
  };
}

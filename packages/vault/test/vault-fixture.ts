/** An OpenBao server with AppRole, KV and a database engine over a real PostgreSQL, as an operator would set them up. */
import pg from 'pg';
import { Secret, type LeaseRequest } from '@countersign/core';
import { hasBao, startBao, withBao, type Bao } from '../../../test/support/bao.ts';
import type { Register } from '../../../test/support/parts.ts';
import { startPostgres, withPostgres, type Postgres } from '../../../test/support/postgres.ts';
import { appRole, vaultConnection, type VaultConnection, type VaultConnectionOptions } from '../src/index.ts';
import { membersOf } from '../src/vault-answer.ts';

/** Registers tests that need both servers; where one is missing it is named. */
export const withBaoAndPostgres: Register = hasBao ? withPostgres : withBao;

export const request: Omit<LeaseRequest, 'leaseId' | 'ttlMs'> = {
  tenant: 'acme',
  user: 'alice',
  agent: 'support',
  run: 'run-1',
  callKey: 'call-1',
  tool: 'listOrders',
  capability: 'orders:order:read',
  argumentsDigest: 'digest',
  service: 'orders',
  scope: { access: 'read' },
};

/** What the login of the providers may do, and nothing else. */
const policy = `
path "database/creds/orders-reader" { capabilities = ["read"] }
path "database/creds/orders-writer" { capabilities = ["read"] }
path "database/creds/orders-eternal" { capabilities = ["read"] }
path "database/creds/gone" { capabilities = ["read"] }
path "database/rotate-root/orders-db" { capabilities = ["update"] }
path "sys/leases/renew" { capabilities = ["update"] }
path "sys/leases/revoke" { capabilities = ["update"] }
path "secret/data/agents/*" { capabilities = ["read"] }
`;

export interface VaultFixture {
  readonly bao: Bao;
  readonly roleId: string;
  secretId(): Promise<Secret>;
  connection(more?: Partial<VaultConnectionOptions>): VaultConnection;
  stop(): Promise<void>;
}

/** AppRole `countersign` with {@link policy}, and KV v2 at `secret`. A login lives an hour. */
export async function startVault(): Promise<VaultFixture> {
  const bao = await startBao();
  return setUpVault(bao).catch(async (error: unknown) => {
    await bao.stop();
    throw error;
  });
}

async function setUpVault(bao: Bao): Promise<VaultFixture> {
  await bao.admin('PUT', 'sys/policies/acl/countersign', { policy });
  await bao.admin('POST', 'sys/auth/approle', { type: 'approle' });
  await bao.admin('POST', 'auth/approle/role/countersign', {
    token_policies: ['countersign'],
    token_ttl: 3600,
    token_max_ttl: 7200,
  });
  const roleId = String(
    membersOf((await bao.admin('GET', 'auth/approle/role/countersign/role-id'))['data'])['role_id'],
  );
  const secretId = async (): Promise<Secret> => {
    const answer = await bao.admin('POST', 'auth/approle/role/countersign/secret-id', {});
    return new Secret(String(membersOf(answer['data'])['secret_id']));
  };
  return {
    bao,
    roleId,
    secretId,
    connection: (more = {}) => vaultConnection({ address: bao.address, login: appRole({ roleId, secretId }), ...more }),
    stop: () => bao.stop(),
  };
}

export interface OrdersDatabase {
  readonly postgres: Postgres;
  /** Names of the roles that Vault made and that are there now. */
  roles(): Promise<string[]>;
  query(sql: string): Promise<pg.QueryResult>;
  stop(): Promise<void>;
}

/** A database of orders, where passwords are checked, and the engine at `database` with roles to read and to write. */
export async function startOrders(bao: Bao): Promise<OrdersDatabase> {
  const postgres = await startPostgres();
  return setUpOrders(bao, postgres).catch(async (error: unknown) => {
    await postgres.stop();
    throw error;
  });
}

async function setUpOrders(bao: Bao, postgres: Postgres): Promise<OrdersDatabase> {
  const query = (sql: string): Promise<pg.QueryResult> => runSql(postgres.url, sql);
  await query(`CREATE TABLE orders (id int); INSERT INTO orders VALUES (1);
    CREATE ROLE vault_admin SUPERUSER LOGIN PASSWORD 'password-before-rotation'`);
  const hba = String((await query('SHOW hba_file')).rows[0]?.hba_file);
  await query(`COPY (VALUES ('host all postgres 127.0.0.1/32 trust'), ('host all all 127.0.0.1/32 scram-sha-256'))
    TO '${hba}'`);
  await query('SELECT pg_reload_conf()');
  const { host } = new URL(postgres.url);
  await bao.admin('POST', 'sys/mounts/database', { type: 'database' });
  await bao.admin('POST', 'database/config/orders-db', {
    plugin_name: 'postgresql-database-plugin',
    allowed_roles: ['*'],
    connection_url: `postgresql://{{username}}:{{password}}@${host}/postgres?sslmode=disable`,
    username: 'vault_admin',
    password: 'password-before-rotation',
  });
  const role = (name: string, privilege: string, ttl: string): Promise<unknown> =>
    bao.admin('POST', `database/roles/${name}`, {
      db_name: 'orders-db',
      creation_statements: [
        `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';`,
        `GRANT ${privilege} ON orders TO "{{name}}";`,
      ],
      default_ttl: ttl,
      max_ttl: '1h',
    });
  await role('orders-reader', 'SELECT', '5m');
  await role('orders-writer', 'INSERT, SELECT', '5m');
  await role('orders-eternal', 'SELECT', '30m');
  return {
    postgres,
    query,
    async roles() {
      const { rows } = await query(`SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%' ORDER BY 1`);
      return rows.map(({ rolname }) => String(rolname));
    },
    stop: () => postgres.stop(),
  };
}

/** As whoever holds the leased login. */
export function asLeased(postgres: Postgres, secret: Secret, sql: string): Promise<pg.QueryResult> {
  const { username, password } = JSON.parse(secret.reveal()) as { username: string; password: string };
  const url = new URL(postgres.url);
  url.username = username;
  url.password = password;
  return runSql(url.href, sql);
}

async function runSql(connectionString: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await client.query(sql);
  } finally {
    await client.end();
  }
}

/**
 * Whether a database and a login can serve as a store at all. Looked at once, when a store is opened.
 * @module
 */
import { StoreError } from '@countersign/core';
import { checkVersion, type Connections } from './connections.ts';
import { roleName, roles } from './roles.ts';

export async function inspect(connections: Connections): Promise<void> {
  const { login, bypasses, migrated, durable, owner, member } = await connections.read('across tenants', async (of) => {
    const [row] = await of.query({ text: question, values: [roles.map(roleName)] });
    return row as unknown as Answer;
  });
  if (!migrated) throw new StoreError('PostgreSQL: the database is not migrated: run countersign-postgres migrate');
  if (bypasses || owner) {
    throw new StoreError(
      `PostgreSQL: ${login} is ${bypasses ? 'a superuser or has BYPASSRLS' : 'the owner of the tables'}, whom nothing would keep from changing the ledger: connect as a login with one of the roles ${roles.map(roleName).join(', ')}`,
    );
  }
  if (!durable) {
    throw new StoreError(
      'PostgreSQL: fsync or full_page_writes is off, so a crash could bring used grants back: set both on',
    );
  }
  if (!member) {
    throw new StoreError(
      `PostgreSQL: ${login} has none of the roles of Countersign: GRANT countersign_runtime (or another) TO ${login}`,
    );
  }
  const version = await connections.read('across tenants', async (of) => {
    const [row] = await of.query({ text: 'SELECT max(version) AS version FROM countersign.migrations' });
    return Number(row?.['version'] ?? 0);
  });
  checkVersion(version);
}

interface Answer {
  readonly login: string;
  readonly bypasses: boolean;
  readonly owner: boolean;
  readonly member: boolean;
  readonly migrated: boolean;
  readonly durable: boolean;
}

const question = `SELECT current_user AS login, rolsuper OR rolbypassrls AS bypasses,
  coalesce(pg_has_role(current_user, (SELECT nspowner FROM pg_namespace WHERE nspname = 'countersign'), 'MEMBER'), false)
    AS owner,
  EXISTS (SELECT FROM pg_roles held WHERE held.rolname = ANY ($1::text[])
    AND pg_has_role(current_user, held.oid, 'USAGE')) AS member,
  to_regclass('countersign.migrations') IS NOT NULL AS migrated,
  current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS durable
  FROM pg_roles WHERE rolname = current_user`;

/**
 * The tables of the SQLite store. Each statement is prepared once.
 * @module
 */
import type { DatabaseSync } from 'node:sqlite';
import { maxRows } from './row-limit.ts';
import { sqliteApprovals } from './sqlite-approvals.ts';
import { sqliteCalls } from './sqlite-calls.ts';
import { sqliteRecords } from './sqlite-records.ts';
import { entryFrom, integer, leaseFrom, text } from './sqlite-rows.ts';
import type { EntryTable, LeaseTable, SubjectTable, Tables } from './tables.ts';

/** The tenants of a table, by one look into its key for each. */
const tenantsOf = (table: string): string => `SELECT tenant FROM (
  WITH RECURSIVE tenants (tenant) AS (SELECT min(tenant) FROM ${table} UNION ALL
    SELECT (SELECT min(tenant) FROM ${table} WHERE tenant > tenants.tenant) FROM tenants WHERE tenant IS NOT NULL)
  SELECT tenant FROM tenants WHERE tenant IS NOT NULL)`;

export function sqliteTables(database: DatabaseSync): Tables {
  const tenants = database.prepare(
    ['calls', 'writers', 'subjects', 'entries'].map(tenantsOf).join(' UNION ') + ' ORDER BY 1',
  );
  const epoch = database.prepare('SELECT epoch FROM installation');
  const setEpoch = database.prepare('UPDATE installation SET epoch = ?');
  return {
    calls: sqliteCalls(database),
    approvals: sqliteApprovals(database),
    leases: sqliteLeases(database),
    records: sqliteRecords(database),
    subjects: sqliteSubjects(database),
    entries: sqliteEntries(database),
    tenants: () => tenants.all().map((row) => text(row, 'tenant')),
    epoch: () => integer(epoch.get() ?? {}, 'epoch'),
    setEpoch: (next) => void setEpoch.run(next),
  };
}

function sqliteLeases(database: DatabaseSync): LeaseTable {
  const find = database.prepare('SELECT * FROM leases WHERE tenant = ? AND id = ?');
  const insert = database.prepare(`INSERT INTO leases (tenant, id, call_key, service, provider, expires_at, state)
    VALUES (?, ?, ?, ?, ?, ?, 'planned')`);
  const update = database.prepare(
    'UPDATE leases SET expires_at = ?, state = ?, sealed_handle = ? WHERE tenant = ? AND id = ?',
  );
  const open = database.prepare(`SELECT * FROM leases INDEXED BY leases_open
    WHERE state <> 'closed' AND expires_at < ? ORDER BY expires_at, rowid LIMIT ?`);
  return {
    find(tenant, id) {
      const row = find.get(tenant, id);
      return row && leaseFrom(row);
    },
    insert: (tenant, callKey, { id, service, provider, expiresAt }) =>
      void insert.run(tenant, id, callKey, service, provider, expiresAt),
    update: ({ tenant, id, expiresAt, state, sealedHandle }) =>
      void update.run(expiresAt, state, sealedHandle ?? null, tenant, id),
    open: (before, limit) => open.all(before, maxRows(limit)).map(leaseFrom),
  };
}

function sqliteSubjects(database: DatabaseSync): SubjectTable {
  const find = database.prepare('SELECT key FROM subjects WHERE tenant = ? AND subject = ?');
  const insert = database.prepare('INSERT INTO subjects (tenant, subject, key) VALUES (?, ?, ?)');
  const remove = database.prepare('DELETE FROM subjects WHERE tenant = ? AND subject = ?');
  return {
    find(tenant, subject) {
      const row = find.get(tenant, subject);
      return row && text(row, 'key');
    },
    insert: (tenant, subject, key) => void insert.run(tenant, subject, key),
    remove: (tenant, subject) => void remove.run(tenant, subject),
  };
}

function sqliteEntries(database: DatabaseSync): EntryTable {
  const find = database.prepare('SELECT * FROM entries WHERE tenant = ? AND kind = ? AND id = ?');
  const list = database.prepare('SELECT * FROM entries WHERE tenant = ? AND kind = ? AND id > ? ORDER BY id LIMIT ?');
  const put = database.prepare(`INSERT INTO entries (tenant, kind, id, version, value, updated_at)
    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, kind, id) DO UPDATE
    SET version = excluded.version, value = excluded.value, updated_at = excluded.updated_at`);
  const remove = database.prepare('DELETE FROM entries WHERE tenant = ? AND kind = ? AND id = ?');
  return {
    find(tenant, kind, id) {
      const row = find.get(tenant, kind, id);
      return row && entryFrom(row);
    },
    list: (tenant, kind, { after, limit }) => list.all(tenant, kind, after ?? '', maxRows(limit ?? 100)).map(entryFrom),
    put: ({ tenant, kind, id, version, value, updatedAt }) => void put.run(tenant, kind, id, version, value, updatedAt),
    remove: (tenant, kind, id) => void remove.run(tenant, kind, id),
  };
}

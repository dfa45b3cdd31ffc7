import { describe, expect } from 'vitest';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import {
  claimInput,
  newApproval,
  newCall,
  newDraft,
  reviewInput,
  voteInput,
} from '../../core/src/testing/store-fixtures.ts';
import { roles, tenantTables } from '../src/roles.ts';
import { postgresStorage, type Database } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };

async function twoTenants(): Promise<{ database: Database; readonly remove: () => Promise<void> }> {
  const storage = await postgresStorage(used().databases);
  const store = await storage.open();
  for (const tenant of ['acme', 'globex']) {
    const call = newCall({ tenant });
    const approval = newApproval();
    await store.observe(reviewInput(call, approval));
    await store.vote(voteInput(call, approval));
    const leases = [{ id: 'lse-1', service: 's', provider: 'p', expiresAt: 1 }];
    await store.claim(claimInput(newCall({ tenant }), { leases }));
    await store.subjectKey(tenant, 'alice', 'key');
    const entry = { tenant, kind: 'cursor', id: 'c', expected: undefined, value: 'v', now: 1 } as const;
    await store.putEntry({ ...entry, records: [newDraft({ tenant })] });
  }
  return { database: storage.database, remove: () => storage.remove() };
}

const tenantsIn = (table: string): string =>
  `SELECT string_agg(DISTINCT tenant, ',' ORDER BY tenant) AS seen FROM countersign.${table}`;

describe('row-level security', () => {
  verifies(
    'CAP-8',
    'is forced on every table of every tenant, also for the owner, and on every partition',
    async () => {
      const { database, remove } = await twoTenants();
      const [counted] = await database.sql(
        'superuser',
        `SELECT string_agg(relname, ',' ORDER BY relname) AS open FROM pg_class
         WHERE relnamespace = 'countersign'::regnamespace AND relkind IN ('r', 'p')
           AND NOT (relrowsecurity AND relforcerowsecurity)`,
      );
      // Which versions were applied is no secret of a tenant.
      expect(counted).toEqual({ open: 'migrations' });
      await remove();
    },
    options,
  );

  verifies(
    'CAP-8',
    'a query that forgets its tenant sees the rows of the transaction’s tenant, and none without one, in every role',
    async () => {
      const { database, remove } = await twoTenants();
      for (const role of roles) {
        for (const table of Object.keys(tenantTables)) {
          const as = (tenant: string) =>
            database.sql(role, tenantsIn(table), tenant).then(
              ([row]) => row?.['seen'],
              (error: Error) => (/permission denied/.test(error.message) ? 'denied' : error.message),
            );
          const own = await as('acme');
          expect([`${role} ${table}`, own]).toEqual([`${role} ${table}`, own === 'denied' ? 'denied' : 'acme']);
          expect(await as('')).toBe(own === 'denied' ? 'denied' : null);
          expect(await as('*')).toBe(own === 'denied' ? 'denied' : null);
        }
      }
      await remove();
    },
    options,
  );

  verifies(
    'CAP-8',
    'across tenants sees only who may: not the runtime, however it sets the transaction up',
    async () => {
      const { database, remove } = await twoTenants();
      for (const role of roles) {
        for (const [table, readers] of Object.entries(tenantTables)) {
          const across = `SET LOCAL countersign.across_tenants = 'on'; ${tenantsIn(table)}`;
          const seen = await database.sql(role, across).then(
            ([row]) => row?.['seen'],
            () => 'denied',
          );
          if (readers.includes(role)) expect([role, table, seen]).toEqual([role, table, 'acme,globex']);
          else expect(['acme', 'denied']).toContain(seen);
        }
      }
      await remove();
    },
    options,
  );

  verifies(
    'CAP-8',
    'a row for another tenant than the transaction’s is refused, and none of its rows changes',
    async () => {
      const { database, remove } = await twoTenants();
      const insert = `INSERT INTO countersign.subjects VALUES ('globex', 'mallory', 'key')`;
      await expect(database.sql('runtime', insert)).rejects.toThrow(/row-level security/);
      const record = `INSERT INTO countersign.records VALUES ('globex', 'w', 1, 1, 'claim', 'x', NULL, '{}', 'h')`;
      await expect(database.sql('runtime', record)).rejects.toThrow(/row-level security/);
      await database.sql('runtime', `UPDATE countersign.calls SET state = 'denied'`);
      const [others] = await database.sql(
        'reader',
        `SELECT count(*)::int AS changed FROM countersign.calls WHERE state = 'denied'`,
        'globex',
      );
      expect(others).toEqual({ changed: 0 });
      await remove();
    },
    options,
  );
});

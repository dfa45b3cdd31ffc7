import { describe, expect } from 'vitest';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { newDraft, tenant } from '../../core/src/testing/store-fixtures.ts';
import { expectChained } from '../../core/src/testing/store-contract-ledger.ts';
import { maintainPartitions } from '../src/index.ts';
import { postgresStorage, type Database } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };
const at = (date: string): number => Date.parse(`${date}T00:00:00Z`);

async function partitionsOf(database: Database): Promise<readonly string[]> {
  const rows = await database.sql(
    'superuser',
    `SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
     WHERE inhparent = 'countersign.records'::regclass ORDER BY 1`,
  );
  return rows.map(({ relname }) => String(relname));
}

describe('partitions of the ledger', () => {
  verifies(
    ['AUD-6', 'AUD-4'],
    'months ahead get their partition, one chain goes through them, and pruning drops only what is empty',
    async () => {
      const storage = await postgresStorage(used().databases);
      const connectionString = storage.database.url('maintenance');
      const store = await storage.open();
      const made = await maintainPartitions({ connectionString, now: at('2026-11-20'), monthsAhead: 2 });
      expect(made).toEqual({ made: ['records_202611', 'records_202612', 'records_202701'], dropped: [] });
      expect(await maintainPartitions({ connectionString, now: at('2026-11-21'), monthsAhead: 2 })).toEqual({
        made: [],
        dropped: [],
      });
      const times = ['2020-01-01', '2026-11-05', '2026-11-30', '2026-12-01', '2027-01-31', '2026-12-15'];
      for (const date of times) await store.append(tenant, [newDraft({ time: at(date) })]);
      const counted = async (table: string): Promise<unknown> =>
        (await storage.database.sql('superuser', `SELECT count(*)::int AS n FROM countersign.${table}`))[0]?.['n'];
      expect(await counted('records_default')).toBe(1);
      expect([await counted('records_202611'), await counted('records_202612')]).toEqual([2, 2]);
      const records = await store.records(tenant, {});
      expectChained(records, 'ledger');
      expect(await store.records(tenant, { since: at('2026-12-01'), until: at('2026-12-31') })).toHaveLength(2);
      const { writer } = store;
      const prune = (through: number) =>
        store.system.prune({ tenant, writer, through, entry: { id: writer, value: 'v' }, now: 1, records: [] });
      expect(await prune(2)).toBe(2);
      const later = { connectionString, now: at('2027-02-10'), monthsAhead: 1 };
      expect(await maintainPartitions(later)).toEqual({ made: ['records_202702', 'records_202703'], dropped: [] });
      expect(await prune(3)).toBe(1);
      expect((await maintainPartitions(later)).dropped).toEqual(['records_202611']);
      expect(await partitionsOf(storage.database)).toEqual([
        'records_202612',
        'records_202701',
        'records_202702',
        'records_202703',
        'records_default',
      ]);
      expect((await store.records(tenant, {})).map(({ seq }) => seq)).toEqual([4, 5, 6]);
      await storage.remove();
    },
    options,
  );

  verifies(
    'AUD-3',
    'a month without a partition is written to the default one and stays there; no record is refused',
    async () => {
      const storage = await postgresStorage(used().databases);
      const store = await storage.open();
      await store.append(tenant, [newDraft({ time: at('2026-11-05') })]);
      const connectionString = storage.database.url('maintenance');
      const { made } = await maintainPartitions({ connectionString, now: at('2026-11-20'), monthsAhead: 1 });
      expect(made).toEqual(['records_202612']);
      await store.append(tenant, [newDraft({ time: at('2026-11-06') })]);
      expectChained(await store.records(tenant, {}), 'ledger');
      await expect(
        maintainPartitions({ connectionString: storage.database.url('runtime'), now: 0, monthsAhead: 1 }),
      ).rejects.toThrow(/has not the role/);
      await storage.remove();
    },
    options,
  );
});

/** Attacks on a chain by a process that did not begin it, with SQL of its own: what stands there looks as if its writer said it. */
import { Client } from 'pg';
import { describe, expect } from 'vitest';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { newDraft } from '../../core/src/testing/store-fixtures.ts';
import { hashRecord } from '../../core/src/record/chain.ts';
import { migrate } from '../src/index.ts';
import { runMigrations } from '../src/migrate.ts';
import { migrations } from '../src/migrations.ts';
import { roles } from '../src/roles.ts';
import type { Database, Login } from './support/databases.ts';
import { install } from './support/installation.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };
const refused = /belongs to other roles/;

interface Place {
  readonly writer: string;
  readonly seq: number;
  readonly previous?: string;
  readonly tenant?: string;
}

/** A record that says that carol approved, and whose hash fits its place. */
function forged({ writer, seq, previous = '', tenant = 'acme' }: Place): string {
  const body = JSON.stringify({ v: 1, id: 'rec_forged', approver: 'carol', event: 'approved' });
  const hash = hashRecord({ tenant, writer, seq, previous, body });
  return `INSERT INTO countersign.records
    VALUES ('${tenant}', '${writer}', ${seq}, ${Date.now()}, 'approval', 'approved', NULL, '${body}', '${hash}')`;
}

const append = (database: Database, login: Login, place: Place) =>
  database.sql(login, forged(place), place.tenant ?? 'acme');

/** Where the next record of a writer goes, as everybody may read it. */
async function nextOf(database: Database, writer: string): Promise<Place> {
  const [head] = await database.sql('runtime', `SELECT seq, hash FROM countersign.writers WHERE writer = '${writer}'`);
  return { writer, seq: Number(head?.['seq']) + 1, previous: String(head?.['hash']) };
}

describe('a chain grows by the hand that began it', () => {
  verifies(
    'AUD-4',
    'an approval that an agent forges as the next record of the approvals service is refused, in every role but that one',
    async () => {
      const { database, people, approvals, file } = await install(used().databases);
      const [first, second] = [await file(), await file()];
      const reject = async (id: string): Promise<void> => {
        const { digest } = await approvals.show('carol', id);
        await approvals.decide('carol', { id, verdict: 'reject', digest });
      };
      await reject(first);
      const next = await nextOf(database, people.writer);
      for (const login of ['runtime', 'worker', 'sealer', 'maintenance'] as const)
        await expect(append(database, login, next)).rejects.toThrow(refused);
      await reject(second);
      const seen = await database.sql(
        'reader',
        `SELECT count(*)::int AS n FROM countersign.records WHERE body LIKE '%rec_forged%'`,
      );
      expect(seen).toEqual([{ n: 0 }]);
    },
    options,
  );

  verifies(
    ['AUD-4', 'CAP-8'],
    'nor can an agent begin the chain of the approvals service in a tenant where that has none yet, also from a snapshot of before',
    async () => {
      const { database, people, open } = await install(used().databases);
      const early = new Client({ connectionString: database.url('runtime') });
      // The server may end it first when the test has failed.
      early.on('error', () => undefined);
      await early.connect();
      await early.query(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET LOCAL countersign.tenant = 'globex'; SELECT 1`);
      await people.append('acme', [newDraft()]);
      const begin = { writer: people.writer, seq: 1, tenant: 'globex' };
      await expect(append(database, 'runtime', begin)).rejects.toThrow(refused);
      await expect(early.query(forged(begin))).rejects.toThrow(/could not serialize/);
      await early.end();
      await people.append('globex', [newDraft({ tenant: 'globex' })]);
      const reader = await open('reader');
      expect(await reader.heads('globex')).toMatchObject([{ writer: people.writer, seq: 1 }]);
    },
    options,
  );

  verifies(
    'AUD-4',
    'nobody takes a chain over by what is written down of its owners',
    async () => {
      const { database } = await install(used().databases);
      for (const role of roles)
        for (const attempt of [
          `UPDATE countersign.chain_owners SET roles = '{}'`,
          'DELETE FROM countersign.chain_owners',
          `INSERT INTO countersign.chain_owners VALUES ('w', '{}')`,
          `SELECT countersign.own_chain('w')`,
        ])
          await expect(database.sql(role, attempt)).rejects.toMatchObject({ code: '42501' });
    },
    options,
  );

  verifies(
    'REL-1',
    'another login of the same role goes on with it, and so does one that was given a role more; one that lost the role does not',
    async () => {
      const { database } = await install(used().databases);
      const as = (login: string, place: Place) =>
        database.sql(
          'superuser',
          `SET LOCAL SESSION AUTHORIZATION ${login}; ${forged(place)}; RESET SESSION AUTHORIZATION`,
        );
      await database.sql('superuser', 'CREATE ROLE agents_1 LOGIN; CREATE ROLE agents_2 LOGIN');
      await database.sql('superuser', 'GRANT countersign_runtime TO agents_1, agents_2');
      await as('agents_1', { writer: 'w_agents', seq: 1 });
      await as('agents_2', { writer: 'w_agents', seq: 2 });
      await database.sql('superuser', 'GRANT countersign_maintenance TO agents_1');
      await as('agents_1', { writer: 'w_agents', seq: 3 });
      await database.sql('superuser', 'REVOKE countersign_runtime FROM agents_1');
      await expect(as('agents_1', { writer: 'w_agents', seq: 4 })).rejects.toThrow(refused);
    },
    options,
  );

  verifies(
    ['AUD-4', 'REL-3'],
    'a chain of an older installation goes on in the hand that goes on first, and ends a day after the upgrade',
    async () => {
      const database = await used().databases.createEmpty();
      const connectionString = database.url('owner');
      await runMigrations({ connectionString }, migrations.slice(0, 1));
      for (const writer of ['w_live', 'w_ended']) await append(database, 'approver', { writer, seq: 1 });
      await migrate({ connectionString });
      await append(database, 'approver', { writer: 'w_live', seq: 2 });
      await expect(append(database, 'runtime', { writer: 'w_live', seq: 3 })).rejects.toThrow(refused);
      await append(database, 'approver', { writer: 'w_live', seq: 1, tenant: 'globex' });
      await database.sql('superuser', `UPDATE countersign.migrations SET applied_at = now() - interval '25 hours'`);
      for (const tenant of ['acme', 'globex'])
        for (const login of ['runtime', 'approver'] as const) {
          const seq = tenant === 'acme' ? 2 : 1;
          await expect(append(database, login, { writer: 'w_ended', seq, tenant })).rejects.toThrow(refused);
        }
      await append(database, 'approver', { writer: 'w_live', seq: 3 });
      await append(database, 'runtime', { writer: 'w_new', seq: 1 });
    },
    options,
  );
});

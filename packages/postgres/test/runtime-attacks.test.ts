/** Attacks on what runs beside the agents, by an agent process that has its login and writes SQL of its own. */
import { describe, expect } from 'vitest';
import { createOutbox, type ApprovalNotice } from '@countersign/core';
import { takeLock } from '@countersign/core/provider-kit';
import type { EntryKind } from '@countersign/core/store-kit';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { fakeSink } from '../../core/test/deliver/fake-sink.ts';
import type { Database, Login } from './support/databases.ts';
import { install } from './support/installation.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };

function chat() {
  const told: string[] = [];
  return {
    told,
    name: 'chat',
    opened: async ({ id }: ApprovalNotice) => void told.push(id),
    closed: async () => undefined,
  };
}

const agents = ['runtime', 'worker'] as const;

const plant = (database: Database, login: (typeof agents)[number], kind: EntryKind, id: string, value: string) =>
  database.sql(login, `INSERT INTO countersign.entries VALUES ('acme', '${kind}', '${id}', 'v', '${value}', 1)`);
const denied = /row-level security/;

describe('people are told', () => {
  const silencing = {
    'that they were told': '{"level":99,"failures":0,"retryAt":0}',
    'that it is to be tried again at the end of time': '{"level":-1,"failures":1,"retryAt":9e300}',
  };
  for (const [what, value] of Object.entries(silencing))
    verifies(
      ['AUD-4', 'APR-3'],
      `an agent that writes ${what}, before or after, is refused`,
      async () => {
        const { database, approvals, file } = await install(used().databases);
        const [early, channel] = [await file(), chat()];
        for (const login of agents)
          await expect(plant(database, login, 'notice', `chat/${early}`, value)).rejects.toThrow(denied);
        const notifier = approvals.notifier({ channels: [channel] });
        await notifier.tick();
        expect(channel.told).toEqual([early]);
        for (const login of agents) {
          await database.sql(login, `UPDATE countersign.entries SET value = '${value}'`);
          await database.sql(login, `DELETE FROM countersign.entries WHERE kind = 'notice'`);
        }
        const kept = await database.sql('reader', `SELECT value FROM countersign.entries WHERE kind = 'notice'`);
        const told = kept.map((row) => JSON.parse(String(row['value'])) as unknown);
        expect(told).toMatchObject([{ level: 0, failures: 0, retryAt: 0 }]);
      },
      options,
    );
});

describe('work that one process does at a time', () => {
  verifies(
    ['AUD-4', 'APR-3', 'AUD-5'],
    'an agent can hold up neither the notifier, with a lock until the end of time or for ten minutes, nor an outbox',
    async () => {
      const { database, approvals, file, open } = await install(used().databases);
      const [id, channel] = [await file(), chat()];
      for (const login of agents)
        for (const lock of ['notices', 'outbox/fake', 'anything'])
          for (const until of ['Infinity', String(Date.now() + 590_000)])
            await expect(plant(database, login, 'lock', lock, until)).rejects.toThrow(denied);
      await approvals.notifier({ channels: [channel] }).tick();
      expect(channel.told).toEqual([id]);
      const outbox = createOutbox({ store: await open('sealer'), sink: fakeSink() });
      expect(await outbox.tick()).toMatchObject({ busy: 0, backlog: 0, problems: [] });
    },
    options,
  );

  verifies(
    ['AUD-4', 'APR-3'],
    'what an agent planted before an upgrade holds the notifier up no longer than a lock may last',
    async () => {
      const { database, approvals, file } = await install(used().databases);
      const [id, channel] = [await file(), chat()];
      const planted = `INSERT INTO countersign.entries VALUES
        ('acme', 'lock', 'notices', 'v', 'Infinity', 1),
        ('acme', 'notice', 'chat/${id}', 'v', '{"level":-1,"failures":1,"retryAt":9e300}', 1)`;
      await database.sql('superuser', planted);
      await approvals.notifier({ channels: [channel] }).tick();
      expect(channel.told).toEqual([id]);
    },
    options,
  );

  verifies(
    'CRD-6',
    'agents, and only they, lock what they rotate and refresh',
    async () => {
      const { open } = await install(used().databases);
      const lockAs = async (login: Login, id: string): Promise<string> => {
        const input = { tenant: 'acme', id, ttlMs: 1_000, now: () => Date.now() };
        const taken = takeLock(await open(login), input).then(async (lock) => {
          await lock?.renew();
          await lock?.release();
          return lock === undefined ? 'busy' : 'taken';
        });
        return taken.catch((error: Error) => (/has not the role/.test(error.message) ? 'refused' : error.message));
      };
      for (const id of ['rotation/github', 'oauth.p_1.google.all', 'provider/mine']) {
        for (const login of ['runtime', 'worker', 'maintenance'] as const)
          expect(await lockAs(login, id)).toBe('taken');
        for (const login of ['approver', 'sealer'] as const) expect(await lockAs(login, id)).toBe('refused');
      }
    },
    options,
  );
});

/** Attacks on what runs beside the agents, by an agent process that has its login and writes SQL of its own. */
import { describe, expect } from 'vitest';
import type { ApprovalNotice } from '@countersign/core';
import type { EntryKind } from '@countersign/core/store-kit';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import type { Database } from './support/databases.ts';
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
        expect(kept).toEqual([{ value: '{"level":0,"failures":0,"retryAt":0}' }]);
      },
      options,
    );
});

import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { describe, expect } from 'vitest';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { waitForDecision } from '../../core/src/approve/wait.ts';
import { newApproval, newCall, reviewInput, tenant, voteInput } from '../../core/src/testing/store-fixtures.ts';
import { postgresStorage } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };

async function waiting() {
  const storage = await postgresStorage(used().databases);
  const [agent, approver] = [await storage.open(), await storage.open()];
  const call = newCall();
  const approval = newApproval();
  const observed = await agent.observe(reviewInput(call, approval));
  if (observed.status !== 'observed' || observed.approval === undefined) throw new Error('not filed');
  return {
    storage,
    agent,
    call,
    approval,
    filed: observed.approval,
    vote: () => approver.vote(voteInput(call, approval)),
  };
}

describe('waiting for a decision of another process', () => {
  verifies(
    ['APR-1', 'REL-1'],
    'a vote wakes who waits for that approval, and nobody else',
    async () => {
      const { storage, agent, approval, vote } = await waiting();
      const stop = new AbortController();
      const woken: string[] = [];
      const listen = async (id: string): Promise<void> => {
        await agent.approvalChanged?.(tenant, id, stop.signal);
        woken.push(stop.signal.aborted ? 'stop' : id);
      };
      const all = [listen(approval.id), listen('another')];
      // The first who waits opens the connection.
      await sleep(1_000);
      await vote();
      for (let left = 200; woken.length === 0 && left > 0; left -= 1) await sleep(50);
      expect(woken).toEqual([approval.id]);
      stop.abort();
      await Promise.all(all);
      expect(woken).toEqual([approval.id, 'stop']);
      await storage.remove();
    },
    options,
  );

  verifies(
    ['APR-1', 'REL-3'],
    'the decision is found without the notification too: when its connection is ended, and when it always lies',
    async () => {
      const { storage, agent, filed, vote } = await waiting();
      const ended = waitForDecision(agent, filed, 30_000, undefined);
      await sleep(500);
      const admin = new Client({ connectionString: used().server.url });
      await admin.connect();
      await admin.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'countersign listener'`,
      );
      await admin.end();
      const lies = {
        throws: () => {
          throw new Error('no');
        },
        rejects: () => Promise.reject(new Error('no')),
        always: () => Promise.resolve(),
        never: () => new Promise<void>(() => undefined),
      };
      const others = Object.values(lies).map((approvalChanged) => {
        let reads = 0;
        const store = {
          ...agent,
          approvalChanged,
          approval: (...given: Parameters<typeof agent.approval>) => {
            reads += 1;
            return agent.approval(...given);
          },
        };
        return waitForDecision(store, filed, 30_000, undefined).then(({ state }) => ({ state, reads }));
      });
      await sleep(500);
      await vote();
      expect(await ended).toMatchObject({ state: 'approved' });
      for (const { state, reads } of await Promise.all(others)) {
        expect(state).toBe('approved');
        // A lie is no spin.
        expect(reads).toBeLessThan(10_000);
      }
      await storage.remove();
    },
    options,
  );
});

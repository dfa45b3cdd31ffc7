/**
 * What approvers read through the approvals service, with the roles that its processes have.
 */
import { describe, expect } from 'vitest';
import { createApprovals, createCountersign, definePolicy } from '@countersign/core';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import { document } from '../../core/test/support/fixture.ts';
import { postgresStore } from '../src/index.ts';
import type { Login } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };

describe('the approvals service on PostgreSQL', () => {
  verifies(
    ['OPS-3', 'AUD-4', 'APR-11'],
    'reads no record with the role of approvers, and a run and the load with a handle that may read',
    async () => {
      const database = await used().databases.create();
      const open = (login: Login) => postgresStore({ connectionString: database.url(login), maxConnections: 2 });
      const [runtime, approver, reader] = [await open('runtime'), await open('approver'), await open('reader')];
      const key = new Uint8Array(32).fill(3);
      const policy = definePolicy(document);
      const service = (ledger: { store?: typeof reader }) =>
        createApprovals({
          ...{ store: approver, audit: { key }, policy, signingKey: new Uint8Array(32).fill(9), ledger },
          approvers: { authenticate: () => undefined },
        });
      const withReader = service({ store: reader });
      const instance = createCountersign({
        ...{ policy, store: runtime, audit: { key } },
        approvals: { keys: [withReader.publicKey] },
        timeouts: { approvalMs: 1 },
      });
      const gate = instance.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
      const call = { tool: { name: 'note', source: 'local' }, callId: '1', step: '#0', arguments: { text: 'hello' } };
      const filed = await gate.execute({ ...call, origin: 'model' }, () => 'done');
      if (filed.status !== 'pending') throw new Error(filed.status);
      const carol = { tenant: 'acme', id: 'carol' };
      const session = withReader.as(carol);
      const { digest } = await session.show(filed.approval);
      await session.decide({ id: filed.approval, verdict: 'approve', digest });
      await gate.execute({ ...call, origin: 'resume' }, () => 'done');

      const timeline = await session.timeline('run-1');
      expect(timeline).toMatchObject({ broken: 0, calls: [{ tool: 'note', state: 'completed' }] });
      expect(timeline.records.map(({ kind, event }) => `${kind}:${event}`)).toEqual([
        'decision:review',
        'approval:opened',
        'approval:approved',
        'claim:claimed',
        'outcome:completed',
      ]);
      expect(timeline.records[2]).toMatchObject({ approver: 'carol', user: 'alice', linked: true });
      expect(await session.load({ windowMs: 3_600_000 })).toMatchObject({ requests: 1, approved: 1, votes: 1 });
      const gus = withReader.as({ tenant: 'globex', id: 'gus' });
      await expect(gus.timeline('run-1')).rejects.toMatchObject({ code: 'ERR_APPROVAL_NOT_FOUND' });

      const without = service({}).as(carol);
      await expect(without.timeline('run-1')).rejects.toMatchObject({ code: 'ERR_STORE' });
      // The load needs no record, unless somebody edited.
      expect(await without.load({ windowMs: 3_600_000 })).toMatchObject({ requests: 1, votes: 1 });
      for (const store of [runtime, approver, reader]) await store.close();
    },
    options,
  );
});

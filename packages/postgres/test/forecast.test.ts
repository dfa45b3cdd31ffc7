import { expect } from 'vitest';
import { newWriter, type Operations } from '@countersign/core/store-kit';
import { withPostgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import {
  claimInput,
  newApproval,
  newCall,
  newDraft,
  reviewInput,
  tenant,
  voteInput,
} from '../../core/src/testing/store-fixtures.ts';
import { expectChained } from '../../core/src/testing/store-contract-ledger.ts';
import { openConnections } from '../src/connections.ts';
import { createLanes } from '../src/lanes.ts';
import { postgresStorage } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();

/** An operation that reads a row nobody foresaw must not take it for absent: it would claim what was claimed before. */
verifies(
  ['REL-1', 'REL-2'],
  'operations answer the same when nothing of what they read was foreseen',
  async () => {
    const storage = await postgresStorage(used().databases);
    const store = await storage.open();
    const connections = openConnections({ connectionString: storage.url, maxConnections: 2, timeoutMs: 5_000 });
    const lanes = createLanes({ connections, writer: newWriter(), timeoutMs: 5_000 });
    const write = <Result>(run: (operations: Operations) => Result): Promise<Result> =>
      lanes.write(tenant, { forecast: [], run });

    const [call, filed] = [newCall(), newCall()];
    const lease = { id: 'lse-1', service: 's', provider: 'p', expiresAt: 1 };
    await store.claim(claimInput(call, { leases: [lease] }));
    expect(await write((operations) => operations.claim(claimInput(call)))).toEqual({ status: 'unsettled' });
    const alike = claimInput(newCall({ argumentsDigest: call.argumentsDigest }));
    expect(await write((operations) => operations.claim(alike))).toEqual({
      status: 'refused',
      code: 'earlier_outcome_unknown',
    });
    const outcome = { status: 'completed' } as const;
    const settle = { claim: 'attempt', call, now: 1, outcome, closedLeases: ['lse-1'], records: [newDraft()] };
    await write((operations) => operations.settle(settle));
    expect(await store.system.openLeases(9, 9)).toEqual([]);

    const approval = newApproval();
    const { id, digest } = approval;
    const observe = reviewInput(filed, approval, { maxPendingPerRun: 1 });
    expect(await write((operations) => operations.observe(observe))).toMatchObject({ opened: true });
    const second = reviewInput(newCall(), newApproval(), { maxPendingPerRun: 1 });
    expect(await write((operations) => operations.observe(second))).toMatchObject({ code: 'too_many_pending' });
    expect(await write((operations) => operations.vote(voteInput(filed, approval)))).toMatchObject({
      status: 'recorded',
    });
    const claim = claimInput(filed, { now: 3000, approval: { id, digest } });
    const hold = { tenant, kind: 'hold', id: 'tenant', now: 1, records: [] } as const;
    const version = await write((operations) => operations.putEntry({ ...hold, expected: undefined, value: 'v' }));
    expect(await write((operations) => operations.claim(claim))).toEqual({ status: 'refused', code: 'held' });
    await write((operations) => operations.putEntry({ ...hold, expected: version, value: undefined }));
    expect(await write((operations) => operations.claim(claim))).toEqual({ status: 'claimed' });
    const release = { call: filed, claim: 'attempt', now: 1, closedLeases: [], records: [newDraft()] };
    await write((operations) => operations.release(release));
    expect((await store.approval(tenant, id))?.consumedAt).toBeUndefined();
    const cancel = { tenant, approval: id, to: 'cancelled', now: 1, records: [newDraft()] } as const;
    expect(await write((operations) => operations.transition(cancel))).toBe(true);

    expect(await write((operations) => operations.keepSubjectKey(tenant, 'alice', 'one'))).toBe('one');
    expect(await write((operations) => operations.keepSubjectKey(tenant, 'alice', 'two'))).toBe('one');
    await write((operations) => operations.eraseSubject(tenant, 'alice', [newDraft()]));
    expect(await store.subjectKey(tenant, 'alice', undefined)).toBeUndefined();
    expectChained(await store.records(tenant, {}), 'ledger');
    await lanes.drain();
    await connections.close();
    await storage.remove();
  },
  { using: withPostgres, timeout: 120_000 },
);

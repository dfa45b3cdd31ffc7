import { expect } from 'vitest';
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
import { postgresStore } from '../src/index.ts';
import { postgresStorage } from './support/databases.ts';
import { useServer } from './support/server.ts';

const used = useServer();
const options = { using: withPostgres, timeout: 120_000 };

verifies(
  ['APR-4', 'REL-3'],
  'a grant does not come back with a copy of the database: what was restored elsewhere begins a new epoch by itself',
  async () => {
    const storage = await postgresStorage(used().databases);
    const store = await storage.open();
    const call = newCall();
    const approval = newApproval();
    await store.observe(reviewInput(call, approval));
    await store.vote(voteInput(call, approval));
    await store.close();
    const restored = await used().databases.copyOf(storage.database);
    // An agent's own login does it: nobody has to remember.
    const runtime = await postgresStore({ connectionString: restored.url('runtime') });
    const { id, digest } = approval;
    const claim = claimInput(call, { now: 3000, approval: { id, digest } });
    expect(await runtime.claim(claim)).toEqual({ status: 'refused', code: 'approval_stale' });
    await runtime.close();
  },
  options,
);

verifies(
  ['APR-4', 'REL-3'],
  'a standby is read and not written, and after its promotion grants from before are void, also on connections that stayed open',
  async () => {
    const storage = await postgresStorage(used().databases, 'everything', { timeoutMs: 2_000 });
    const store = await storage.open();
    const call = newCall();
    const approval = newApproval();
    await store.observe(reviewInput(call, approval));
    await store.vote(voteInput(call, approval));
    const epoch = await store.system.epoch();
    await used().server.restartAsStandby();
    expect(await store.approval(tenant, approval.id)).toMatchObject({ state: 'approved' });
    await expect(store.append(tenant, [newDraft()])).rejects.toThrow(/read-only/);
    const late = await storage.open();
    await expect(late.append(tenant, [newDraft()])).rejects.toThrow(/read-only/);
    await storage.database.sql('superuser', 'SELECT pg_promote()');
    const { id, digest } = approval;
    const claim = claimInput(call, { now: 3000, approval: { id, digest } });
    for (const each of [late, store]) {
      expect(await each.claim(claim)).toEqual({ status: 'refused', code: 'approval_stale' });
    }
    expect(await store.system.epoch()).toBe(epoch + 1);
    await storage.remove();
  },
  options,
);

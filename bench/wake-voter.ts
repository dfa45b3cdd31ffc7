/** The approver of the wake benchmark, in a process of its own: votes for each id that it is sent. */
import { createPrivateKey } from 'node:crypto';
import process from 'node:process';
import { createApprovals } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { postgresStore } from '@countersign/postgres';
import type { VoterData } from './wake.ts';

const data = JSON.parse(process.argv[2] ?? '') as VoterData;
const store =
  'sqlite' in data.store
    ? sqliteStore({ path: data.store.sqlite })
    : await postgresStore({ connectionString: data.store.postgres });
const approvals = createApprovals({
  store,
  signingKey: createPrivateKey(data.signingKey),
  approvers: { authenticate: () => undefined },
  audit: { key: Buffer.from(data.auditKey, 'base64') },
});
const session = approvals.as({ tenant: 'acme', id: 'carol' });

async function vote(id: string): Promise<number> {
  const { digest } = await session.show(id);
  const began = performance.timeOrigin + performance.now();
  await session.decide({ id, digest, verdict: 'approve' });
  return began;
}

process.on('message', (id) => {
  vote(String(id)).then(
    (began) => process.send?.(began),
    (error: unknown) => {
      process.stderr.write(`${String(error)}\n`);
      process.exit(1);
    },
  );
});
process.on('disconnect', () => void store.close());
process.send?.('ready');

/** People: two of them agree on most of what waits, and reject the rest. A process of its own, with its own keys. */
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { createApprovals, type ApprovalView } from '@countersign/core';
import { openStorePatiently, type ProcessInput } from './parts.ts';

interface ApproverInput extends ProcessInput {
  /** Seed of the key that signs votes, hexadecimal. */
  readonly signingKey: string;
}

const input = JSON.parse(process.argv[2] ?? '{}') as ApproverInput;
process.once('disconnect', () => process.exit(0));
process.once('SIGTERM', () => process.exit(0));

const approvals = createApprovals({
  store: await openStorePatiently(input),
  signingKey: Buffer.from(input.signingKey, 'hex'),
  approvers: { authenticate: (credential) => ({ tenant: 'acme', id: credential }) },
  audit: { key: Buffer.from(input.key, 'hex') },
});
process.send?.('ready');
for (;;) {
  const waiting = await approvals.list('carol', { state: 'pending', limit: 50 }).catch(() => []);
  for (const view of waiting) for (const person of ['carol', 'dave']) await decide(person, view);
  await sleep(20);
}

/** Everybody is of the same mind about one request: one in four is bad. */
async function decide(person: string, { id, digest }: ApprovalView): Promise<void> {
  const verdict = digest.charCodeAt(0) % 4 === 0 ? 'reject' : 'approve';
  // Decided before, expired, or the store is down: the next round sees.
  await approvals.decide(person, { id, verdict, digest }).catch(() => undefined);
}

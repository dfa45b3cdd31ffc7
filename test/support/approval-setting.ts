/**
 * A request that waits, and a service to decide on it, for the tests of channels.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  type Approvals,
  type ApprovalState,
  type OpenedRecord,
  type Store,
} from '@countersign/core';
import { refusedRecords } from './refused-records.ts';

export interface ApprovalSetting {
  readonly approvals: Approvals;
  readonly store: Store;
  /** Files a request of alice's, and answers what a channel knows of it. */
  readonly file: (args?: unknown) => Promise<{ readonly id: string; readonly digest: string }>;
  readonly state: (id: string) => Promise<ApprovalState | undefined>;
  /** Records of what was refused, oldest first. */
  readonly refused: () => Promise<readonly OpenedRecord[]>;
  readonly pass: (ms: number) => void;
}

export function approvalSetting(rule: { readonly quorum?: number; readonly edit?: boolean } = {}): ApprovalSetting {
  let offset = 0;
  let calls = 0;
  const now = (): number => Date.now() + offset;
  const store = memoryStore();
  const audit = { key: randomBytes(32) };
  const policy = definePolicy({
    countersign: 1,
    name: 'channels',
    version: '1',
    tenants: ['acme'],
    tools: {
      deploy: { capability: 'deploy:staging:create', risk: 'high', approval: { quorum: 1, ...rule } },
    },
    agents: { support: { owner: 'user:alice', capabilities: ['deploy:staging:create'] } },
    users: { alice: { capabilities: ['deploy:staging:create'] } },
  });
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const approvers = { authenticate: () => undefined };
  const approvals = createApprovals({ store, signingKey, approvers, audit, policy, now });
  const countersign = createCountersign({ policy, store, audit, approvals: { keys: [approvals.publicKey] }, now });
  const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
  return {
    approvals,
    store,
    async file(args = { region: 'eu' }) {
      calls += 1;
      const call = { tool: { name: 'deploy', source: 'local' }, callId: `call-${calls}`, step: '#0' };
      const outcome = await gate.execute({ ...call, origin: 'model', arguments: args }, () => 1);
      if (outcome.status !== 'pending') throw new Error(`expected pending, got ${outcome.status}`);
      const { digest } = await approvals.as({ tenant: 'acme', id: 'carol' }).show(outcome.approval);
      return { id: outcome.approval, digest };
    },
    state: async (id) => (await store.approval('acme', id))?.state,
    refused: () => refusedRecords(countersign.ledger),
    pass: (ms) => void (offset += ms),
  };
}

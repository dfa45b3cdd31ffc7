/**
 * A console on this machine, agents that ask for things, and people who may decide.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  type Approvals,
  type Approver,
} from '@countersign/core';
import { approverToken, serveConsole, type ServeConsoleOptions, type SignIn } from '../../src/index.ts';

const policy = definePolicy({
  countersign: 1,
  name: 'console',
  version: '1',
  tenants: ['acme', 'globex'],
  tools: {
    deploy: { capability: 'deploy:production:create', risk: 'high', approval: { edit: true } },
    note: { capability: 'tickets:note:create', risk: 'medium' },
  },
  agents: { support: { owner: 'user:alice', capabilities: ['deploy:production:create', 'tickets:note:create'] } },
  users: { alice: { capabilities: ['deploy:production:create', 'tickets:note:create'] } },
});

export const people: Readonly<Record<string, Approver>> = {
  'carol-token': { tenant: 'acme', id: 'carol' },
  'dave-token': { tenant: 'acme', id: 'dave' },
  'alice-token': { tenant: 'acme', id: 'alice' },
  'gus-token': { tenant: 'globex', id: 'gus' },
};

export interface World {
  readonly url: string;
  readonly origin: string;
  readonly approvals: Approvals;
  /** Whoever is taken out here may no longer sign in. */
  readonly removed: Set<string>;
  /** Milliseconds by which the console's clock is ahead. */
  readonly clock: { ahead: number };
  /** Opens an approval and answers its id. */
  request(args?: unknown, tool?: string): Promise<string>;
  /** Why sign-ins were refused, as the ledger has it, oldest first. */
  refusals(): Promise<readonly (string | undefined)[]>;
  close(): Promise<void>;
}

export async function createWorld(
  signIn?: SignIn | readonly SignIn[],
  options: Partial<ServeConsoleOptions> = {},
): Promise<World> {
  const store = memoryStore();
  const key = randomBytes(32);
  const removed = new Set<string>();
  const clock = { ahead: 0 };
  const now = (): number => Date.now() + clock.ahead;
  const approvers = { authenticate: (token: string) => (removed.has(token) ? undefined : people[token]) };
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const approvals = createApprovals({ store, signingKey, approvers, audit: { key }, policy, now });
  const instance = createCountersign({
    policy,
    store,
    audit: { key },
    approvals: { keys: [approvals.publicKey] },
    timeouts: { approvalMs: 1 },
    now,
  });
  const gate = instance.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
  const console = await serveConsole({
    service: approvals,
    signIn: signIn ?? approverToken(approvers),
    tenant: 'acme',
    now,
    ...options,
  });
  let calls = 0;
  return {
    url: console.url,
    origin: new URL(console.url).origin,
    approvals,
    removed,
    clock,
    async request(args = { service: 'checkout', version: '1.4.2' }, tool = 'deploy') {
      calls += 1;
      const call = { tool: { name: tool, source: 'local' }, callId: `call-${calls}`, step: '#0', arguments: args };
      const result = await gate.check({ ...call, origin: 'model' });
      if (result.approval === undefined) throw new Error(`no approval was opened: ${JSON.stringify(result)}`);
      return result.approval.id;
    },
    async refusals() {
      await approvals.flush();
      const records = await store.records('acme', { kind: 'approval', limit: 1_000 });
      return records
        .filter(({ event }) => event === 'refused')
        .map(({ body }) => (JSON.parse(body) as { readonly code?: string }).code);
    },
    async close() {
      await console.close();
      await instance.close();
    },
  };
}

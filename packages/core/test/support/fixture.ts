/**
 * A Countersign instance with a small policy, and an approvals service beside it with the key that only it holds.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  memoryStore,
  type Approvals,
  type Authorizer,
  type Countersign,
  type CountersignOptions,
  type Gate,
  type PolicyDocument,
  type Store,
  type ToolCall,
} from '../../src/index.ts';

export const document: PolicyDocument = {
  countersign: 1,
  name: 'fixture',
  version: '1',
  tenants: ['acme', 'globex'],
  tools: {
    read: { capability: 'tickets:ticket:read', risk: 'low' },
    note: { capability: 'tickets:note:create', risk: 'medium' },
    deploy: { capability: 'deploy:staging:create', risk: 'high' },
    sync: { capability: 'tickets:ticket:sync', risk: 'low', idempotent: true },
    forget: { capability: 'tickets:ticket:read', risk: 'low', retain: 'none' },
    orchestrate: { capability: 'tickets:ticket:read', risk: 'low', orchestrates: true },
    secret: {
      capability: 'tickets:ticket:read',
      risk: 'low',
      credentials: [{ service: 'tickets', scope: { read: true }, ttl: '1m' }],
    },
    vault: { capability: 'vault:secret:read', risk: 'low' },
    bounded: {
      capability: 'tickets:ticket:read',
      risk: 'low',
      arguments: { type: 'object', properties: { amount: { type: 'number', maximum: 10 } }, required: ['amount'] },
    },
  },
  grants: { basics: ['tickets:ticket:read', 'tickets:note:create', 'deploy:staging:create', 'tickets:ticket:sync'] },
  agents: {
    support: { owner: 'user:alice', include: ['basics'] },
    helper: { owner: 'user:alice', capabilities: ['tickets:ticket:read'] },
  },
  users: {
    alice: { include: ['basics'] },
    bob: { include: ['basics'] },
    mallory: { capabilities: ['tickets:ticket:read'], active: false },
  },
};

export interface Fixture {
  readonly countersign: Countersign;
  readonly approvals: Approvals;
  readonly store: Store;
  readonly gate: Gate;
  /** The credential of `carol`, who may decide in tenant acme. */
  readonly carol: string;
  /** Alice as an approver: she may not decide on her own requests. */
  readonly aliceApproves: string;
  readonly key: Uint8Array;
  readonly options: CountersignOptions;
  decide(id: string, verdict: 'approve' | 'reject', credential?: string): Promise<void>;
}

export interface FixtureOptions {
  readonly store?: Store;
  readonly policy?: Authorizer;
  readonly now?: () => number;
  readonly key?: Uint8Array;
  readonly options?: Partial<CountersignOptions>;
}

export function fixture(input: FixtureOptions = {}): Fixture {
  const store = input.store ?? memoryStore();
  const key = input.key ?? randomBytes(32);
  const now = input.now === undefined ? {} : { now: input.now };
  const policy = input.policy ?? definePolicy(document);
  const approvals = createApprovals({
    store,
    signingKey: generateKeyPairSync('ed25519').privateKey,
    approvers: {
      authenticate: (credential) =>
        credential === 'carol-token'
          ? { tenant: 'acme', id: 'carol' }
          : credential === 'alice-token'
            ? { tenant: 'acme', id: 'alice' }
            : credential === 'gus-token'
              ? { tenant: 'globex', id: 'gus' }
              : undefined,
    },
    audit: { key },
    policy,
    ...now,
  });
  const options: CountersignOptions = {
    policy,
    store,
    audit: { key },
    approvals: { keys: [approvals.publicKey] },
    timeouts: { settleMs: 200, authorizeMs: 100, approvalMs: 2_000 },
    ...now,
    ...input.options,
  };
  const countersign = createCountersign(options);
  return {
    countersign,
    approvals,
    store,
    key,
    options,
    gate: countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' }),
    carol: 'carol-token',
    aliceApproves: 'alice-token',
    async decide(id, verdict, credential = 'carol-token') {
      const { digest } = await approvals.show(credential, id);
      await approvals.decide(credential, { id, verdict, digest });
    },
  };
}

let counter = 0;

/** A call as a model would make it: a new id, local source, first step. */
export function callTo(tool: string, args: unknown = {}, more: Partial<ToolCall> = {}): ToolCall {
  counter += 1;
  return {
    tool: { name: tool, source: 'local' },
    callId: `call-${counter}`,
    step: '#0',
    origin: 'model',
    arguments: args,
    ...more,
  };
}

/** A body that counts how often it ran. */
export function counted<Result>(result: Result): {
  readonly body: (args: unknown) => Result;
  readonly runs: unknown[];
} {
  const runs: unknown[] = [];
  return {
    runs,
    body(args) {
      runs.push(args);
      return result;
    },
  };
}

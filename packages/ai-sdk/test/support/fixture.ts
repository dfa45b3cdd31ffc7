/** A Countersign instance with a small policy on a real store, and the approvals service beside it. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  type Approvals,
  type Countersign,
  type CountersignOptions,
  type Gate,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { onTestFinished } from 'vitest';

export const document: PolicyDocument = {
  countersign: 1,
  name: 'fixture',
  version: '1',
  tenants: ['acme'],
  tools: {
    read: { capability: 'tickets:ticket:read', risk: 'low' },
    note: { capability: 'tickets:note:create', risk: 'medium', approval: { edit: true } },
    deploy: { capability: 'deploy:staging:create', risk: 'high' },
    pay: {
      capability: 'tickets:refund:create',
      risk: 'low',
      approval: { edit: true },
      arguments: { type: 'object', properties: { amount: { type: 'number', minimum: 0 } }, required: ['amount'] },
      when: [
        {
          arguments: { type: 'object', properties: { amount: { type: 'number', exclusiveMinimum: 100 } } },
          risk: 'high',
        },
      ],
    },
    vault: { capability: 'vault:secret:read', risk: 'low' },
    send: {
      capability: 'tickets:ticket:read',
      risk: 'low',
      credential: { service: 'mail', scope: { send: true }, ttl: '1m' },
    },
    code: { capability: 'tickets:ticket:read', risk: 'low', orchestrates: true },
    web: { capability: 'tickets:ticket:read', risk: 'low', source: 'provider:openai.web_search' },
    client: { capability: 'tickets:ticket:read', risk: 'low' },
    echo: { capability: 'tickets:ticket:read', risk: 'low', source: 'mcp:demo' },
    shell: { capability: 'tickets:ticket:read', risk: 'low', source: 'provider-defined:acme.shell' },
  },
  grants: {
    basics: ['tickets:ticket:read', 'tickets:note:create', 'tickets:refund:create', 'deploy:staging:create'],
  },
  agents: {
    support: { owner: 'user:alice', include: ['basics'] },
    reader: { owner: 'user:alice', capabilities: ['tickets:note:create'] },
  },
  users: { alice: { include: ['basics'] }, bob: { include: ['basics'] } },
};

export interface Fixture {
  readonly countersign: Countersign;
  readonly approvals: Approvals;
  /** Alice, by the agent `support`, in `run-1`. */
  readonly gate: Gate;
  /** The same chat after a restart: another instance with another handle on the same file. */
  readonly restarted: () => Gate;
  /** Decides on everything that waits, as Carol. Answers the ids. */
  readonly decide: (verdict: 'approve' | 'reject') => Promise<readonly string[]>;
  /** `kind:event` of every record. */
  readonly kinds: () => Promise<readonly string[]>;
}

export const carol = 'carol-token';
export const aliceAsApprover = 'alice-token';

export function fixture(more: Partial<CountersignOptions> = {}): Fixture {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-ai-sdk-'));
  const stores: Store[] = [];
  const openStore = (): Store => {
    const opened = sqliteStore({ path: join(directory, 'store.db') });
    stores.push(opened);
    return opened;
  };
  const store = openStore();
  onTestFinished(async () => {
    for (const opened of stores) await opened.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const key = randomBytes(32);
  const approvers = new Map([
    [carol, 'carol'],
    [aliceAsApprover, 'alice'],
  ]);
  const approvals = createApprovals({
    store,
    signingKey: generateKeyPairSync('ed25519').privateKey,
    approvers: {
      authenticate(credential) {
        const id = approvers.get(credential);
        return id === undefined ? undefined : { tenant: 'acme', id };
      },
    },
    policy: more.policy ?? definePolicy(document),
    audit: { key },
  });
  const options: CountersignOptions = {
    policy: definePolicy(document),
    store,
    audit: { key },
    approvals: { keys: [approvals.publicKey] },
    timeouts: { settleMs: 500, authorizeMs: 200, approvalMs: 5_000 },
    ...more,
  };
  const countersign = createCountersign(options);
  const chat = { tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' };
  return {
    countersign,
    approvals,
    gate: countersign.gate(chat),
    restarted: () => createCountersign({ ...options, store: openStore() }).gate(chat),
    async decide(verdict) {
      const waiting = await approvals.list(carol, { state: 'pending' });
      for (const { id, digest } of waiting) await approvals.decide(carol, { id, verdict, digest });
      return waiting.map(({ id }) => id);
    },
    async kinds() {
      const records = await store.records('acme', { limit: 1000 });
      return records.map(({ kind, event }) => `${kind}:${event}`);
    },
  };
}

/** What one step shows of its calls, in a form that is easy to compare. */
export function shown(content: readonly { readonly type: string }[]): readonly unknown[] {
  return content
    .filter(({ type }) => type !== 'text' && type !== 'tool-call')
    .map((part) => {
      const { type, toolName, output, error } = part as {
        type: string;
        toolName?: string;
        output?: unknown;
        error?: unknown;
      };
      if (type === 'tool-result') return [type, toolName, output];
      if (type === 'tool-error') return [type, toolName, error instanceof Error ? error.name : error];
      return [type];
    });
}

/** As a chat does: through text and back. */
export function overTheWire<Value>(value: Value): Value {
  return JSON.parse(JSON.stringify(value)) as Value;
}

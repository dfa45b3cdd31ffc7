/** A Countersign instance with a small policy on a real file, and the approvals service beside it. */
import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  type Approvals,
  type Authorizer,
  type Countersign,
  type CountersignOptions,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { onTestFinished } from 'vitest';
import type { ToolGateSource } from '../../src/index.ts';

export const document: PolicyDocument = {
  countersign: 1,
  name: 'fixture',
  version: '1',
  tenants: ['acme'],
  tools: {
    read: { capability: 'mail:message:read', risk: 'low' },
    note: { capability: 'mail:note:create', risk: 'medium', approval: { edit: true } },
    send: { capability: 'mail:message:send', risk: 'high' },
    wipe: { capability: 'mail:message:send', risk: 'high' },
    nuke: { capability: 'mail:mailbox:delete', risk: 'low' },
    bounded: {
      capability: 'mail:message:read',
      risk: 'low',
      arguments: { type: 'object', properties: { x: { type: 'number', maximum: 10 } }, required: ['x'] },
    },
    leased: {
      capability: 'mail:message:read',
      risk: 'low',
      credential: { service: 'mail', scope: { read: true }, ttl: '1m' },
    },
    task: { capability: 'mail:message:read', risk: 'low', orchestrates: true },
    again: { capability: 'mail:message:read', risk: 'low', idempotent: true },
    write_todos: { capability: 'mail:message:read', risk: 'low' },
    echo: { capability: 'mail:message:read', risk: 'low', source: 'mcp:demo' },
    web_search: { capability: 'mail:message:read', risk: 'low', source: 'provider:web_search' },
    forbidden_search: { capability: 'mail:mailbox:delete', risk: 'low', source: 'provider:forbidden_search' },
  },
  grants: { basics: ['mail:message:read', 'mail:note:create', 'mail:message:send'] },
  agents: { support: { owner: 'user:alice', include: ['basics'] } },
  users: { alice: { include: ['basics'] }, bob: { include: ['basics'] } },
};

export interface Fixture {
  readonly countersign: Countersign;
  readonly approvals: Approvals;
  readonly store: Store;
  /** Alice, or `configurable.user`, in the run of the thread. `configurable.user: null` is nobody. */
  readonly source: ToolGateSource;
  /** What another process needs to be the same installation. */
  readonly shared: Shared;
  decide(id: string, verdict: 'approve' | 'reject'): Promise<void>;
  /** Decides on everything that waits. Answers the ids. */
  decideAll(verdict: 'approve' | 'reject'): Promise<readonly string[]>;
  pending(): Promise<readonly { readonly id: string; readonly tool: string }[]>;
  /** `kind:event` of every record. */
  kinds(): Promise<readonly string[]>;
  records(): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

export interface Shared {
  readonly directory: string;
  readonly path: string;
  readonly key: string;
  readonly publicKey: string;
}

export interface FixtureOptions {
  readonly policy?: Authorizer;
  readonly options?: Partial<CountersignOptions>;
}

const approver = 'carol-token';

export function fixture({ policy, options = {} }: FixtureOptions = {}): Fixture {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-langchain-'));
  const path = join(directory, 'countersign.db');
  const key = randomBytes(32);
  const approvalStore = sqliteStore({ path });
  const approvals = createApprovals({
    store: approvalStore,
    signingKey: generateKeyPairSync('ed25519').privateKey,
    approvers: {
      authenticate: (credential) => (credential === approver ? { tenant: 'acme', id: 'carol' } : undefined),
    },
    policy: definePolicy(document),
    audit: { key },
  });
  const shared: Shared = { directory, path, key: key.toString('base64'), publicKey: String(approvals.publicKey) };
  const { countersign, store } = installation(shared, { ...options, ...(policy === undefined ? {} : { policy }) });
  onTestFinished(async () => {
    await Promise.all([countersign.close(), approvalStore.close()]);
    rmSync(directory, { recursive: true, force: true });
  });
  const decide = async (id: string, verdict: 'approve' | 'reject'): Promise<void> => {
    const { digest } = await approvals.show(approver, id);
    await approvals.decide(approver, { id, verdict, digest });
  };
  const pending: Fixture['pending'] = async () =>
    (await store.approvals('acme', { state: 'pending' })).map(({ id, call }) => ({ id, tool: call.tool.name }));
  return {
    countersign,
    approvals,
    store,
    shared,
    source: sourceOf(countersign),
    decide,
    pending,
    async decideAll(verdict) {
      const ids = (await pending()).map(({ id }) => id);
      for (const id of ids) await decide(id, verdict);
      return ids;
    },
    kinds: async () => (await store.records('acme', { limit: 1000 })).map(({ kind, event }) => `${kind}:${event}`),
    records: async () =>
      (await store.records('acme', { limit: 1000 })).map(({ body }) => JSON.parse(body) as Record<string, unknown>),
  };
}

export function installation(
  shared: Shared,
  options: Partial<CountersignOptions> = {},
): { countersign: Countersign; store: Store } {
  const store = sqliteStore({ path: shared.path });
  const countersign = createCountersign({
    policy: definePolicy(document),
    store,
    audit: { key: Buffer.from(shared.key, 'base64') },
    approvals: { keys: [shared.publicKey] },
    timeouts: { settleMs: 4_000, authorizeMs: 500, approvalMs: 5_000 },
    ...options,
  });
  return { countersign, store };
}

export function sourceOf(countersign: Countersign): ToolGateSource {
  return ({ configurable, threadId }) => {
    const { user = 'alice' } = configurable;
    if (typeof user !== 'string') return undefined;
    return countersign.gate({ tenant: 'acme', user, agent: 'support', run: threadId ?? 'run-1' });
  };
}

/** A config for a new thread. */
export function thread(more: Record<string, unknown> = {}): {
  configurable: Record<string, unknown> & { thread_id: string };
} {
  return { configurable: { thread_id: randomUUID(), ...more } };
}

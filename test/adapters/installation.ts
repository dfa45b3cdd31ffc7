/** One installation of Countersign, made from data: every process of a case opens the same store with the same keys. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  createApprovals,
  createCountersign,
  createVoteSigner,
  definePolicy,
  Secret,
  type Approvals,
  type Authorizer,
  type Countersign,
  type CredentialProvider,
  type Gate,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import type { Job, Verdict } from './harness.ts';
import { amountOf, canary } from './tools.ts';

/** What an agent's process holds. */
export interface InstallationData {
  readonly auditKey: string;
  readonly votesPublicKey: string;
  /** Milliseconds by which the clock is ahead. */
  readonly ahead: number;
}

const read = 'tickets:ticket:read';
const ship = 'deploy:staging:create';
const leased = {
  capability: read,
  risk: 'low',
  credential: { service: 'mail', scope: { send: true }, ttl: '1m' },
} as const;

const document: PolicyDocument = {
  countersign: 1,
  name: 'conformance',
  version: '1',
  tenants: ['acme'],
  tools: {
    read: { capability: read, risk: 'low' },
    generate: { capability: read, risk: 'low' },
    fail: { capability: read, risk: 'low' },
    linger: { capability: read, risk: 'low' },
    note: { capability: 'tickets:note:create', risk: 'medium' },
    deploy: { capability: ship, risk: 'high' },
    wire: { capability: ship, risk: 'high' },
    vault: { capability: 'vault:secret:read', risk: 'low' },
    pay: {
      capability: read,
      risk: 'low',
      arguments: { type: 'object', properties: { amount: { type: 'number', maximum: 100 } }, required: ['amount'] },
    },
    reveal: leased,
    blurt: leased,
    helper: { capability: read, risk: 'low', orchestrates: true },
    transfer_to_specialist: { capability: read, risk: 'low', source: 'handoff:agent' },
    echo: { capability: read, risk: 'low', source: 'mcp:demo' },
    erase: { capability: 'vault:secret:read', risk: 'low', source: 'mcp:demo' },
  },
  grants: { basics: [read, 'tickets:note:create', ship] },
  agents: {
    support: { owner: 'user:alice', include: ['basics'] },
    helper: { owner: 'user:alice', include: ['basics'] },
  },
  users: { alice: { include: ['basics'] }, bob: { include: ['basics'] } },
};

/** The run of every case. */
export const conversation = 'conversation-1';
const approver = 'carol-token';

/** Who answers at the approvals service: the only one who can sign votes. */
export interface Person {
  /** Decides everything that waits, or the calls of one tool. */
  vote(verdict: Verdict, tool?: string): Promise<void>;
  /** Everything that was ever asked, `<tool> <amount>`. */
  asked(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface NewInstallation {
  readonly data: InstallationData;
  readonly person: (clock: { readonly ahead: number }) => Person;
  /** What the ledger holds of each tool, in order: `decision allow`, `approval requested` … */
  readonly recorded: () => Promise<Readonly<Record<string, readonly string[]>>>;
}

export function newInstallation(directory: string): NewInstallation {
  const auditKey = randomBytes(32);
  const signingKey = randomBytes(32);
  const votesPublicKey = String(createVoteSigner(signingKey).publicKey);
  return {
    data: { auditKey: auditKey.toString('base64'), votesPublicKey, ahead: 0 },
    recorded: () => recordedIn(directory),
    person({ ahead }) {
      const store = storeIn(directory);
      const approvals = createApprovals({
        store,
        signingKey,
        approvers: {
          authenticate: (credential) => (credential === approver ? { tenant: 'acme', id: 'carol' } : undefined),
        },
        audit: { key: auditKey },
        now: () => Date.now() + ahead,
      });
      return {
        vote: (verdict, tool) => vote(approvals, verdict, tool),
        async asked() {
          const views = await approvals.list(approver);
          return views.map((view) => `${view.tool} ${amountOf(JSON.parse(view.arguments))}`);
        },
        close: async () => store.close(),
      };
    },
  };
}

async function vote(approvals: Approvals, verdict: Verdict, tool: string | undefined): Promise<void> {
  const waiting = await approvals.list(approver, { state: 'pending' });
  for (const view of waiting) {
    const { id, digest } = view;
    // A vote that comes too late is refused, and that is what some cases are about.
    if (tool === undefined || view.tool === tool)
      await approvals.decide(approver, { id, digest, verdict }).catch(() => undefined);
  }
}

async function recordedIn(directory: string): Promise<Record<string, readonly string[]>> {
  const store = storeIn(directory);
  try {
    const events: Record<string, string[]> = {};
    for (const { body } of await store.records('acme', {})) {
      const { tool, kind, event, verdict } = JSON.parse(body) as Record<string, string | undefined>;
      if (tool !== undefined) (events[tool] ??= []).push(`${kind} ${verdict ?? event}`);
    }
    return events;
  } finally {
    await store.close();
  }
}

function storeIn(directory: string): Store {
  return sqliteStore({ path: join(directory, 'countersign.db') });
}

/** Countersign in an agent's process, and the gate of the job's user. */
export async function openInstallation(
  job: Job,
): Promise<{ countersign: Countersign; gate: Gate; close: () => Promise<void> }> {
  const { auditKey, votesPublicKey, ahead } = job.installation;
  const countersign = createCountersign({
    policy: faulty(definePolicy(document), job.fault),
    store: storeIn(join(job.directory, 'store')),
    audit: { key: Buffer.from(auditKey, 'base64') },
    approvals: { keys: [votesPublicKey] },
    credentials: [mail],
    timeouts: { authorizeMs: 300, settleMs: 5_000, approvalMs: 10_000 },
    now: () => Date.now() + ahead,
  });
  const gate = countersign.gate({ tenant: 'acme', user: job.user, agent: 'support', run: conversation });
  return { countersign, gate, close: () => countersign.close() };
}

function faulty(policy: Authorizer, fault: Job['fault']): Authorizer {
  if (fault === undefined) return policy;
  return {
    version: (tenant) => policy.version(tenant),
    tools: (tenant) => policy.tools(tenant),
    permittedTools: (subject) => policy.permittedTools(subject),
    decide() {
      if (fault === 'hangs') return new Promise(() => undefined);
      throw new Error('the policy is not reachable');
    },
  };
}

const mail: CredentialProvider = {
  name: 'mail',
  services: ['mail'],
  maxLifetimeMs: 60_000,
  revocable: true,
  findable: true,
  get: async ({ leaseId, ttlMs }) => ({
    credentialId: leaseId,
    secret: new Secret(canary),
    expiresAt: Date.now() + ttlMs,
  }),
  provision: async () => undefined,
  revoke: async () => undefined,
  rotate: async () => undefined,
};

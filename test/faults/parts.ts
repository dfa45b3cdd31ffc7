/** What every process of the harness is made of. */
import {
  createCountersign,
  definePolicy,
  Secret,
  type Countersign,
  type CredentialProvider,
  type PolicyDocument,
  type Store,
} from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { postgresStore } from '@countersign/postgres';
import { tell } from './world.ts';

/** How a process is started: JSON in its arguments. */
export interface ProcessInput {
  readonly seed: number;
  /** Path of a SQLite file, or URL of a PostgreSQL database. */
  readonly store: string;
  /** For SQLite: how large the file may become. */
  readonly maxBytes?: number;
  readonly world: string;
  /** Audit key, hexadecimal. */
  readonly key: string;
  readonly voteKey: string;
}

export const agent = { tenant: 'acme', user: 'alice', agent: 'worker' } as const;

const document: PolicyDocument = {
  countersign: 1,
  name: 'faults',
  version: '1',
  tenants: ['acme'],
  tools: {
    low: { capability: 'world:thing:touch', risk: 'low' },
    leased: { capability: 'world:thing:touch', risk: 'low', credential: { service: 'world', ttl: '1m' } },
    medium: { capability: 'world:thing:change', risk: 'medium', approval: { expires: '5m' } },
    high: {
      capability: 'world:thing:destroy',
      risk: 'high',
      approval: { expires: '5m', quorum: 2 },
      credential: { service: 'world', ttl: '1m' },
    },
  },
  agents: {
    worker: { owner: 'user:alice', capabilities: ['world:thing:touch', 'world:thing:change', 'world:thing:destroy'] },
  },
  users: { alice: { capabilities: ['world:thing:touch', 'world:thing:change', 'world:thing:destroy'] } },
};

export async function openStore({ store, maxBytes }: Pick<ProcessInput, 'store' | 'maxBytes'>): Promise<Store> {
  if (store.startsWith('postgresql:')) {
    return postgresStore({ connectionString: store, maxConnections: 4, timeoutMs: 2_000 });
  }
  return sqliteStore({ path: store, lockTimeoutMs: 2_000, ...(maxBytes === undefined ? {} : { maxBytes }) });
}

/** A store that is down when the process starts: try until it is there. */
export async function openStorePatiently(input: Pick<ProcessInput, 'store' | 'maxBytes'>): Promise<Store> {
  for (;;) {
    try {
      return await openStore(input);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function worldProvider(world: string): CredentialProvider {
  return {
    name: 'world',
    services: ['world'],
    maxLifetimeMs: 60_000,
    revocable: true,
    findable: true,
    async get({ leaseId, ttlMs }) {
      await tell(world, 'issue', { lease: leaseId });
      return { credentialId: leaseId, secret: new Secret('a-secret-of-the-world'), expiresAt: Date.now() + ttlMs };
    },
    async provision() {},
    revoke: ({ leaseId }) => tell(world, 'revoke', { lease: leaseId }),
    async rotate() {},
  };
}

export function openCountersign(input: ProcessInput, store: Store, now: () => number): Countersign {
  return createCountersign({
    policy: definePolicy(document),
    store,
    audit: { key: Buffer.from(input.key, 'hex') },
    approvals: { keys: [input.voteKey], maxPendingPerRun: 1_000, maxPendingPerUser: 10_000 },
    credentials: [worldProvider(input.world)],
    timeouts: { settleMs: 300, storeMs: 3_000, credentialMs: 3_000 },
    now,
  });
}

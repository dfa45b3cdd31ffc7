/**
 * One guarded call that queries the orders with a login that Vault makes for it. As a process of its own it kills itself
 * with SIGKILL at a given point. argv: JSON of `GuardedQuery`.
 */
import process from 'node:process';
import pg from 'pg';
import {
  createCountersign,
  currentLease,
  definePolicy,
  Secret,
  type Countersign,
  type Outcome,
} from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { appRole, vaultConnection, vaultDynamicProvider } from '../src/index.ts';

export interface GuardedQuery {
  readonly store: string;
  /** The audit key, in hex. */
  readonly key: string;
  readonly address: string;
  readonly roleId: string;
  readonly secretId: string;
  readonly database: string;
  readonly sql: string;
  readonly ttl: string;
  /** `issued`: Vault has made the login, and nobody has noted its handle. */
  readonly killAt: 'issued' | 'body' | 'never';
  /** How far the clock of the leases is ahead, in milliseconds. */
  readonly ahead?: number;
}

const policy = (ttl: string) =>
  definePolicy({
    countersign: 1,
    name: 'orders',
    version: '1',
    tenants: ['acme'],
    tools: {
      listOrders: {
        capability: 'orders:order:read',
        risk: 'low',
        credential: { service: 'orders', scope: { access: 'read' }, ttl },
      },
    },
    agents: { support: { owner: 'user:alice', capabilities: ['orders:order:read'] } },
    users: { alice: { capabilities: ['orders:order:read'] } },
  });

export function countersignOf(input: GuardedQuery): Countersign {
  const connection = vaultConnection({
    address: input.address,
    login: appRole({ roleId: input.roleId, secretId: () => new Secret(input.secretId) }),
  });
  const provider = vaultDynamicProvider({
    tenants: { acme: connection },
    services: { orders: { mount: 'database', roles: [{ scope: { access: 'read' }, role: 'orders-reader' }] } },
  });
  return createCountersign({
    policy: policy(input.ttl),
    store: sqliteStore({ path: input.store }),
    audit: { key: Buffer.from(input.key, 'hex') },
    now: () => Date.now() + (input.ahead ?? 0),
    credentials: [
      {
        ...provider,
        async get(request) {
          const credential = await provider.get(request);
          if (input.killAt === 'issued') process.kill(process.pid, 'SIGKILL');
          return credential;
        },
      },
    ],
  });
}

/** `used` is told the name of the role that the body logged in as. */
export async function queryOrders(input: GuardedQuery, used?: (role: string) => Promise<void>): Promise<Outcome> {
  const countersign = countersignOf(input);
  const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
  const call = {
    tool: { name: 'listOrders', source: 'local' },
    callId: 'c1',
    step: '#0',
    origin: 'model',
    arguments: {},
  } as const;
  const outcome = await gate.execute(call, async () => {
    const { username, password } = JSON.parse(currentLease('orders').secret.reveal()) as Record<string, string>;
    const url = Object.assign(new URL(input.database), { username, password });
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    try {
      const { rows } = await client.query(input.sql);
      await used?.(String(username));
      if (input.killAt === 'body') process.kill(process.pid, 'SIGKILL');
      return rows as unknown;
    } finally {
      await client.end();
    }
  });
  await countersign.close();
  return outcome;
}

if (import.meta.main) await queryOrders(JSON.parse(process.argv[2] ?? '{}') as GuardedQuery);

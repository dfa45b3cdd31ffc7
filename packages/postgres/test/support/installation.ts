/** Agents and an approvals service on one database, each with the role that the documents give it. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import {
  createApprovals,
  createCountersign,
  definePolicy,
  type Approvals,
  type Outcome,
  type Store,
} from '@countersign/core';
import { callTo, document } from '../../../core/test/support/fixture.ts';
import { postgresStore } from '../../src/index.ts';
import type { Database, Databases, Login } from './databases.ts';

export interface Installation {
  readonly database: Database;
  readonly people: Store;
  readonly approvals: Approvals;
  readonly open: (login: Login) => Promise<Store>;
  /** What `alice` asks for with her agent. `deploy` waits for a person. */
  readonly call: (tenant: string, tool: string) => Promise<Outcome<string>>;
  /** Of a request for `deploy` in tenant `acme`. */
  readonly file: () => Promise<string>;
}

export async function install(databases: Databases): Promise<Installation> {
  const database = await databases.create();
  const open = async (login: Login): Promise<Store> => {
    const store = await postgresStore({ connectionString: database.url(login), maxConnections: 2 });
    onTestFinished(() => store.close());
    return store;
  };
  const [agents, people] = [await open('runtime'), await open('approver')];
  const shared = { policy: definePolicy(document), audit: { key: randomBytes(32) } };
  const approvals = createApprovals({
    ...{ ...shared, store: people, signingKey: generateKeyPairSync('ed25519').privateKey },
    approvers: { authenticate: () => ({ tenant: 'acme', id: 'carol' }) },
  });
  const countersign = createCountersign({ ...shared, store: agents, approvals: { keys: [approvals.publicKey] } });
  const call: Installation['call'] = (tenant, tool) =>
    countersign.gate({ tenant, user: 'alice', agent: 'support', run: 'run-1' }).execute(callTo(tool), () => 'done');
  return {
    ...{ database, people, approvals, open, call },
    async file() {
      const outcome = await call('acme', 'deploy');
      if (outcome.status !== 'pending') throw new Error(outcome.status);
      return outcome.approval;
    },
  };
}

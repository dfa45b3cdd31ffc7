/**
 * How long after a person's vote the call that waits for it goes on: in the process of the vote, and in another one.
 * People take their time, so each request has waited long enough for its waiter to look seldom.
 */
import { fork } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createApprovals, createCountersign, definePolicy, memoryStore, type Store } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { migrate, postgresStore } from '@countersign/postgres';
import { hasPostgres, startPostgres } from '../test/support/postgres.ts';
import { printSection, type Line } from './measure.ts';
import { execute } from './postgres.ts';

const policy = definePolicy({
  countersign: 1,
  name: 'wake',
  version: '1',
  tenants: ['acme'],
  tools: { deploy: { capability: 'deploy:staging:create', risk: 'high' } },
  agents: { support: { owner: 'user:alice', capabilities: ['deploy:staging:create'] } },
  users: { alice: { capabilities: ['deploy:staging:create'] } },
});
const voter = fileURLToPath(new URL('wake-voter.ts', import.meta.url));

/** What the voter's process needs. */
export interface VoterData {
  readonly store: { readonly sqlite: string } | { readonly postgres: string };
  /** PKCS #8, PEM. */
  readonly signingKey: string;
  readonly auditKey: string;
}

/** Votes to approve, and answers when it began to: milliseconds since the epoch, with fractions. */
type Vote = (id: string) => Promise<number>;

const requests = { quick: 20, full: 100 } as const;
/** From here on a waiter that nobody wakes looks twice a second. */
const waitedMs = 2_500;

export async function benchWake(quick: boolean): Promise<void> {
  const count = quick ? requests.quick : requests.full;
  const lines: Line[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  try {
    lines.push(...(await inProcess('memory', memoryStore(), count)));
    const path = join(folder, 'store.sqlite');
    lines.push(...(await inProcess('SQLite', sqliteStore({ path }), count)));
    lines.push(...(await across('SQLite', sqliteStore({ path }), { sqlite: path }, count)));
    if (hasPostgres) lines.push(...(await onPostgres(count)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  printSection('From a vote to the call that waited for it', lines);
}

async function onPostgres(count: number): Promise<Line[]> {
  const server = await startPostgres();
  try {
    await migrate({ connectionString: server.url });
    await execute(
      server.url,
      `CREATE ROLE agents LOGIN; GRANT countersign_runtime TO agents;
       CREATE ROLE people LOGIN; GRANT countersign_approver TO people`,
    );
    const [agents, people] = ['agents@', 'people@'].map((login) => server.url.replace('postgres@', login)) as [
      string,
      string,
    ];
    const open = (connectionString: string): Promise<Store> => postgresStore({ connectionString });
    return [
      ...(await inProcess('PostgreSQL', await open(agents), count, await open(people))),
      ...(await across('PostgreSQL', await open(agents), { postgres: people }, count)),
    ];
  } finally {
    await server.stop();
  }
}

/** @param ofPeople the handle that votes go through */
async function inProcess(name: string, store: Store, count: number, ofPeople = store): Promise<Line[]> {
  const approvals = createApprovals({ store: ofPeople, approvers: { authenticate: () => undefined }, ...keys });
  const session = approvals.as({ tenant: 'acme', id: 'carol' });
  const vote: Vote = async (id) => {
    const { digest } = await session.show(id);
    const began = now();
    await session.decide({ id, digest, verdict: 'approve' });
    return began;
  };
  return report(`${name}, same process`, await delays({ store, name: 'same', count, vote }), 250);
}

async function across(name: string, store: Store, where: VoterData['store'], count: number): Promise<Line[]> {
  const data: VoterData = {
    store: where,
    signingKey: String(keys.signingKey.export({ type: 'pkcs8', format: 'pem' })),
    auditKey: keys.audit.key.toString('base64'),
  };
  const child = fork(voter, [JSON.stringify(data)], {
    execArgv: ['--no-warnings'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const answer = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const failed = (code: number | null): void => reject(new Error(`the voter ended with ${code}`));
      child.once('exit', failed);
      child.once('message', (message) => {
        child.off('exit', failed);
        resolve(message);
      });
    });
  await answer();
  const vote: Vote = async (id) => {
    const began = answer();
    child.send(id);
    return Number(await began);
  };
  try {
    return report(`${name}, another process`, await delays({ store, name: 'another', count, vote }), 1_000);
  } finally {
    child.disconnect();
  }
}

const keys = { signingKey: generateKeyPairSync('ed25519').privateKey, audit: { key: randomBytes(32) } };
const now = (): number => performance.timeOrigin + performance.now();

interface Setting {
  readonly store: Store;
  /** Distinguishes the runs on one store. */
  readonly name: string;
  readonly count: number;
  readonly vote: Vote;
}

async function delays({ store, name, count, vote }: Setting): Promise<readonly number[]> {
  const { publicKey } = createApprovals({ store, approvers: { authenticate: () => undefined }, ...keys });
  const countersign = createCountersign({ policy, store, audit: keys.audit, approvals: { keys: [publicKey] } });
  const waiting = Array.from({ length: count }, async (_, index) => {
    // As many requests as one run may have.
    const gate = countersign.gate({
      tenant: 'acme',
      user: 'alice',
      agent: 'support',
      run: `${name}-${index % 10}`,
    });
    const call = {
      tool: { name: 'deploy', source: 'local' },
      callId: `call-${index}`,
      step: '#0',
      origin: 'model',
    } as const;
    const outcome = await gate.execute({ ...call, arguments: { index } }, () => now(), { wait: true });
    if (outcome.status !== 'completed') throw new Error(outcome.status);
    return { index, ranAt: outcome.result };
  });
  await sleep(waitedMs);
  const began = new Map<number, number>();
  const pending = await store.approvals('acme', { state: 'pending', limit: count });
  const session = createApprovals({ store, approvers: { authenticate: () => undefined }, ...keys }).as({
    tenant: 'acme',
    id: 'dave',
  });
  for (const { id } of pending) {
    const { index } = JSON.parse((await session.show(id)).arguments) as { index: number };
    began.set(index, await vote(id));
    // Not in step with anybody's looks.
    await sleep(37 + (index % 7) * 11);
  }
  const ran = await Promise.all(waiting);
  await countersign.close();
  return ran
    .map(({ index, ranAt }) => ranAt - (began.get(index) ?? Number.NaN))
    .toSorted((left, right) => left - right);
}

function report(what: string, sorted: readonly number[], goalMs: number): Line[] {
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  const measured = [0.5, 0.95, 1].map((share) => `${at(share).toFixed(1)} ms`).join(', ');
  return [{ what: `${what}: median, 95 %, longest`, measured, goal: `≤ ${goalMs} ms`, met: at(1) <= goalMs }];
}

/** What approvers read: one page of a late run in short and long ledgers, and the load of a month. SQLite. */
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApprovals, createCountersign, definePolicy, type ApproverSession, type Gate } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { median } from './measure.ts';

const policy = definePolicy({
  countersign: 1,
  name: 'bench',
  version: '1',
  tenants: ['acme'],
  tools: {
    read: { capability: 'tickets:ticket:read', risk: 'low' },
    note: { capability: 'tickets:note:create', risk: 'medium' },
  },
  agents: { support: { capabilities: ['tickets:ticket:read', 'tickets:note:create'] } },
  users: { alice: { capabilities: ['tickets:ticket:read', 'tickets:note:create'] } },
});

const hour = 3_600_000;

export async function benchOversight(quick: boolean): Promise<void> {
  const sizes = quick ? [500, 2_000] : [2_000, 20_000];
  const requests = quick ? 200 : 2_000;
  for (const calls of sizes) {
    const installation = open();
    const { gate, session, clock } = installation;
    for (let index = 0; index < calls; index += 1) {
      clock.now += 60_000;
      await ask(gate('earlier'), 'read', index);
    }
    clock.now += 3 * hour;
    for (let index = 0; index < 20; index += 1) await ask(gate('late'), 'read', index);
    const filed = await ask(gate('late'), 'note', 20);
    if (filed.status !== 'pending') throw new Error(filed.status);
    const ms = await timed(() => session.timeline('late'));
    process.stdout.write(
      `\noversight: a run of 62 records, last of ${(calls * 3).toLocaleString('en')} records: ${ms.toFixed(1)} ms\n`,
    );
    await installation.close();
  }
  const installation = open();
  const { gate, session, clock } = installation;
  for (let index = 0; index < requests; index += 1) {
    clock.now += Math.floor((29 * 24 * hour) / requests);
    const filed = await ask(gate(`run-${index}`), 'note', index);
    if (filed.status !== 'pending') throw new Error(filed.status);
    const { digest } = await session.show(filed.approval);
    await session.decide({ id: filed.approval, verdict: 'approve', digest });
  }
  const ms = await timed(() => session.load({ windowMs: 30 * 24 * hour }));
  process.stdout.write(
    `oversight: the load of 30 days with ${requests.toLocaleString('en')} requests: ${ms.toFixed(0)} ms\n`,
  );
  await installation.close();
}

function open() {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-bench-'));
  const store = sqliteStore({ path: join(folder, 'store.sqlite'), durability: 'process' });
  const key = randomBytes(32);
  const clock = { now: 1_800_000_000_000 };
  const now = (): number => clock.now;
  const { privateKey: signingKey } = generateKeyPairSync('ed25519');
  const approvers = { authenticate: () => undefined };
  const approvals = createApprovals({ store, signingKey, approvers, audit: { key }, policy, now });
  const countersign = createCountersign({
    ...{ policy, store, audit: { key }, now },
    approvals: { keys: [approvals.publicKey] },
  });
  const session: ApproverSession = approvals.as({ tenant: 'acme', id: 'carol' });
  return {
    ...{ session, clock },
    gate: (run: string) => countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run }),
    async close(): Promise<void> {
      await countersign.close();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function ask(gate: Gate, tool: string, index: number) {
  const call = {
    tool: { name: tool, source: 'local' },
    callId: `call-${index}`,
    step: `#${index}`,
    arguments: { index },
  };
  return gate.execute({ ...call, origin: 'model' }, () => 'done');
}

/** Median of 20, in milliseconds. */
async function timed(read: () => Promise<unknown>): Promise<number> {
  const taken: number[] = [];
  for (let round = 0; round < 20; round += 1) {
    const start = performance.now();
    await read();
    taken.push(performance.now() - start);
  }
  return median(taken);
}

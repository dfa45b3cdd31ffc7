import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import type { Store } from '../../src/store/store.ts';
import { expectChained } from '../../src/testing/store-contract-ledger.ts';
import { newApproval, newCall, reviewInput, tenant, voteInput } from '../../src/testing/store-fixtures.ts';
import { startProcess } from './child-process.ts';
import type { Register } from '../../../../test/support/parts.ts';
import type { StoreStorage } from '../../src/testing/index.ts';

export interface ProcessSubject {
  /** A new storage, with the address that `openStore` takes. */
  readonly createStorage: () => Promise<StoreStorage & { readonly address: string }>;
  readonly using?: Register;
}

/** Lets three processes claim the same calls at the same time. Answers who got which. */
async function raceInProcesses(role: string, path: string, calls: number): Promise<string[]> {
  const racers = Array.from({ length: 3 }, () => startProcess(role, path, String(calls)));
  await Promise.all(racers.map((racer) => racer.nextLine()));
  for (const { child } of racers) child.stdin?.write('go\n');
  await Promise.all(racers.map(({ ended }) => ended));
  return racers.flatMap(({ lines }) => lines.filter((line) => line !== 'ready'));
}

const all = (count: number) => Array.from({ length: count }, (_, index) => String(index));
const byNumber = (left: string, right: string) => Number(left) - Number(right);

/** A server may still end what it was sent by a process that is gone: then all of it is read again. */
async function readAll(store: Store) {
  for (;;) {
    const records = await store.records(tenant, {});
    const of = (event: string) => new Set(records.filter((record) => record.event === event).map(({ call }) => call));
    const [claims, outcomes, states] = [of('claimed'), of('completed'), new Map<string | undefined, unknown>()];
    for (const key of claims) {
      const call = await store.call(newCall({ slot: key?.replace('key', 'slot') ?? '', key: key ?? '' }));
      states.set(key, call?.state);
    }
    if ((await store.records(tenant, {})).length === records.length) return { records, claims, outcomes, states };
  }
}

/** What a crash may leave: whole operations, and nothing but. */
async function checkConsistent(store: Store, said: readonly string[]): Promise<void> {
  const { records, claims, outcomes, states } = await readAll(store);
  expectChained(records, 'ledger');
  for (const call of outcomes) expect(claims).toContain(call);
  for (const key of claims) expect(states.get(key)).toBe(outcomes.has(key) ? 'settled' : 'claimed');
  for (const line of said) {
    const [event, key] = line.split(' ');
    expect(event === 'claimed' ? claims : outcomes).toContain(key);
  }
}

/** Registers the cases: every store that processes share goes through the very same. */
export function testProcesses({ createStorage, using }: ProcessSubject): void {
  const options = { timeout: 240_000, ...(using === undefined ? {} : { using }) };
  verifies(
    ['REL-1'],
    'processes that race for claims on one store: exactly one gets each, and every chain holds',
    async () => {
      const storage = await createStorage();
      const calls = 300;
      const claimed = await raceInProcesses('race', storage.address, calls);
      expect(claimed.toSorted(byNumber)).toEqual(all(calls));
      const store = await storage.open();
      const records = await store.records(tenant, {});
      expect(records).toHaveLength(calls);
      expectChained(records, 'ledger');
      await storage.remove();
    },
    options,
  );

  verifies(
    ['APR-4'],
    'processes that race for a grant: it is consumed once',
    async () => {
      const storage = await createStorage();
      const store = await storage.open();
      const calls = 100;
      for (let index = 0; index < calls; index += 1) {
        const call = newCall({ slot: `slot-${index}`, key: `key-${index}`, argumentsDigest: `arguments-${index}` });
        const approval = newApproval({ id: `apr-${index}`, digest: 'digest' });
        await store.observe(reviewInput(call, approval));
        await store.vote(voteInput(call, approval));
      }
      const claimed = await raceInProcesses('race-for-grants', storage.address, calls);
      expect(claimed.toSorted(byNumber)).toEqual(all(calls));
      expect(await store.approvals(tenant, { consumed: true, limit: calls })).toHaveLength(calls);
      await storage.remove();
    },
    options,
  );

  verifies(
    ['REL-1', 'AUD-3'],
    'a process killed between any two writes loses nothing that it was told is durable, and tears no operation apart',
    async () => {
      const storage = await createStorage();
      const said: string[] = [];
      for (let round = 0; round < 6; round += 1) {
        const worker = startProcess('work', storage.address, String(round * 1_000_000));
        await worker.nextLine();
        await sleep(20 + 37 * round);
        worker.child.kill('SIGKILL');
        await worker.ended;
        // The last line may have been cut by the kill.
        said.push(...worker.lines.filter((line) => /^(claimed|settled) key-\d+$/.test(line)).slice(0, -1));
        const store = await storage.open();
        await checkConsistent(store, said);
        await store.close();
      }
      expect(said.length).toBeGreaterThan(12);
      await storage.remove();
    },
    options,
  );
}

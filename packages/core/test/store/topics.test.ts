import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { memoryStore, type Store } from '../../src/index.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { file } from '../../src/testing/store-filed.ts';
import { tenant, voteInput } from '../../src/testing/store-fixtures.ts';

/** The handle of who waits, and that of who decides. */
const stores: Readonly<Record<string, () => readonly [Store, Store]>> = {
  'one handle on memory': () => {
    const store = memoryStore();
    return [store, store];
  },
  'two handles on one file': () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-topics-'));
    const handles = [1, 2].map(() => sqliteStore({ path: join(folder, 'store.sqlite') }));
    onTestFinished(async () => {
      for (const store of handles) await store.close();
      rmSync(folder, { recursive: true, force: true });
    });
    return handles as unknown as readonly [Store, Store];
  },
};

for (const [name, open] of Object.entries(stores)) {
  verifies('APR-1', `a decision in this process wakes who waits for it, and nobody else: ${name}`, async () => {
    const [agent, approver] = open();
    const { call, approval } = await file(agent);
    const stop = new AbortController();
    const woken: string[] = [];
    const listen = async (id: string, of = tenant): Promise<void> => {
      await agent.approvalChanged?.(of, id, stop.signal);
      woken.push(stop.signal.aborted ? 'stop' : id);
    };
    const others = [listen('apr-other'), listen(approval.id, 'globex')];
    const waiting = listen(approval.id);
    await approver.vote(voteInput(call, approval));
    await waiting;
    expect(woken).toEqual([approval.id]);
    stop.abort();
    await Promise.all(others);
    expect(woken).toEqual([approval.id, 'stop', 'stop']);
  });
}

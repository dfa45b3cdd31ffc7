/**
 * What the store promises about entries, holds and the pruning of a chain.
 * @module
 */
import type { EntryKind, PutEntryInput, Store } from '../store/store.ts';
import type { StoreCheck } from './store-contract.ts';
import { claimed, countRecords, fileApproved, refused } from './store-filed.ts';
import {
  claimInput,
  expectMembers,
  expectSame,
  expectStoreError,
  newCall,
  newDraft,
  tenant,
} from './store-fixtures.ts';

const put = (store: Store, id: string, input: Partial<PutEntryInput> = {}): Promise<string | undefined> =>
  store.putEntry({ tenant, kind: 'cursor', id, expected: undefined, value: 'v', now: 1000, records: [], ...input });

const idsOf = async (store: Store, filter?: Parameters<Store['entries']>[2]): Promise<readonly string[]> =>
  (await store.entries(tenant, 'cursor', filter)).map(({ id }) => id);

export const entryCases: Readonly<Record<string, StoreCheck>> = {
  async 'an entry is replaced only by who knows its version'(storage) {
    const store = await storage.open();
    expectSame(await store.entry(tenant, 'cursor', 'a'), undefined, 'before');
    const first = await put(store, 'a', { value: 'one ü', records: [newDraft()] });
    expectMembers(
      await store.entry(tenant, 'cursor', 'a'),
      { value: 'one ü', version: first, updatedAt: 1000 },
      'first',
    );
    const before = await countRecords(store);
    expectSame(await put(store, 'a', { records: [newDraft()] }), undefined, 'as if there were none');
    expectSame(await put(store, 'a', { expected: 'another', records: [newDraft()] }), undefined, 'another version');
    expectSame(await put(store, 'none', { expected: first, records: [newDraft()] }), undefined, 'of what is not there');
    expectSame(await countRecords(store), before, 'ledger');
    const second = await put(store, 'a', { expected: first, value: 'two', now: 2000 });
    if (second === undefined || second === first) throw new Error('a version came back');
    expectMembers(await store.entry(tenant, 'cursor', 'a'), { value: 'two', updatedAt: 2000 }, 'second');
    expectSame(await put(store, 'a', { expected: second, value: undefined }), '', 'removal');
    expectSame(await store.entry(tenant, 'cursor', 'a'), undefined, 'after removal');
    const again = await put(store, 'a', { value: 'three' });
    expectSame(
      await put(store, 'a', { expected: second, value: 'late' }),
      undefined,
      'a version from before the removal',
    );
    expectMembers(await store.entry(tenant, 'cursor', 'a'), { value: 'three', version: again }, 'anew');
  },

  async 'of many who replace one entry at once, one does'(storage) {
    const store = await storage.open();
    const version = await put(store, 'a');
    for (const expected of [version, undefined]) {
      const id = expected === undefined ? 'b' : 'a';
      const results = await Promise.all(
        Array.from({ length: 8 }, (_, index) =>
          put(store, id, { expected, value: `v${index}`, records: [newDraft()] }),
        ),
      );
      expectSame(results.filter((result) => result !== undefined).length, 1, `winners of ${id}`);
    }
    expectSame(await countRecords(store), 2, 'ledger');
  },

  async 'of two instances that replace one entry at once, one does'(storage) {
    const stores = [await storage.open(), await storage.open()];
    for (let round = 0; round < 20; round += 1) {
      const results = await Promise.all(stores.map((store) => put(store, `entry-${round}`, { records: [newDraft()] })));
      expectSame(results.filter((result) => result !== undefined).length, 1, `winners of round ${round}`);
    }
    const [first] = stores;
    expectSame(first && (await countRecords(first)), 20, 'ledger');
  },

  async 'entries come in order of their ids, page by page, of one kind and tenant'(storage) {
    const store = await storage.open();
    for (const id of ['b', 'Z', 'ä', 'a', '𝄞', '\uFFFD', 'a/b', '10', '9']) await put(store, id);
    await put(store, 'other kind', { kind: 'hold' });
    await put(store, 'other tenant', { tenant: 'globex' });
    const ordered = ['10', '9', 'Z', 'a', 'a/b', 'b', 'ä', '\uFFFD', '𝄞'];
    expectSame(await idsOf(store), ordered, 'all');
    expectSame(await idsOf(store, { after: 'a', limit: 2 }), ['a/b', 'b'], 'a page');
    expectSame(await idsOf(store, { after: 'b' }), ['ä', '\uFFFD', '𝄞'], 'the rest');
    for (const limit of [-1, 0.5]) await expectStoreError(store.entries(tenant, 'cursor', { limit }), `limit ${limit}`);
    for (let index = 0; index < 100; index += 1) await put(store, `more-${index}`);
    expectSame((await idsOf(store)).length, 100, 'default limit');
  },

  async 'nothing on hold is claimed, approved or not'(storage) {
    const store = await storage.open();
    const hold = (id: string, kind: EntryKind = 'hold') => put(store, id, { kind });
    for (const id of ['tenant', 'subject:alice-subject', 'agent:support', 'agent:planner']) {
      const version = await hold(id);
      const call = newCall();
      const before = await countRecords(store);
      expectSame(await store.claim(claimInput(call)), refused('held'), id);
      expectSame(await countRecords(store), before, 'ledger');
      await put(store, id, { kind: 'hold', expected: version, value: undefined });
      expectSame(await store.claim(claimInput(call)), claimed, `${id} released`);
    }
    const { claim } = await fileApproved(store);
    const version = await hold('agent:support');
    expectSame(await claim(), refused('held'), 'an approved call');
    await put(store, 'agent:support', { kind: 'hold', expected: version, value: undefined });
    await hold('agent:other');
    await hold('subject:bob-subject');
    await hold('tenant', 'lock');
    expectSame(await claim(), claimed, 'holds of others');
  },

  async 'what ran before a hold is settled all the same'(storage) {
    const store = await storage.open();
    const call = newCall();
    expectSame(await store.claim(claimInput(call)), claimed, 'claim');
    await put(store, 'tenant', { kind: 'hold' });
    const outcome = { status: 'completed', sealed: 'result' } as const;
    await store.settle({ call, claim: 'attempt', now: 2000, outcome, closedLeases: [], records: [] });
    expectSame(await store.claim(claimInput(call)), { status: 'settled', outcome }, 'asked again');
  },

  async 'a chain loses its oldest records and nothing else'(storage) {
    const store = await storage.open();
    const { writer } = store;
    await store.append(
      tenant,
      Array.from({ length: 6 }, () => newDraft()),
    );
    await store.append('globex', [newDraft({ tenant: 'globex' })]);
    const [head] = await store.heads(tenant);
    const entry = { id: `${writer}/1`, value: 'proof' };
    const prune = (through: number, records = [newDraft()]) =>
      store.system.prune({ tenant, writer, through, entry, now: 5000, records });
    for (const through of [0, -1, 1.5, Number.NaN, 6, 7]) await expectStoreError(prune(through), `through ${through}`);
    expectSame([await countRecords(store), await store.heads(tenant)], [6, [head]], 'after what was refused');
    expectSame(await prune(4), 4, 'removed');
    const records = await store.records(tenant, {});
    expectSame(
      records.map(({ seq }) => seq),
      [5, 6, 7],
      'what is left',
    );
    expectMembers(await store.entry(tenant, 'segment', entry.id), { value: 'proof', updatedAt: 5000 }, 'segment');
    expectSame((await store.records('globex', {})).length, 1, 'the other tenant');
    expectSame(await store.writers(tenant), [writer], 'writers');
    await store.append(tenant, [newDraft()]);
    expectMembers((await store.heads(tenant))[0], { seq: 8 }, 'the chain goes on');
    expectSame(await prune(4, []), 0, 'again');
    await expectStoreError(
      store.system.prune({ tenant, writer: 'w_other', through: 1, entry, now: 1, records: [] }),
      'a writer that is not there',
    );
  },
};

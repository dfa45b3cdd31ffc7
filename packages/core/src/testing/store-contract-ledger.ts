/**
 * What the store promises about the ledger, leases and the keys of subjects.
 * @module
 */
import { genesisHash, hashRecord } from '../record/chain.ts';
import type { StoredRecord } from '../record/record.ts';
import type { Store } from '../store/store.ts';
import type { StoreCheck } from './store-contract.ts';
import {
  claimInput,
  expectMembers,
  expectSame,
  expectStoreError,
  newCall,
  newDraft,
  tenant,
} from './store-fixtures.ts';

/** Every record links to the one before it, from the genesis of its chain on. */
export function expectChained(records: readonly StoredRecord[], what: string): void {
  const heads = new Map<string, { seq: number; hash: string }>();
  for (const { tenant: of, writer, seq, body, hash } of records) {
    const chain = `${of} ${writer}`;
    const head = heads.get(chain) ?? { seq: 0, hash: genesisHash(of, writer) };
    expectSame(seq, head.seq + 1, `${what}: sequence in ${chain}`);
    expectSame(
      hash,
      hashRecord({ tenant: of, writer, seq, previous: head.hash, body }),
      `${what}: hash ${seq} in ${chain}`,
    );
    heads.set(chain, { seq, hash });
  }
}

const seqs = async (store: Store, filter: Parameters<Store['records']>[1]): Promise<number[]> =>
  (await store.records(tenant, filter)).map(({ seq }) => seq);

const lease = { id: 'lse-1', service: 'github', provider: 'memory', expiresAt: 2000 };

export const ledgerCases: Readonly<Record<string, StoreCheck>> = {
  async 'records are chained without a gap and come back as they were given'(storage) {
    const store = await storage.open();
    const drafts = Array.from({ length: 7 }, (_, index) =>
      newDraft({ time: 1000 + index, call: index % 2 === 0 ? 'key' : undefined }),
    );
    await Promise.all([
      store.append(tenant, drafts.slice(0, 3)),
      store.append(tenant, []),
      store.append(tenant, drafts.slice(3, 5)),
    ]);
    await store.append(tenant, drafts.slice(5));
    const records = await store.records(tenant, {});
    expectChained(records, 'ledger');
    const given = drafts.map(({ id: _, ...draft }) => draft);
    expectSame(
      records.map(({ writer: _, seq: __, hash: ___, ...record }) => record),
      given,
      'records',
    );
    const last = records.at(-1);
    expectSame(await store.heads(tenant), [{ tenant, writer: store.writer, seq: 7, hash: last?.hash }], 'heads');
    expectSame(await store.writers(tenant), [store.writer], 'writers');
  },

  async 'a failed write does not advance the chain'(storage) {
    const store = await storage.open();
    await store.append(tenant, [newDraft()]);
    await expectStoreError(store.append(tenant, [newDraft(), newDraft({ tenant: 'globex' })]), 'append');
    await Promise.allSettled([
      store.append(tenant, [newDraft()]),
      store.append(tenant, [newDraft({ tenant: 'globex' })]),
    ]);
    await store.append(tenant, [newDraft()]);
    const records = await store.records(tenant, {});
    expectSame(records.length, 3, 'records');
    expectChained(records, 'ledger');
  },

  async 'each opened store writes a chain of its own'(storage) {
    const stores = [await storage.open(), await storage.open()] as const;
    await Promise.all(stores.flatMap((store) => [1, 2, 3].map((time) => store.append(tenant, [newDraft({ time })]))));
    const records = await stores[0].records(tenant, {});
    expectChained(records, 'ledger');
    const writers = stores.map((store) => store.writer).toSorted();
    expectSame(writers.length, new Set(writers).size, 'names of writers');
    expectSame(
      records.map(({ writer }) => writer),
      writers.flatMap((writer) => [writer, writer, writer]),
      'order',
    );
    expectSame(await stores[1].writers(tenant), writers, 'writers');
    expectSame(
      (await stores[1].heads(tenant)).map(({ writer, seq }) => [writer, seq]),
      writers.map((writer) => [writer, 3]),
      'heads',
    );
  },

  async 'records are found by call, kind, time, writer and place'(storage) {
    const store = await storage.open();
    const drafts = Array.from({ length: 6 }, (_, index) =>
      newDraft({
        time: 1000 + index,
        call: index < 3 ? 'first' : 'second',
        kind: index % 2 === 0 ? 'claim' : 'outcome',
      }),
    );
    await store.append(tenant, drafts);
    expectSame(await seqs(store, { call: 'second' }), [4, 5, 6], 'by call');
    expectSame(await seqs(store, { kind: 'outcome' }), [2, 4, 6], 'by kind');
    expectSame(await seqs(store, { since: 1001, until: 1003 }), [2, 3, 4], 'by time, both ends included');
    expectSame(await seqs(store, { writer: store.writer, afterSeq: 2, limit: 3 }), [3, 4, 5], 'page');
    expectSame(await seqs(store, { afterSeq: 6 }), [], 'after the end');
    expectSame(await seqs(store, { writer: 'w_none' }), [], 'another writer');
    expectSame(await seqs(store, { call: 'first', kind: 'claim', since: 1001 }), [3], 'all filters');
    expectSame(await seqs(store, { limit: 0 }), [], 'no row');
    for (const limit of [-1, Number.NaN]) await expectStoreError(store.records(tenant, { limit }), `limit ${limit}`);
  },

  async 'the time of the newest record is known across tenants and instances'(storage) {
    const store = await storage.open();
    expectSame(await store.system.latestTime(), 0, 'of nothing');
    await store.append('globex', [newDraft({ tenant: 'globex', time: 7000 })]);
    await store.append(tenant, [newDraft({ time: 6000 })]);
    expectSame(await store.system.latestTime(), 7000, 'of two tenants');
  },

  async 'a lease is durable with its claim, and is closed once'(storage) {
    const store = await storage.open();
    const call = newCall();
    const open = () => store.system.openLeases(5000, 10);
    await store.claim(claimInput(call, { leases: [lease, { ...lease, id: 'lse-2', expiresAt: 1500 }] }));
    expectSame(await store.system.openLeases(1500, 10), [], 'before the expiry');
    const planned = { ...lease, tenant, callKey: call.key, state: 'planned' };
    expectSame(await open(), [{ ...planned, id: 'lse-2', expiresAt: 1500 }, planned], 'planned');
    expectSame((await store.system.openLeases(5000, 1)).length, 1, 'limit');
    await store.leaseIssued({
      tenant,
      id: 'lse-1',
      sealedHandle: 'handle',
      expiresAt: 1800,
      records: [newDraft({ event: 'issued' })],
    });
    expectMembers(
      (await open())[1],
      { id: 'lse-1', state: 'issued', sealedHandle: 'handle', expiresAt: 1800 },
      'issued',
    );
    await store.leaseClosed({ tenant, id: 'lse-2', records: [newDraft({ event: 'revoked' })] });
    await store.leaseClosed({ tenant, id: 'lse-2', records: [newDraft({ event: 'revoked' })] });
    expectSame(
      (await open()).map(({ id }) => id),
      ['lse-1'],
      'after one was closed',
    );
    const issue = (id: string) => store.leaseIssued({ tenant, id, sealedHandle: 'handle', expiresAt: 1, records: [] });
    await expectStoreError(issue('lse-2'), 'issuing a closed lease');
    await expectStoreError(issue('lse-none'), 'issuing an unknown lease');
    await expectStoreError(store.leaseClosed({ tenant, id: 'lse-none', records: [] }), 'closing an unknown lease');
    expectSame(
      (await store.records(tenant, {})).map(({ event }) => event),
      ['claimed', 'issued', 'revoked'],
      'ledger',
    );
  },

  async 'settling and releasing close the leases of their own call only'(storage) {
    const store = await storage.open();
    const [first, second] = [newCall(), newCall()];
    await store.claim(claimInput(first, { leases: [lease, { ...lease, id: 'lse-2' }] }));
    await store.claim(claimInput(second, { leases: [{ ...lease, id: 'lse-3' }] }));
    const closedLeases = ['lse-1', 'lse-3', 'lse-none'];
    await store.settle({
      claim: 'attempt',
      call: first,
      now: 1,
      outcome: { status: 'completed' },
      closedLeases,
      records: [],
    });
    expectSame(
      (await store.system.openLeases(5000, 10)).map(({ id }) => id),
      ['lse-2', 'lse-3'],
      'after settling',
    );
    await store.release({ claim: 'attempt', call: second, now: 1, closedLeases, records: [] });
    expectSame(
      (await store.system.openLeases(5000, 10)).map(({ id }) => id),
      ['lse-2'],
      'after releasing',
    );
  },

  async 'the first key of a subject is kept, and an erased one does not come back'(storage) {
    const store = await storage.open();
    expectSame(await store.subjectKey(tenant, 'alice', undefined), undefined, 'no key');
    const kept = await Promise.all(['one', 'two', 'three'].map((key) => store.subjectKey(tenant, 'alice', key)));
    expectSame(new Set(kept).size, 1, 'keys kept');
    expectSame(await store.subjectKey(tenant, 'alice', 'four'), kept[0], 'a later candidate');
    await store.subjectKey(tenant, 'bob', 'of bob');
    await store.eraseSubject(tenant, 'alice', [newDraft({ kind: 'administration', event: 'subject_erased' })]);
    expectSame(await store.subjectKey(tenant, 'alice', undefined), undefined, 'erased');
    expectSame(await store.subjectKey(tenant, 'bob', undefined), 'of bob', 'another subject');
    expectSame(await store.subjectKey(tenant, 'alice', 'new'), 'new', 'a new key');
    expectSame(
      (await store.records(tenant, {})).map(({ event }) => event),
      ['subject_erased'],
      'ledger',
    );
  },
};

/**
 * What the store promises about calls: one claim, one outcome.
 * @module
 */
import type { ClaimResult, Store } from '../store/store.ts';
import type { StoreCheck } from './store-contract.ts';
import {
  claimInput,
  decisionDraft,
  expectMembers,
  expectSame,
  expectStoreError,
  newCall,
  newDraft,
  reviewInput,
  tenant,
} from './store-fixtures.ts';

const eventsOf = async (store: Store): Promise<string[]> => (await store.records(tenant, {})).map(({ event }) => event);
const claimed: ClaimResult = { status: 'claimed' };

export const callCases: Readonly<Record<string, StoreCheck>> = {
  async 'a first claim appends its records and keeps the facts'(storage) {
    const store = await storage.open();
    const call = newCall();
    const records = [decisionDraft(call), newDraft({ call: call.key })];
    expectSame(await store.claim(claimInput(call, { records })), claimed, 'first claim');
    expectSame(await store.call(call), { ...call, state: 'claimed', claimedAt: 1000, claim: 'attempt' }, 'stored call');
    expectSame(await eventsOf(store), ['decided', 'claimed'], 'ledger');
  },

  async 'of many claims of one key at once, exactly one runs'(storage) {
    const store = await storage.open();
    const call = newCall();
    const results = await Promise.all(Array.from({ length: 20 }, () => store.claim(claimInput(call))));
    expectSame(results.filter(({ status }) => status === 'claimed').length, 1, 'claims');
    expectSame(results.filter(({ status }) => status === 'unsettled').length, 19, 'the others');
    expectSame(await eventsOf(store), ['claimed'], 'ledger');
  },

  async 'of many claims of one key in two instances, exactly one runs'(storage) {
    const stores = [await storage.open(), await storage.open()];
    for (let round = 0; round < 20; round += 1) {
      const call = newCall();
      const results = await Promise.all(
        stores.flatMap((store) => [store.claim(claimInput(call)), store.claim(claimInput(call))]),
      );
      expectSame(results.filter(({ status }) => status === 'claimed').length, 1, `claims of round ${round}`);
    }
  },

  async 'a settled call answers its outcome and never runs again'(storage) {
    const store = await storage.open();
    const call = newCall();
    await store.claim(claimInput(call));
    const outcome = { status: 'completed', sealed: 'result' } as const;
    const records = [newDraft({ kind: 'outcome', event: 'completed' })];
    await store.settle({ claim: 'attempt', call, now: 1500, outcome, closedLeases: [], records });
    for (const idempotent of [false, true]) {
      const again = await store.claim(claimInput(call, { origin: 'resume', idempotent }));
      expectSame(again, { status: 'settled', outcome }, 'claim after settlement');
    }
    expectMembers(await store.call(call), { state: 'settled', outcome, settledAt: 1500 }, 'stored call');
    expectSame(await eventsOf(store), ['claimed', 'completed'], 'ledger');
  },

  async 'an outcome without a kept result is still an outcome'(storage) {
    const store = await storage.open();
    const call = newCall();
    await store.claim(claimInput(call));
    await store.settle({
      claim: 'attempt',
      call,
      now: 1500,
      outcome: { status: 'failed' },
      closedLeases: [],
      records: [],
    });
    expectSame(
      await store.claim(claimInput(call)),
      { status: 'settled', outcome: { status: 'failed' } },
      'second claim',
    );
  },

  async 'a claim without an outcome runs again only when idempotent'(storage) {
    const store = await storage.open();
    const call = newCall();
    await store.claim(claimInput(call));
    expectSame(await store.claim(claimInput(call)), { status: 'unsettled' }, 'not idempotent');
    expectSame(await store.claim(claimInput(call, { idempotent: true, now: 1200 })), claimed, 'idempotent');
    expectMembers(await store.call(call), { state: 'claimed', claimedAt: 1200 }, 'stored call');
    expectSame((await eventsOf(store)).length, 2, 'ledger');
  },

  async 'a resumed call that was never made is refused'(storage) {
    const store = await storage.open();
    const refused = { status: 'refused', code: 'call_never_made' };
    const call = newCall();
    expectSame(await store.claim(claimInput(call, { origin: 'resume' })), refused, 'claim');
    expectSame(await store.observe(reviewInput(call, undefined, { origin: 'resume' })), refused, 'observe');
    expectSame(await store.call(call), undefined, 'call');
    expectSame(await eventsOf(store), [], 'ledger');
  },

  async 'a slot holds one call: other arguments under the same call id are refused'(storage) {
    const store = await storage.open();
    const call = newCall();
    const forged = newCall({ slot: call.slot });
    const refused = { status: 'refused', code: 'call_id_reused' };
    await store.claim(claimInput(call));
    for (const origin of ['model', 'resume'] as const) {
      expectSame(await store.claim(claimInput(forged, { origin })), refused, `claim, ${origin}`);
      expectSame(await store.observe(reviewInput(forged, undefined, { origin })), refused, `observe, ${origin}`);
    }
    expectSame(await store.call(forged), undefined, 'forged call');
    await expectStoreError(
      store.settle({
        claim: 'attempt',
        call: forged,
        now: 1,
        outcome: { status: 'completed' },
        closedLeases: [],
        records: [],
      }),
      'settle',
    );
    await expectStoreError(
      store.release({ claim: 'attempt', call: forged, now: 1, closedLeases: [], records: [] }),
      'release',
    );
    expectMembers(await store.call(call), { state: 'claimed' }, 'first call');
  },

  async 'after an unknown outcome the same arguments go to a person, whatever the call id'(storage) {
    const store = await storage.open();
    const lost = newCall();
    await store.claim(claimInput(lost));
    const again = newCall({ argumentsDigest: lost.argumentsDigest });
    const refused = { status: 'refused', code: 'earlier_outcome_unknown' };
    expectSame(await store.claim(claimInput(again)), refused, 'same arguments');
    expectSame(await store.call(again), undefined, 'the refused call');
    expectSame(
      await store.claim(claimInput(again, { live: new Set([lost.key]) })),
      claimed,
      'while the other runs here',
    );
    await store.release({ claim: 'attempt', call: again, now: 1, closedLeases: [], records: [] });
    expectSame(await store.claim(claimInput(again)), refused, 'a released call');
    const others = [
      { run: 'run-2' },
      { tool: { name: 'other', source: 'local' } },
      { tool: { name: 'refund', source: 'mcp:x' } },
      { argumentsDigest: 'others' },
    ];
    for (const other of others) {
      const call = newCall({ argumentsDigest: lost.argumentsDigest, ...other });
      expectSame(await store.claim(claimInput(call)), claimed, `other ${Object.keys(other).join()}`);
    }
    expectSame(
      await store.claim(claimInput(newCall({ argumentsDigest: lost.argumentsDigest }), { idempotent: true })),
      claimed,
      'idempotent',
    );
  },

  async 'once the outcome is known, the same arguments run again'(storage) {
    const store = await storage.open();
    const first = newCall();
    await store.claim(claimInput(first));
    await store.settle({
      claim: 'attempt',
      call: first,
      now: 1,
      outcome: { status: 'failed' },
      closedLeases: [],
      records: [],
    });
    expectSame(
      await store.claim(claimInput(newCall({ argumentsDigest: first.argumentsDigest }))),
      claimed,
      'second call',
    );
  },

  async 'an operation that throws does not take its neighbours with it'(storage) {
    const store = await storage.open();
    const call = newCall();
    const results = await Promise.allSettled([
      store.claim(claimInput(call)),
      store.append(tenant, [newDraft({ tenant: 'globex' })]),
      store.settle({
        claim: 'attempt',
        call: newCall(),
        now: 1,
        outcome: { status: 'completed' },
        closedLeases: [],
        records: [newDraft({ event: 'lost' })],
      }),
      store.append(tenant, [newDraft({ event: 'kept' })]),
    ]);
    expectSame(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'rejected', 'fulfilled'],
      'results',
    );
    expectSame(await eventsOf(store), ['claimed', 'kept'], 'ledger');
    expectMembers(await store.call(call), { state: 'claimed' }, 'stored call');
  },

  async 'a claim whose records cannot be appended claims nothing'(storage) {
    const store = await storage.open();
    const call = newCall();
    const leases = [{ id: 'lse-1', service: 'github', provider: 'memory', expiresAt: 1 }];
    for (const bad of [newDraft({ tenant: 'globex' }), newDraft({ body: '"\ud800"' })]) {
      await expectStoreError(store.claim(claimInput(call, { leases, records: [newDraft(), bad] })), 'claim');
      expectSame(await store.call(call), undefined, 'call');
      expectSame(await eventsOf(store), [], 'ledger');
      expectSame(await store.system.openLeases(9, 9), [], 'leases');
    }
    expectSame(await store.claim(claimInput(call, { leases })), claimed, 'claim after the failures');
  },

  async 'a closed store refuses, and has finished what was asked before'(storage) {
    const store = await storage.open();
    const call = newCall();
    const claim = store.claim(claimInput(call));
    await store.close();
    expectSame(await claim, claimed, 'claim before close');
    await expectStoreError(store.claim(claimInput(newCall())), 'claim after close');
    await expectStoreError(store.call(call), 'read after close');
    await store.close();
  },

  async 'what was written is there when the storage is opened anew'(storage) {
    const first = await storage.open();
    const call = newCall();
    await first.claim(claimInput(call));
    await first.close();
    const second = await storage.open();
    expectSame(await second.claim(claimInput(call)), { status: 'unsettled' }, 'claim');
    expectMembers(await second.call(call), { ...call, state: 'claimed' }, 'stored call');
  },
};

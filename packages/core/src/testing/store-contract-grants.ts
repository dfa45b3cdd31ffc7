/**
 * What the store promises about grants: one is for one call, once, in time.
 * @module
 */
import type { ApprovalState } from '../call.ts';
import type { StoreCheck } from './store-contract.ts';
import { claimed, countRecords, file, fileApproved, refused } from './store-filed.ts';
import {
  claimInput,
  expectMembers,
  expectSame,
  expectStoreError,
  newApproval,
  newCall,
  newDraft,
  reviewInput,
  tenant,
  voteInput,
} from './store-fixtures.ts';

export const grantCases: Readonly<Record<string, StoreCheck>> = {
  async 'a review opens one approval, and finds it later'(storage) {
    const store = await storage.open();
    const { call, approval } = await file(store);
    const stored = { ...approval, call, state: 'pending', epoch: await store.system.epoch(), votes: [] };
    expectSame(await store.approval(tenant, approval.id), stored, 'stored approval');
    for (const origin of ['model', 'resume'] as const) {
      const again = await store.observe(reviewInput(call, newApproval(), { origin }));
      const seen = { ...call, state: 'review', approval: approval.id };
      expectSame(again, { status: 'observed', call: seen, approval: stored, opened: false }, 'second observation');
    }
    expectSame(
      (await store.records(tenant, {})).map(({ event }) => event),
      ['decided', 'opened'],
      'ledger',
    );
  },

  async 'the number of pending approvals of a run is bounded, also at once'(storage) {
    const store = await storage.open();
    const open = (run: string, now = 1000) =>
      store.observe(reviewInput(newCall({ run }), newApproval(), { maxPendingPerRun: 3, now }));
    const results = await Promise.all(Array.from({ length: 8 }, () => open('run-1')));
    expectSame(results.filter(({ status }) => status === 'observed').length, 3, 'opened');
    expectSame(
      results.filter((result) => result.status === 'refused' && result.code === 'too_many_pending').length,
      5,
      'refused',
    );
    expectSame(await countRecords(store), 6, 'ledger');
    expectMembers(await open('run-2'), { status: 'observed' }, 'another run');
    expectMembers(await open('run-1', 5000), { status: 'observed' }, 'after the others lapsed');
  },

  async 'a call under review does not run without its approval, whatever the policy says now'(storage) {
    const store = await storage.open();
    const { call } = await file(store);
    expectSame(await store.claim(claimInput(call)), refused('approval_required'), 'without an approval');
    await store.observe(reviewInput(call, undefined, { verdict: 'deny' }));
    expectSame(await store.claim(claimInput(call)), refused('approval_required'), 'after a denial');
    const unfiled = newCall();
    await store.observe(reviewInput(unfiled, undefined));
    expectSame(await store.claim(claimInput(unfiled)), refused('approval_required'), 'reviewed, but never filed');
  },

  async 'an approved call runs once'(storage) {
    const store = await storage.open();
    const { call, approval, claim } = await fileApproved(store);
    const results = await Promise.all(Array.from({ length: 10 }, () => claim()));
    expectSame(results.filter(({ status }) => status === 'claimed').length, 1, 'claims');
    expectMembers(await store.approval(tenant, approval.id), { state: 'approved', consumedAt: 3000 }, 'approval');
    const outcome = { status: 'completed' } as const;
    await store.settle({ claim: 'attempt', call, now: 3500, outcome, closedLeases: [], records: [] });
    expectSame(await claim(), { status: 'settled', outcome }, 'replay');
  },

  async 'of claims with one approval in two instances, exactly one runs'(storage) {
    const stores = [await storage.open(), await storage.open()] as const;
    for (let round = 0; round < 10; round += 1) {
      const { call, approval } = await fileApproved(stores[0]);
      const input = claimInput(call, { now: 3000, approval: { id: approval.id, digest: approval.digest } });
      const results = await Promise.all(stores.map((store) => store.claim(input)));
      expectSame(results.filter(({ status }) => status === 'claimed').length, 1, `claims of round ${round}`);
    }
  },

  async 'only an approved approval grants'(storage) {
    const store = await storage.open();
    const cases: readonly (readonly [ApprovalState, string])[] = [
      ['pending', 'approval_required'],
      ['rejected', 'approval_rejected'],
      ['expired', 'approval_expired'],
      ['cancelled', 'approval_cancelled'],
    ];
    for (const [state, code] of cases) {
      const { call, approval, claim } = await file(store);
      if (state === 'rejected') await store.vote(voteInput(call, approval, { verdict: 'reject' }));
      if (state === 'expired' || state === 'cancelled') {
        await store.transition({ tenant, approval: approval.id, to: state, now: 2000, records: [] });
      }
      const before = await countRecords(store);
      expectSame(await claim(), refused(code), state);
      expectSame(await claim({ idempotent: true }), refused(code), `${state}, idempotent`);
      expectMembers(await store.call(call), { state: 'review' }, `call of a ${state} approval`);
      expectSame(await countRecords(store), before, 'ledger');
    }
  },

  async 'an approval grants no other call, digest, tenant or time'(storage) {
    const store = await storage.open();
    const { approval, claim } = await fileApproved(store);
    const other = await file(store);
    const { id, digest } = approval;
    expectSame(await other.claim({ approval: { id, digest } }), refused('approval_required'), 'another call');
    expectSame(
      await store.claim(claimInput(newCall(), { approval: { id, digest } })),
      refused('approval_required'),
      'a new call',
    );
    const foreign = newCall({ tenant: 'globex' });
    expectSame(
      await store.claim(claimInput(foreign, { approval: { id, digest } })),
      refused('approval_required'),
      'another tenant',
    );
    expectSame(await claim({ approval: { id, digest: 'other' } }), refused('approval_stale'), 'another digest');
    expectSame(await claim({ approval: { id: 'apr-none', digest } }), refused('approval_required'), 'no such approval');
    expectSame(await claim({ now: approval.expiresAt }), refused('approval_expired'), 'too late');
    expectSame(await claim({ now: Number.NaN }), refused('approval_expired'), 'no time');
    expectSame(await claim({ now: approval.expiresAt - 1 }), claimed, 'the very last moment');
  },

  async 'a clock that jumps back does not bring a grant back to life'(storage) {
    const store = await storage.open();
    const { call, approval, claim } = await fileApproved(store);
    const pending = await file(store);
    await store.append(tenant, [newDraft({ time: approval.expiresAt })]);
    expectSame(await claim({ now: 3000 }), refused('approval_expired'), 'claim');
    expectSame(await store.vote(voteInput(pending.call, pending.approval)), refused('expired'), 'vote');
    expectMembers(await store.call(call), { state: 'review' }, 'call');
  },

  async 'a new epoch voids open grants and approvals'(storage) {
    const store = await storage.open();
    const granted = await fileApproved(store);
    const pending = await file(store, {}, { run: 'run-2' });
    const epoch = await store.system.epoch();
    expectSame(await store.system.newEpoch(), epoch + 1, 'new epoch');
    expectSame(await store.system.epoch(), epoch + 1, 'epoch');
    expectSame(await granted.claim(), refused('approval_stale'), 'claim');
    expectSame(await store.vote(voteInput(pending.call, pending.approval)), refused('expired'), 'vote');
    expectSame(await store.system.runnableApprovals({ now: 3000, limit: 10, offset: 0 }), [], 'runnable');
    const voided = reviewInput(newCall({ run: 'run-2' }), newApproval(), { maxPendingPerRun: 1 });
    expectMembers(await store.observe(voided), { status: 'observed' }, 'a voided approval takes no place');
    expectSame(await (await fileApproved(store)).claim(), claimed, 'a grant of the new epoch');
  },

  async 'a claim given back gives its approval back'(storage) {
    const store = await storage.open();
    const { call, approval, claim } = await fileApproved(store);
    await claim();
    const input = { call, claim: 'attempt', now: 3100, closedLeases: [], records: [newDraft({ event: 'released' })] };
    await expectStoreError(store.release({ ...input, approval: 'apr-other' }), 'release of another approval');
    await store.release({ ...input, approval: approval.id });
    const { consumedAt } = (await store.approval(tenant, approval.id)) ?? {};
    expectSame(consumedAt, undefined, 'consumed');
    expectSame(await store.claim(claimInput(call)), refused('approval_required'), 'claim without it');
    expectSame(await claim({ now: 3200 }), claimed, 'claim with it');
  },

  async 'an idempotent call that died takes up its own grant, in time, and no other call does'(storage) {
    const store = await storage.open();
    const { approval, claim } = await fileApproved(store);
    expectSame(await claim(), claimed, 'first claim');
    expectSame(await claim(), { status: 'unsettled' }, 'not idempotent');
    expectSame(await claim({ idempotent: true }), claimed, 'idempotent');
    expectSame(await claim({ idempotent: true, now: approval.expiresAt }), refused('approval_expired'), 'too late');
  },
};

/**
 * What the store promises about attempts and observations: who may end a claim, and what is written once.
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
  newApproval,
  newCall,
  newDraft,
  reviewInput,
  tenant,
} from './store-fixtures.ts';

const eventsOf = async (store: Store): Promise<string[]> => (await store.records(tenant, {})).map(({ event }) => event);
const claimed: ClaimResult = { status: 'claimed' };

export const attemptCases: Readonly<Record<string, StoreCheck>> = {
  async 'only a claimed call is settled or released, once, and nothing is written otherwise'(storage) {
    const store = await storage.open();
    const call = newCall();
    const records = [newDraft({ event: 'completed' })];
    const settled = {
      claim: 'attempt',
      call,
      now: 1,
      outcome: { status: 'completed' },
      closedLeases: [],
      records,
    } as const;
    const settle = () => store.settle(settled);
    const release = () => store.release({ claim: 'attempt', call, now: 1, closedLeases: [], records });
    await expectStoreError(settle(), 'settle of an unknown call');
    await expectStoreError(release(), 'release of an unknown call');
    await store.claim(claimInput(call));
    await release();
    await expectStoreError(settle(), 'settle of a released call');
    await expectStoreError(release(), 'second release');
    await store.claim(claimInput(call));
    await settle();
    // The answer to the first may have been lost: the same attempt may say it again, and nothing is written twice.
    await settle();
    await expectStoreError(store.settle({ ...settled, claim: 'other' }), 'settle by another attempt');
    await expectStoreError(release(), 'release of a settled call');
    expectSame((await eventsOf(store)).length, 4, 'ledger');
  },

  async 'an attempt that lost its claim neither settles nor releases what another attempt holds'(storage) {
    const store = await storage.open();
    const call = newCall();
    await store.claim(claimInput(call, { claim: 'first', idempotent: true }));
    await store.claim(claimInput(call, { claim: 'second', idempotent: true }));
    const input = { call, claim: 'first', now: 1, closedLeases: [], records: [newDraft()] };
    await expectStoreError(store.release(input), 'release by the first');
    await expectStoreError(store.settle({ ...input, outcome: { status: 'completed' } }), 'settle by the first');
    expectMembers(await store.call(call), { state: 'claimed', claim: 'second' }, 'stored call');
    await store.settle({ ...input, claim: 'second', outcome: { status: 'completed' } });
    expectMembers(await store.call(call), { state: 'settled', claim: 'second' }, 'settled call');
  },

  async 'a released call is claimed again'(storage) {
    const store = await storage.open();
    const call = newCall();
    await store.claim(claimInput(call));
    await store.release({
      claim: 'attempt',
      call,
      now: 1100,
      closedLeases: [],
      records: [newDraft({ event: 'released' })],
    });
    expectSame(await store.call(call), { ...call, state: 'released' }, 'released call');
    expectSame(await store.claim(claimInput(call, { origin: 'resume' })), claimed, 'second claim');
  },

  async 'a decision is written once per call key, policy version and verdict'(storage) {
    const store = await storage.open();
    const call = newCall();
    const deny = (decision: string) =>
      store.observe(
        reviewInput(call, undefined, {
          verdict: 'deny',
          records: [decisionDraft(call, decision), newDraft({ event: 'beside' })],
        }),
      );
    await deny('v1:deny');
    await deny('v1:deny');
    expectSame(await eventsOf(store), ['decided', 'beside'], 'after two equal decisions');
    await deny('v2:deny');
    await deny('v1:deny');
    expectSame(await eventsOf(store), ['decided', 'beside', 'decided'], 'after another policy version');
    await store.claim(claimInput(call, { records: [decisionDraft(call, 'v2:deny'), newDraft()] }));
    expectSame(await eventsOf(store), ['decided', 'beside', 'decided', 'claimed'], 'after the claim');
    expectMembers(await store.call(call), { state: 'claimed' }, 'stored call');
    expectMembers(await deny('v3:deny'), { status: 'observed', opened: false }, 'observed while claimed');
    expectMembers(await store.call(call), { state: 'claimed' }, 'still claimed');
  },

  async 'a permitted call that its framework pauses is seen, and then resumed'(storage) {
    const store = await storage.open();
    const call = newCall();
    const see = () =>
      store.observe(reviewInput(call, newApproval(), { verdict: 'allow', records: [decisionDraft(call)] }));
    const seen = { status: 'observed', call: { ...call, state: 'seen' }, opened: false };
    expectSame(await see(), seen, 'first sight');
    expectSame(await see(), seen, 'second sight');
    const records = [decisionDraft(call), newDraft()];
    expectSame(await store.claim(claimInput(call, { origin: 'resume', records })), claimed, 'resumed claim');
    expectSame(await eventsOf(store), ['decided', 'claimed'], 'ledger');
  },

  async 'permission does not take a review back'(storage) {
    const store = await storage.open();
    const call = newCall();
    await store.observe(reviewInput(call, newApproval()));
    await store.observe(reviewInput(call, undefined, { verdict: 'allow' }));
    expectMembers(await store.call(call), { state: 'review' }, 'stored call');
    expectSame(await store.claim(claimInput(call)), { status: 'refused', code: 'approval_required' }, 'claim');
  },

  async 'of equal observations at once, one is recorded'(storage) {
    const store = await storage.open();
    const call = newCall();
    await Promise.all(
      Array.from({ length: 10 }, () => store.observe(reviewInput(call, undefined, { verdict: 'deny' }))),
    );
    expectSame(await eventsOf(store), ['decided', 'opened'], 'ledger');
    expectMembers(await store.call(call), { state: 'denied' }, 'stored call');
  },
};

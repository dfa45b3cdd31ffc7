/**
 * What the store promises about approvals: they are decided once, and found by who has to act on them.
 * @module
 */
import type { Risk } from '../call.ts';
import type { CallFacts, NewApproval, Store, Vote } from '../store/store.ts';
import type { StoreCheck } from './store-contract.ts';
import { claimed, countRecords, editFiled, file, fileApproved, refused, type Filed } from './store-filed.ts';
import {
  claimInput,
  expectMembers,
  expectSame,
  expectStoreError,
  newApproval,
  newCall,
  newDraft,
  tenant,
  voteInput,
} from './store-fixtures.ts';

export const approvalCases: Readonly<Record<string, StoreCheck>> = {
  async 'a vote decides once'(storage) {
    const store = await storage.open();
    const { call, approval } = await file(store);
    const votes = ['carol', 'dave', 'erin'].flatMap((approver) => [
      voteInput(call, approval, { approver }),
      voteInput(call, approval, { approver, verdict: 'reject' }),
    ]);
    const before = await countRecords(store);
    const results = await Promise.all(votes.map((vote) => store.vote(vote)));
    expectSame(results.filter(({ status }) => status === 'recorded').length, 1, 'recorded votes');
    expectSame(
      results.filter((result) => result.status === 'refused' && result.code === 'not_pending').length,
      5,
      'refused votes',
    );
    const stored = await store.approval(tenant, approval.id);
    expectMembers(stored, { state: 'approved', votes: [votes[0]?.vote] }, 'approval');
    expectSame(results[0], { status: 'recorded', approval: stored }, 'answer');
    expectSame(await countRecords(store), before + 1, 'ledger');
  },

  async 'a vote by the requester, too late, on other content or on nothing is refused and leaves no trace'(storage) {
    const store = await storage.open();
    const { call, approval } = await file(store);
    const before = await countRecords(store);
    const attempts: readonly (readonly [string, Parameters<Store['vote']>[0]])[] = [
      ['requester', voteInput(call, approval, { subject: call.subject })],
      ['expired', voteInput(call, approval, { now: approval.expiresAt })],
      ['expired', voteInput(call, approval, { now: Number.NaN })],
      ['digest_mismatch', voteInput(call, approval, { digest: 'what was shown before' })],
      ['not_found', voteInput(call, { ...approval, id: 'apr-none' })],
      ['not_found', voteInput({ ...call, tenant: 'globex' }, approval)],
    ];
    for (const [code, vote] of attempts) expectSame(await store.vote(vote), refused(code), code);
    expectMembers(await store.approval(tenant, approval.id), { state: 'pending', votes: [] }, 'approval');
    expectSame(await countRecords(store), before, 'ledger');
  },

  async 'as many must agree as the quorum says, and nobody votes twice'(storage) {
    const store = await storage.open();
    const { call, approval, claim } = await file(store);
    const vote = (approver: string, verdict: Vote['verdict'] = 'approve') =>
      store.vote(voteInput(call, approval, { approver, verdict, quorum: 2 }));
    expectMembers(await vote('carol'), { status: 'recorded' }, 'first vote');
    expectMembers(await store.approval(tenant, approval.id), { state: 'pending' }, 'after one of two');
    expectSame(await claim(), refused('approval_required'), 'a claim on one of two votes');
    const before = await countRecords(store);
    expectSame(await vote('carol'), refused('already_voted'), 'the same approver again');
    expectSame(await vote('carol', 'reject'), refused('already_voted'), 'the same approver, the other way');
    expectSame(await vote('CAROL'), refused('already_voted'), 'the same approver in capitals');
    expectSame(await countRecords(store), before, 'ledger');
    expectMembers(await vote('dave'), { status: 'recorded' }, 'second vote');
    const stored = await store.approval(tenant, approval.id);
    expectSame([stored?.state, stored?.votes.length], ['approved', 2], 'after two of two');
    const events = (await store.records(tenant, { kind: 'approval' })).map(({ event }) => event);
    expectSame(events, ['opened', 'voted', 'approve'], 'events');
  },

  async 'one person who votes at the same time under names in different case is one of two'(storage) {
    const store = await storage.open();
    const { call, approval } = await file(store);
    const vote = (approver: string) => store.vote(voteInput(call, approval, { approver, quorum: 2 }));
    const results = await Promise.all(['carol', 'Carol', 'CAROL'].map(vote));
    expectSame(results.filter(({ status }) => status === 'recorded').length, 1, 'votes that count');
    const stored = await store.approval(tenant, approval.id);
    expectSame([stored?.state, stored?.votes.length], ['pending', 1], 'after one person');
  },

  async 'of votes at the same time, the one that completes the quorum decides'(storage) {
    const store = await storage.open();
    const { call, approval } = await file(store);
    const approvers = ['carol', 'dave', 'erin', 'frank'];
    const results = await Promise.all(
      approvers.map((approver) => store.vote(voteInput(call, approval, { approver, quorum: 3 }))),
    );
    expectSame(results.filter(({ status }) => status === 'recorded').length, 3, 'recorded votes');
    const stored = await store.approval(tenant, approval.id);
    expectSame([stored?.state, stored?.votes.length], ['approved', 3], 'approval');
  },

  async 'one rejection rejects, whatever the quorum and however many agreed'(storage) {
    const store = await storage.open();
    const { call, approval } = await file(store);
    await store.vote(voteInput(call, approval, { quorum: 2 }));
    await store.vote(voteInput(call, approval, { approver: 'dave', verdict: 'reject', quorum: 2 }));
    expectMembers(await store.approval(tenant, approval.id), { state: 'rejected' }, 'approval');
    expectSame(
      await store.vote(voteInput(call, approval, { approver: 'erin', quorum: 2 })),
      refused('not_pending'),
      'a vote after that',
    );
  },

  async 'a quorum of nobody, or a vote that is neither yes nor no, approves nothing'(storage) {
    const store = await storage.open();
    const { call, approval } = await file(store);
    for (const quorum of [0, -1, Number.NaN]) {
      await expectStoreError(store.vote(voteInput(call, approval, { quorum })), `quorum ${quorum}`);
    }
    expectMembers(await store.approval(tenant, approval.id), { state: 'pending', votes: [] }, 'approval');
  },

  async 'an approval that ended never reopens, and a consumed one does not end'(storage) {
    const store = await storage.open();
    const end = (approval: NewApproval, to: 'expired' | 'cancelled' = 'cancelled', of = tenant) =>
      store.transition({
        tenant: of,
        approval: approval.id,
        to,
        now: 2500,
        records: [newDraft({ tenant: of, event: to })],
      });
    const cancelled = await file(store);
    const before = await countRecords(store);
    expectSame(await end(cancelled.approval, 'cancelled', 'globex'), false, 'of another tenant');
    expectSame(await end(cancelled.approval), true, 'pending');
    expectSame([await end(cancelled.approval), await end(cancelled.approval, 'expired')], [false, false], 'again');
    expectSame(await countRecords(store), before + 1, 'ledger');
    expectSame(await store.vote(voteInput(cancelled.call, cancelled.approval)), refused('not_pending'), 'vote');
    const approved = await fileApproved(store);
    expectSame(await end(approved.approval, 'expired'), true, 'approved');
    expectSame(await approved.claim(), refused('approval_expired'), 'claim');
    const consumed = await fileApproved(store);
    await consumed.claim();
    expectSame(await end(consumed.approval), false, 'consumed');
    expectSame(await end(newApproval()), false, 'unknown');
  },

  async 'approvals are listed by state, run, mode and consumption, oldest first'(storage) {
    const store = await storage.open();
    const late = await file(store, { createdAt: 1300 });
    const early = await file(store, { createdAt: 1100, mode: 'blocking' }, { run: 'run-2' });
    const consumed = await fileApproved(store, { createdAt: 1200 });
    await consumed.claim();
    const ids = async (filter: Parameters<Store['approvals']>[1]) =>
      (await store.approvals(tenant, filter)).map(({ id }) => id);
    const [first, second, third] = [early.approval.id, consumed.approval.id, late.approval.id];
    expectSame(await ids({}), [first, second, third], 'all');
    expectSame(await ids({ state: 'pending' }), [first, third], 'pending');
    expectSame(await ids({ run: 'run-2' }), [first], 'of a run');
    expectSame(await ids({ mode: 'asynchronous' }), [second, third], 'asynchronous');
    expectSame([await ids({ consumed: true }), await ids({ consumed: false })], [[second], [first, third]], 'consumed');
    expectSame(
      await ids({ state: 'pending', mode: 'asynchronous', run: 'run-1', consumed: false }),
      [third],
      'all filters',
    );
    expectSame(await ids({ limit: 1 }), [first], 'limit');
    expectSame(await ids({ newestFirst: true }), [third, second, first], 'newest first');
    expectSame(await ids({ newestFirst: true, before: third, limit: 1 }), [second], 'the next page');
    expectSame(await ids({ newestFirst: true, before: second, state: 'pending' }), [first], 'in a state');
    expectSame([await ids({ before: third }), await ids({ before: first })], [[first, second], []], 'earlier ones');
    expectSame(await ids({ before: newApproval().id }), [], 'before an unknown one');
    expectSame([await ids({ after: first }), await ids({ after: third })], [[second, third], []], 'later ones');
    expectSame(await ids({ after: first, limit: 1 }), [second], 'the next page, oldest first');
    expectSame(await ids({ after: first, before: third, newestFirst: true }), [second], 'between two');
    expectSame(await ids({ after: newApproval().id }), [], 'after an unknown one');
    const same = await file(store, { createdAt: 1300 });
    expectSame(await ids({ newestFirst: true, limit: 2 }), [same.approval.id, third], 'opened at the same time');
    expectSame(await ids({ newestFirst: true, before: same.approval.id, limit: 1 }), [third], 'their next page');
    for (const limit of [-1, 0.5, Number.NaN])
      await expectStoreError(store.approvals(tenant, { limit }), `limit ${limit}`);
    for (let index = 0; index < 100; index += 1) {
      await file(store, { createdAt: 2000 + index }, { run: 'run-3', subject: `subject-${index}` });
    }
    expectSame((await ids({})).length, 100, 'default limit');
  },

  async 'the provenance of a request stays what it was filed with'(storage) {
    const store = await storage.open();
    const { call, approval } = await file(store, { sealedProvenance: 'sealed origins' });
    const without = await file(store);
    const { id } = approval;
    await editFiled(store, approval);
    await store.vote(voteInput(call, approval, { digest: 'another' }));
    expectMembers(
      await store.approval(tenant, id),
      { state: 'approved', digest: 'another', sealedProvenance: 'sealed origins' },
      'edited and approved',
    );
    expectMembers(await store.approval(tenant, without.approval.id), { sealedProvenance: undefined }, 'without');
    const listed = (await store.approvals(tenant, {})).map(({ sealedProvenance = '' }) => sealedProvenance);
    expectSame(listed, ['sealed origins', ''], 'listed');
  },

  async 'after an unknown outcome what an approver wrote goes to a person, as what was asked for does'(storage) {
    const store = await storage.open();
    const { call, approval, claim } = await file(store);
    const { id } = approval;
    await editFiled(store, approval);
    await store.vote(voteInput(call, approval, { digest: 'another' }));
    expectSame(await claim({ approval: { id, digest: 'another' } }), claimed, 'the edited call');
    for (const argumentsDigest of ['edited', call.argumentsDigest]) {
      const again = await store.claim(claimInput(newCall({ argumentsDigest })));
      expectSame(again, refused('earlier_outcome_unknown'), `again ${argumentsDigest}`);
    }
    const elsewhere = newCall({ argumentsDigest: 'edited', run: 'run-2' });
    expectSame(await store.claim(claimInput(elsewhere)), claimed, 'in another run');
  },

  async 'the sweeper finds what expired, the worker what can run'(storage) {
    const store = await storage.open();
    const place = ({ call, approval }: Filed) => ({ tenant: call.tenant, id: approval.id });
    const runnable = await fileApproved(store, { expiresAt: 4000 });
    const blocking = await fileApproved(store, { expiresAt: 6000, mode: 'blocking' });
    const pending = await file(store, { expiresAt: 3500 }, { tenant: 'globex' });
    const consumed = await fileApproved(store);
    await consumed.claim();
    const rejected = await file(store);
    await store.vote(voteInput(rejected.call, rejected.approval, { verdict: 'reject' }));
    expectSame(
      await store.system.runnableApprovals({ now: 3000, limit: 10, offset: 0 }),
      [place(runnable)],
      'runnable',
    );
    expectSame(await store.system.runnableApprovals({ now: 3000, limit: 10, offset: 1 }), [], 'runnable, second page');
    expectSame(await store.system.runnableApprovals({ now: 4000, limit: 10, offset: 0 }), [], 'runnable, expired');
    expectSame(await store.system.expiredApprovals(3499, 10), [], 'nothing expired');
    expectSame(await store.system.expiredApprovals(4000, 10), [place(pending), place(runnable)], 'expired');
    expectSame(
      await store.system.expiredApprovals(9000, 10),
      [place(pending), place(runnable), place(blocking)],
      'all expired',
    );
    expectSame(await store.system.expiredApprovals(9000, 1), [place(pending)], 'limit');
  },

  async 'the inbox of a run holds what a worker settled, oldest first'(storage) {
    const store = await storage.open();
    const settled: CallFacts[] = [];
    for (const [mode, now] of [
      ['asynchronous', 4000],
      ['blocking', 3500],
      ['asynchronous', 3200],
    ] as const) {
      const risk: Risk = mode === 'blocking' ? 'high' : 'medium';
      const { call, claim } = await fileApproved(store, { mode, risk });
      await claim();
      await store.settle({
        claim: 'attempt',
        call,
        now,
        outcome: { status: 'completed', sealed: 'result' },
        closedLeases: [],
        records: [],
      });
      if (mode === 'asynchronous') settled.unshift(call);
    }
    await (await fileApproved(store)).claim();
    expectSame(
      (await store.settledAsynchronous(tenant, 'run-1')).map(({ key }) => key),
      settled.map(({ key }) => key),
      'inbox',
    );
    expectMembers(
      (await store.settledAsynchronous(tenant, 'run-1'))[0],
      { state: 'settled', settledAt: 3200 },
      'first',
    );
    expectSame(await store.settledAsynchronous(tenant, 'run-2'), [], 'another run');
  },
};

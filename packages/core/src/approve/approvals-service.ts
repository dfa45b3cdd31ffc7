/**
 * The approvals service: what a person's terminal, HTTP client or inbox talks to. It authenticates the approver,
 * shows what would run, and signs the vote. It may, and outside development should, run apart from the agents.
 * @module
 */
import { ApprovalConflict, ApprovalNotFound, ApproverError, KeyError } from '../errors.ts';
import type { Clock } from '../record/clock.ts';
import type { Recorder } from '../record/recorder.ts';
import type { Sealer, SubjectKey } from '../record/sealing.ts';
import type { ApprovalFilter, Store, StoredApproval, Vote, VoteResult } from '../store/store.ts';
import { tenantOfApproval } from './approval-id.ts';
import { approvalEvent } from './approval-record.ts';
import { reasonContext, viewApproval, viewUnreadable } from './approval-view.ts';
import type { ApprovalView, Approver, ApproverDirectory } from './approve.ts';
import type { VoteSigner } from './votes.ts';

export interface ApprovalsServiceOptions {
  readonly store: Store;
  readonly signer: VoteSigner;
  readonly approvers: ApproverDirectory;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
  readonly clock: Clock;
}

export interface DecideInput {
  readonly id: string;
  readonly verdict: 'approve' | 'reject';
  /** The digest that was shown; a decision on anything else is refused. */
  readonly digest: string;
  readonly reason?: string;
}

/** Every method takes what the approver presented, and rejects with `ApproverError` when it proves nobody. */
export interface ApprovalsService {
  /** The approvals of the approver's own tenant, oldest first. */
  list(credential: string, filter?: Pick<ApprovalFilter, 'state' | 'run' | 'limit'>): Promise<readonly ApprovalView[]>;
  /** @throws ApprovalNotFound, also when the approval is another tenant's. */
  show(credential: string, id: string): Promise<ApprovalView>;
  /** @throws ApprovalConflict when it is no longer pending or the digest differs; ApproverError for one's own request. */
  decide(credential: string, input: DecideInput): Promise<ApprovalView>;
}

const maxReasonLength = 1000;

export function createApprovalsService(options: ApprovalsServiceOptions): ApprovalsService {
  const { store, sealer } = options;

  async function authenticate(credential: string): Promise<Approver> {
    const approver = await options.approvers.authenticate(credential);
    if (approver === undefined) throw new ApproverError('the approver could not be authenticated');
    return approver;
  }

  async function find(approver: Approver, id: string): Promise<StoredApproval> {
    const approval = tenantOfApproval(id) === approver.tenant ? await store.approval(approver.tenant, id) : undefined;
    if (approval === undefined) throw new ApprovalNotFound(`no approval ${id} in tenant ${approver.tenant}`);
    return approval;
  }

  /** @throws ApprovalConflict when the stored request is not what its digest says */
  async function open(approval: StoredApproval): Promise<{ readonly view: ApprovalView; readonly key: SubjectKey }> {
    const key = await sealer.bySubject(approval.call.tenant, approval.call.subject);
    if (key === undefined) throw new KeyError('the key of the requester was erased', { erased: true });
    return { view: viewApproval(approval, key, options.clock.now()), key };
  }

  return {
    async list(credential, filter = {}) {
      const approver = await authenticate(credential);
      const approvals = await store.approvals(approver.tenant, filter);
      // One that cannot be read (its user was erased, its row was changed) must not hide the others.
      return Promise.all(
        approvals.map((approval) =>
          open(approval).then(
            ({ view }) => view,
            () => viewUnreadable(approval),
          ),
        ),
      );
    },
    async show(credential, id) {
      return (await open(await find(await authenticate(credential), id))).view;
    },
    async decide(credential, input) {
      const approver = await authenticate(credential);
      if (input.verdict !== 'approve' && input.verdict !== 'reject')
        throw new ApproverError('a verdict is approve or reject');
      const approval = await find(approver, input.id);
      // Before anything is signed: what is signed must be what was shown, and what was shown must be what would run.
      const { view, key } = await open(approval);
      if (view.requester === approver.id) throw new ApproverError('the requester of a call cannot decide on it');
      if (view.digest !== input.digest) throw digestMismatch();
      const vote = signVote(options, approval, approver, input, key);
      const result = await store.vote({
        vote,
        digest: input.digest,
        subject: sealer.pseudonym(approver.tenant, approver.id),
        quorum: 1,
        now: vote.time,
        records: [options.recorder.draft(voteEvent(approval, approver, input), key)],
        undecidedRecords: [options.recorder.draft({ ...voteEvent(approval, approver, input), event: 'voted' }, key)],
      });
      return viewApproval(recorded(result, approval), key, vote.time);
    },
  };
}

function digestMismatch(): ApprovalConflict {
  return new ApprovalConflict('the digest is not that of the approval: what was shown is not what would run');
}

function signVote(
  options: ApprovalsServiceOptions,
  approval: StoredApproval,
  approver: Approver,
  input: DecideInput,
  key: SubjectKey,
): Vote {
  const content = {
    tenant: approver.tenant,
    approval: approval.id,
    approver: approver.id,
    verdict: input.verdict,
    time: options.clock.now(),
  };
  const reason = input.reason?.slice(0, maxReasonLength);
  return {
    ...content,
    ...options.signer.sign(content, input.digest),
    ...(reason === undefined ? {} : { sealedReason: key.seal(reason, reasonContext(approval.id, approver.id)) }),
  };
}

function voteEvent(approval: StoredApproval, approver: Approver, input: DecideInput): ReturnType<typeof approvalEvent> {
  return {
    ...approvalEvent(approval, input.verdict === 'approve' ? 'approved' : 'rejected'),
    approver: approver.id,
    ...(input.reason === undefined ? {} : { detail: input.reason.slice(0, maxReasonLength) }),
  };
}

function recorded(result: VoteResult, approval: StoredApproval): StoredApproval {
  if (result.status === 'recorded') return result.approval;
  switch (result.code) {
    case 'not_found':
      throw new ApprovalNotFound(`no approval ${approval.id}`);
    case 'requester':
      throw new ApproverError('the requester of a call cannot decide on it');
    case 'already_voted':
      throw new ApprovalConflict('this approver has voted before');
    case 'digest_mismatch':
      throw digestMismatch();
    case 'expired':
      throw new ApprovalConflict('the approval has expired');
    case 'not_pending':
      throw new ApprovalConflict('the approval was decided before');
    default:
      throw new ApprovalConflict(`the store refused the vote: ${String(result.code satisfies never)}`);
  }
}

/**
 * What one authenticated approver can do: see the requests of the tenant, edit one, and decide on it.
 * @module
 */
import { ApprovalConflict, ApprovalNotFound, ApproverError, KeyError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import { measureApproval, measureVote } from '../record/metrics.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { ApprovalFilter, EditResult, StoredApproval, Vote, VoteResult } from '../store/store.ts';
import { tenantOfApproval } from './approval-id.ts';
import { approvalEvent } from './approval-record.ts';
import { isEligible, isWithinHours, parseApprovalRule, type ApprovalRule } from './approval-rule.ts';
import { reasonContext, viewApproval, viewUnreadable } from './approval-view.ts';
import type { ApprovalsServiceOptions } from './approvals-service.ts';
import type { ApprovalView, Approver } from './approve.ts';
import { editArguments } from './edit-arguments.ts';
import { createOversight, type Oversight } from './oversight.ts';
import { samePerson } from './votes.ts';

export interface DecideInput {
  readonly id: string;
  readonly verdict: 'approve' | 'reject';
  /** The digest that was shown; a decision on anything else is refused. */
  readonly digest: string;
  readonly reason?: string;
}

export interface EditRequest {
  readonly id: string;
  /** The digest that was shown. */
  readonly digest: string;
  /** The arguments as they shall run: JSON text. */
  readonly arguments: string;
}

/** Which approvals of the tenant. Oldest first and at most 100, unless it says otherwise. */
export type ApprovalQuery = Pick<ApprovalFilter, 'state' | 'run' | 'before' | 'newestFirst' | 'limit'>;

/** Errors are those of `ApprovalsService`. */
export interface ApproverSession extends Oversight {
  readonly approver: Approver;
  list(filter?: ApprovalQuery): Promise<readonly ApprovalView[]>;
  show(id: string): Promise<ApprovalView>;
  decide(input: DecideInput): Promise<ApprovalView>;
  edit(request: EditRequest): Promise<ApprovalView>;
}

/** A request that this approver may act on now. */
interface Opened {
  readonly approval: StoredApproval;
  readonly view: ApprovalView;
  readonly key: SubjectKey;
  readonly rule: ApprovalRule;
}

const maxReasonLength = 1000;

export function createApproverSession(options: ApprovalsServiceOptions, approver: Approver): ApproverSession {
  const { store, sealer, clock } = options;
  requireId('tenant', approver.tenant);
  requireId('user', approver.id);
  const subject = sealer.pseudonym(approver.tenant, approver.id);

  async function find(id: string): Promise<StoredApproval> {
    const approval = tenantOfApproval(id) === approver.tenant ? await store.approval(approver.tenant, id) : undefined;
    if (approval === undefined) throw new ApprovalNotFound(`no approval ${id} in tenant ${approver.tenant}`);
    return approval;
  }

  /** @throws ApprovalConflict when the stored request is not what its digest says */
  async function open(approval: StoredApproval): Promise<{ readonly view: ApprovalView; readonly key: SubjectKey }> {
    const key = await sealer.bySubject(approval.call.tenant, approval.call.subject);
    if (key === undefined) throw new KeyError('the key of the requester was erased', { erased: true });
    return { view: viewApproval(approval, key, clock.now()), key };
  }

  /** Before anything is signed or changed: it must be what was shown, and this person must be in charge of it now. */
  async function openForAction({ id, digest }: { readonly id: string; readonly digest: string }): Promise<Opened> {
    const approval = await find(id);
    const { view, key } = await open(approval);
    if (samePerson(view.requester, approver.id)) throw ownRequest();
    if (view.digest !== digest) throw digestMismatch();
    const rule = parseApprovalRule(approval.rule);
    const now = clock.now();
    if (!isEligible(rule, approver.groups ?? [], now - approval.createdAt)) {
      throw new ApproverError('this approver is in none of the groups that may decide now');
    }
    if (!isWithinHours(rule.hours, now)) throw new ApprovalConflict('decisions are taken in working hours only');
    return { approval, view, key, rule };
  }

  const acts = { options, approver, subject, openForAction };
  return {
    ...createOversight(options, approver),
    approver,
    async list(filter = {}) {
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
    show: async (id) => (await open(await find(id))).view,
    decide: (input) => decide(acts, input),
    edit: (request) => edit(acts, request),
  };
}

interface Acts {
  readonly options: ApprovalsServiceOptions;
  readonly approver: Approver;
  /** Pseudonym of the approver as a user. */
  readonly subject: string;
  readonly openForAction: (shown: { readonly id: string; readonly digest: string }) => Promise<Opened>;
}

async function decide({ options, approver, subject, openForAction }: Acts, input: DecideInput): Promise<ApprovalView> {
  const { verdict, digest, reason } = input;
  if (verdict !== 'approve' && verdict !== 'reject') throw new ApproverError('a verdict is approve or reject');
  const { approval, key, rule } = await openForAction(input);
  if (rule.reasonRequired && (reason ?? '').trim() === '') throw new ApprovalConflict('a reason is required');
  if (approval.votes.some((vote) => samePerson(vote.approver, approver.id))) throw alreadyVoted();
  const vote = signVote(options, approval, approver, input, key);
  const event = { ...approvalEvent(approval, 'voted'), ...voterOf(approver, reason) };
  const result = await options.store.vote({
    vote,
    digest,
    subject,
    quorum: rule.quorum,
    now: vote.time,
    records: [options.recorder.draft({ ...event, event: verdict === 'approve' ? 'approved' : 'rejected' }, key)],
    undecidedRecords: [options.recorder.draft(event, key)],
  });
  const after = accepted(result, approval);
  measureVote(options.metrics, approval, vote);
  if (after.state !== 'pending') measureApproval(options.metrics, approval, after.state, vote.time);
  return viewApproval(after, key, vote.time);
}

async function edit({ options, approver, subject, openForAction }: Acts, request: EditRequest): Promise<ApprovalView> {
  const { approval, view, key, rule } = await openForAction(request);
  if (!rule.edit) throw new ApprovalConflict('the rule of this approval does not permit edits');
  if (view.state !== 'pending') throw new ApprovalConflict('the approval was decided before, or has expired');
  const edited = await editArguments(options.policy, approval, key, request.arguments);
  const event = { ...approvalEvent(approval, 'edited'), ...voterOf(approver, undefined), ...edited.event };
  const result = await options.store.edit({
    tenant: approver.tenant,
    approval: approval.id,
    expected: request.digest,
    subject,
    digest: edited.digest,
    edit: edited.edit,
    now: options.clock.now(),
    records: [options.recorder.draft(event, key)],
  });
  return viewApproval(accepted(result, approval), key, options.clock.now());
}

function ownRequest(): ApproverError {
  return new ApproverError('the requester of a call cannot decide on it');
}

function alreadyVoted(): ApprovalConflict {
  return new ApprovalConflict('somebody has voted on it: this approver before, or anybody before an edit');
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

function voterOf(
  approver: Approver,
  reason: string | undefined,
): { readonly approver: string; readonly detail?: string } {
  return { approver: approver.id, ...(reason === undefined ? {} : { detail: reason.slice(0, maxReasonLength) }) };
}

function accepted(result: VoteResult | EditResult, approval: StoredApproval): StoredApproval {
  if (result.status !== 'refused') return result.approval;
  switch (result.code) {
    case 'not_found':
      throw new ApprovalNotFound(`no approval ${approval.id}`);
    case 'requester':
      throw ownRequest();
    case 'already_voted':
      throw alreadyVoted();
    case 'digest_mismatch':
      throw digestMismatch();
    case 'expired':
      throw new ApprovalConflict('the approval has expired');
    case 'not_pending':
      throw new ApprovalConflict('the approval was decided before');
    default:
      throw new ApprovalConflict(`the store refused it: ${String(result.code satisfies never)}`);
  }
}

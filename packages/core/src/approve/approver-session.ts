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
import { outlineApproval, type ApprovalOutline } from './approval-outline.ts';
import { approvalEvent } from './approval-record.ts';
import { isEligible, isWithinHours, parseApprovalRule, type ApprovalRule } from './approval-rule.ts';
import { reasonContext, viewAll, viewApproval } from './approval-view.ts';
import type { ApprovalsServiceOptions } from './approvals-service.ts';
import type { ApprovalView, Approver } from './approve.ts';
import { editArguments } from './edit-arguments.ts';
import { createOversight, type Oversight } from './oversight.ts';
import { recordingRefusal, type Attempt } from './refused-act.ts';
import { samePerson } from '../store/same-person.ts';

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
export type ApprovalQuery = Pick<ApprovalFilter, 'state' | 'run' | 'before' | 'after' | 'newestFirst' | 'limit'>;

/** Errors are those of `ApprovalsService`. */
export interface ApproverSession extends Oversight {
  readonly approver: Approver;
  list(filter?: ApprovalQuery): Promise<readonly ApprovalView[]>;
  show(id: string): Promise<ApprovalView>;
  /** The same requests as `list`, with nothing opened: cheap enough to look each second. */
  outlines(filter?: ApprovalQuery): Promise<readonly ApprovalOutline[]>;
  /** @throws as `show`, for a request that is not there */
  outline(id: string): Promise<ApprovalOutline>;
  decide(input: DecideInput): Promise<ApprovalView>;
  edit(request: EditRequest): Promise<ApprovalView>;
  /**
   * Resolves when requests of the tenant may have changed, or when `signal` aborts. Only shortens a wait: see `Store.approvalChanged`.
   * @param ids the ones that are watched; what is decided through this service wakes in any case
   */
  changed(ids: readonly string[], signal: AbortSignal): Promise<void>;
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

  async function keyOf({ call }: StoredApproval): Promise<SubjectKey> {
    const key = await sealer.bySubject(call.tenant, call.subject);
    if (key === undefined) throw new KeyError('the key of the requester was erased', { erased: true });
    return key;
  }

  /** @throws ApprovalConflict when the stored request is not what its digest says */
  const view = async (approval: StoredApproval): Promise<ApprovalView> =>
    viewApproval(approval, await keyOf(approval), clock.now());

  /** Before anything is signed or changed: it must be what was shown, and this person must be in charge of it now. */
  async function openForAction(attempt: Attempt, digest: string): Promise<Opened> {
    const approval = await find(attempt.id);
    attempt.approval = approval;
    attempt.key = await keyOf(approval);
    const { key } = attempt;
    const view = viewApproval(approval, key, clock.now());
    if (samePerson(view.requester, approver.id)) throw ownRequest();
    if (view.digest !== digest) throw digestMismatch();
    const rule = parseApprovalRule(approval.rule);
    const now = clock.now();
    if (!isEligible(rule, approver.groups ?? [], now - approval.createdAt)) {
      throw new ApproverError('this approver is in none of the groups that may decide now', { reason: 'not_eligible' });
    }
    if (!isWithinHours(rule.hours, now)) {
      throw new ApprovalConflict('decisions are taken in working hours only', { reason: 'outside_hours' });
    }
    return { approval, view, key, rule };
  }

  const tell = (): void => options.changes.tell(approver.tenant);
  const acts = { options, approver, subject, openForAction };
  return {
    ...createOversight(options, approver),
    approver,
    async list(filter = {}) {
      return viewAll(await store.approvals(approver.tenant, filter), keyOf, () => clock.now());
    },
    show: async (id) => view(await find(id)),
    async outlines(filter = {}) {
      const approvals = await store.approvals(approver.tenant, filter);
      return approvals.map((approval) => outlineApproval(approval, clock.now()));
    },
    outline: async (id) => outlineApproval(await find(id), clock.now()),
    decide: (input) => decide(acts, input).finally(tell),
    edit: (request) => edit(acts, request).finally(tell),
    changed: (ids, signal) => options.changes.next(approver.tenant, ids, signal),
  };
}

interface Acts {
  readonly options: ApprovalsServiceOptions;
  readonly approver: Approver;
  /** Pseudonym of the approver as a user. */
  readonly subject: string;
  readonly openForAction: (attempt: Attempt, digest: string) => Promise<Opened>;
}

async function decide(acts: Acts, input: DecideInput): Promise<ApprovalView> {
  const { verdict, id } = input;
  const act = verdict === 'approve' || verdict === 'reject' ? verdict : 'decide';
  const attempt: Attempt = { id, act };
  const { after, key, time } = await recordingRefusal(acts.options, acts.approver, attempt, () =>
    castVote(acts, input, attempt),
  );
  return viewApproval(after, key, time);
}

interface Acted {
  readonly after: StoredApproval;
  readonly key: SubjectKey;
  readonly time: number;
}

async function castVote(
  { options, approver, subject, openForAction }: Acts,
  input: DecideInput,
  attempt: Attempt,
): Promise<Acted> {
  const { verdict, digest, reason } = input;
  if (verdict !== 'approve' && verdict !== 'reject') {
    throw new ApproverError('a verdict is approve or reject', { reason: 'verdict_invalid' });
  }
  const { approval, key, rule } = await openForAction(attempt, digest);
  if (rule.reasonRequired && (reason ?? '').trim() === '') {
    throw new ApprovalConflict('a reason is required', { reason: 'reason_missing' });
  }
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
  return { after, key, time: vote.time };
}

async function edit(acts: Acts, request: EditRequest): Promise<ApprovalView> {
  const attempt: Attempt = { id: request.id, act: 'edit' };
  const { after, key, time } = await recordingRefusal(acts.options, acts.approver, attempt, () =>
    replaceArguments(acts, request, attempt),
  );
  return viewApproval(after, key, time);
}

async function replaceArguments(
  { options, approver, subject, openForAction }: Acts,
  request: EditRequest,
  attempt: Attempt,
): Promise<Acted> {
  const { approval, view, key, rule } = await openForAction(attempt, request.digest);
  if (!rule.edit) {
    throw new ApprovalConflict('the rule of this approval does not permit edits', { reason: 'edit_not_permitted' });
  }
  if (view.state === 'expired') throw expired();
  if (view.state !== 'pending') throw decidedBefore();
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
  return { after: accepted(result, approval), key, time: options.clock.now() };
}

function ownRequest(): ApproverError {
  return new ApproverError('the requester of a call cannot decide on it', { reason: 'own_request' });
}

function alreadyVoted(): ApprovalConflict {
  return new ApprovalConflict('somebody has voted on it: this approver before, or anybody before an edit', {
    reason: 'already_voted',
  });
}

function digestMismatch(): ApprovalConflict {
  return new ApprovalConflict('the digest is not that of the approval: what was shown is not what would run', {
    reason: 'digest_mismatch',
  });
}

function expired(): ApprovalConflict {
  return new ApprovalConflict('the approval has expired', { reason: 'expired' });
}

function decidedBefore(): ApprovalConflict {
  return new ApprovalConflict('the approval was decided before', { reason: 'not_pending' });
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
      throw expired();
    case 'not_pending':
      throw decidedBefore();
    default:
      throw new ApprovalConflict(`the store refused it: ${String(result.code satisfies never)}`);
  }
}

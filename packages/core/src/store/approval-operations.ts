/**
 * What becomes of an approval: votes, edits and its end. Part of `operations.ts`.
 * @module
 */
import { StoreError } from '../errors.ts';
import type { RecordDraft } from '../record/record.ts';
import { samePerson } from './same-person.ts';
import type { EditInput, EditResult, StoredApproval, TransitionInput, VoteInput, VoteResult } from './store.ts';
import type { Tables } from './tables.ts';

/** What every operation works on. */
export interface OperationContext {
  readonly tables: Tables;
  readonly append: (tenant: string, drafts: readonly RecordDraft[]) => void;
}

export function vote({ tables, append }: OperationContext, input: VoteInput): VoteResult {
  const { vote: cast, digest, subject, quorum, now } = input;
  if (!(quorum >= 1)) throw new StoreError(`a quorum is at least 1, got ${quorum}`);
  const { tenant, approval: id } = cast;
  const approval = tables.approvals.find(tenant, id);
  const code = refuseDecision(tables, approval, { digest, subject, now });
  if (approval === undefined || code !== undefined) return { status: 'refused', code: code ?? 'not_found' };
  // Here too, where votes that race come one after the other.
  if (approval.votes.some(({ approver }) => samePerson(approver, cast.approver)))
    return { status: 'refused', code: 'already_voted' };
  tables.approvals.addVote(cast);
  const votes = [...approval.votes, cast];
  const agreed = votes.filter(({ verdict }) => verdict === 'approve').length;
  // Only what is exactly an approval counts as one.
  const state = agreed < votes.length ? 'rejected' : agreed >= quorum ? 'approved' : 'pending';
  if (state !== 'pending') tables.approvals.update(tenant, id, { state, consumedAt: undefined });
  append(tenant, state === 'pending' ? input.undecidedRecords : input.records);
  return { status: 'recorded', approval: { ...approval, state, votes } };
}

export function edit({ tables, append }: OperationContext, input: EditInput): EditResult {
  const { tenant, approval: id, expected, subject, digest, edit: edited, now, records } = input;
  const approval = tables.approvals.find(tenant, id);
  const code = refuseDecision(tables, approval, { digest: expected, subject, now });
  if (approval === undefined || code !== undefined) return { status: 'refused', code: code ?? 'not_found' };
  // A vote was given on what was shown then.
  if (approval.votes.length > 0) return { status: 'refused', code: 'already_voted' };
  tables.approvals.edit(tenant, id, digest, edited);
  append(tenant, records);
  return { status: 'edited', approval: { ...approval, digest, edit: { ...edited } } };
}

/** Why nobody, or not this person, can decide on an approval now. */
function refuseDecision(
  tables: Tables,
  approval: StoredApproval | undefined,
  { digest, subject, now }: Pick<VoteInput, 'digest' | 'subject' | 'now'>,
): 'not_found' | 'not_pending' | 'expired' | 'digest_mismatch' | 'requester' | undefined {
  if (approval === undefined) return 'not_found';
  if (approval.state !== 'pending') return 'not_pending';
  const latest = Math.max(now, tables.records.latestTime(approval.call.tenant));
  // An approval of an older epoch is void, as if its time had come.
  if (!(latest < approval.expiresAt) || approval.epoch !== tables.epoch()) return 'expired';
  if (approval.digest !== digest) return 'digest_mismatch';
  return approval.call.subject === subject ? 'requester' : undefined;
}

export function transition(
  { tables, append }: OperationContext,
  { tenant, approval: id, to, records }: TransitionInput,
): boolean {
  const approval = tables.approvals.find(tenant, id);
  if (approval === undefined || approval.consumedAt !== undefined) return false;
  if (approval.state !== 'pending' && approval.state !== 'approved') return false;
  tables.approvals.update(tenant, id, { state: to, consumedAt: undefined });
  append(tenant, records);
  return true;
}

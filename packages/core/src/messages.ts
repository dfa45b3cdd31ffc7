/**
 * What a model and its user are told. No message reveals who may do what: a denial for a missing capability reads the
 * same as one for an unknown agent.
 * @module
 */
import type { ApprovalMode, ReasonCode } from './call.ts';

/** What a model is told of a call that nobody here may make. */
export const notPermitted = 'This call is not permitted. Do not retry it; continue without it.';
const notNow = 'This call could not be checked, so it was not run. Nothing was executed.';

const messages: Readonly<Record<ReasonCode, string>> = {
  permitted: 'The call is permitted.',
  risk_requires_approval: 'The call needs the approval of a person.',
  earlier_outcome_unknown:
    'An earlier attempt with the same arguments has an unknown outcome; a person has to approve another.',
  principal_missing: notPermitted,
  tenant_unknown: notPermitted,
  agent_unknown: notPermitted,
  user_unknown: notPermitted,
  user_inactive: notPermitted,
  tool_unmapped: notPermitted,
  tool_source_mismatch: notPermitted,
  capability_missing: notPermitted,
  capability_missing_user: notPermitted,
  capability_missing_delegation: notPermitted,
  constraint_failed: 'This call is not permitted with these arguments.',
  arguments_invalid: 'The arguments of this call are not valid, so it was not run.',
  call_malformed: 'The call is malformed, so it was not run.',
  call_aborted: 'The call was cancelled before it ran. Nothing was executed.',
  call_id_reused: 'The id of this call was used before with other arguments, so it was not run.',
  call_never_made: 'No such call is waiting, so it was not run.',
  authorizer_failed: notNow,
  approval_required: 'The call needs the approval of a person.',
  approval_rejected: 'A person rejected this call. Do not retry it.',
  approval_expired: 'Nobody approved this call in time, so it was not run.',
  approval_cancelled: 'The request to approve this call was cancelled, so it was not run.',
  approval_stale: 'The rules changed after this call was approved, so it was not run.',
  approval_unverified: 'The approval of this call could not be verified, so it was not run.',
  approval_consumed: 'The approval of this call was used before, so it was not run again.',
  too_many_pending: 'Too many calls of this run wait for approval, so this one was not filed.',
  held: notPermitted,
  budget_exceeded: 'The budget for calls like this one is used up, so it was not run. Do not retry it.',
  credential_unavailable: 'The credential for this call could not be obtained, so it was not run.',
  ledger_unavailable: notNow,
};

/** A sentence for the model. Unknown codes read as a denial. */
export function messageFor(code: ReasonCode): string {
  return Object.hasOwn(messages, code) ? messages[code] : notPermitted;
}

export function pendingMessage(mode: ApprovalMode, approval: string): string {
  return mode === 'asynchronous'
    ? `Not run yet: a person has been asked to approve this call (${approval}). It will run once, later, if they do. ` +
        'Do not repeat it; continue with other work and say that it is pending.'
    : `Not run: this call is blocked until a person approves it (${approval}). Do not repeat it.`;
}

export const unknownMessage =
  'An earlier attempt of this call began and its outcome is not known. It was not run again; check before repeating it.';

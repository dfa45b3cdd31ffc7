/**
 * Whether an approval grants this claim: what a store must check, apart from where it keeps its rows.
 * @module
 */
import type { ApprovalState } from '../call.ts';
import type { CallRow } from './tables.ts';
import type { ClaimInput, ClaimResult, StoredApproval } from './store.ts';

export type ClaimRefusal = Extract<ClaimResult, { status: 'refused' }>['code'];

const refusalOfState: Readonly<Record<Exclude<ApprovalState, 'approved'>, ClaimRefusal>> = {
  pending: 'approval_required',
  rejected: 'approval_rejected',
  expired: 'approval_expired',
  cancelled: 'approval_cancelled',
};

/** `now`: the later of the caller's clock and the store's newest record. Answers `undefined` when the grant holds. */
export function refuseGrant(
  input: ClaimInput & { readonly approval: NonNullable<ClaimInput['approval']> },
  row: CallRow | undefined,
  approval: StoredApproval | undefined,
  { epoch, now }: { readonly epoch: number; readonly now: number },
): ClaimRefusal | undefined {
  if (approval === undefined || approval.call.key !== input.call.key || row?.call.approval !== approval.id) {
    return 'approval_required';
  }
  if (approval.state !== 'approved') return refusalOfState[approval.state] ?? 'approval_required';
  if (approval.epoch !== epoch || approval.digest !== input.approval.digest) return 'approval_stale';
  // An idempotent call that died with its claim runs again on the grant that this very call consumed.
  const takesUpAgain = row.call.state === 'claimed' && input.idempotent;
  if (approval.consumedAt !== undefined && !takesUpAgain) return 'approval_consumed';
  if (!(now < approval.expiresAt)) return 'approval_expired';
  return undefined;
}

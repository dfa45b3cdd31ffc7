/**
 * Writes down what an authenticated approver was refused. A refusal stays one when it cannot be recorded.
 * @module
 */
import type { RefusalCode } from '../call.ts';
import { describeError } from '../describe-error.ts';
import { ApprovalConflict, ApprovalNotFound, ApproverError, ArgumentsError, KeyError, StoreError } from '../errors.ts';
import type { RecordEvent } from '../record/record.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { StoredApproval } from '../store/store.ts';
import { within } from '../within-time.ts';
import { isApprovalId } from './approval-id.ts';
import { approvalEvent } from './approval-record.ts';
import type { ApprovalsServiceOptions } from './approvals-service.ts';
import type { Approver } from './approve.ts';

/** One attempt to decide or to edit: what is known of it by now. */
export interface Attempt {
  readonly id: string;
  readonly act: 'approve' | 'reject' | 'edit' | 'decide';
  approval?: StoredApproval;
  /** Of the requester. */
  key?: SubjectKey;
}

const recordTimeoutMs = 5_000;

/** Runs `act`. When it is refused that is recorded, once, and thrown on. */
export async function recordingRefusal<Result>(
  options: ApprovalsServiceOptions,
  approver: Approver,
  attempt: Attempt,
  act: () => Promise<Result>,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    const code = refusalOf(error);
    if (code !== undefined) {
      await within(record(options, approver, attempt, code, error), recordTimeoutMs).catch(() => undefined);
    }
    throw error;
  }
}

/** `undefined` when the store failed: then nobody knows whether it was refused. */
function refusalOf(error: unknown): RefusalCode | undefined {
  if (error instanceof StoreError) return undefined;
  if (error instanceof ApprovalConflict || error instanceof ApproverError || error instanceof ApprovalNotFound) {
    return error.reason;
  }
  if (error instanceof ArgumentsError) return 'edit_invalid';
  return error instanceof KeyError ? 'unreadable' : 'failed';
}

async function record(
  { store, sealer, recorder }: ApprovalsServiceOptions,
  approver: Approver,
  { id, act, approval, key }: Attempt,
  code: RefusalCode,
  error: unknown,
): Promise<void> {
  const { tenant } = approver;
  await sealer.check(tenant);
  const refused = {
    kind: 'approval',
    event: 'refused',
    tenant,
    code,
    approver: approver.id,
    detail: `${act}: ${describeError(error)}`,
    ...(isApprovalId(id) ? { approval: id } : {}),
  } as const satisfies RecordEvent;
  const ledgerKey = key ?? sealer.tenant(tenant);
  const draft = () => {
    try {
      return recorder.draft(
        approval === undefined ? refused : { ...approvalEvent(approval, 'refused'), ...refused },
        ledgerKey,
      );
    } catch {
      // Whoever changed the row must not keep this out of the ledger.
      return recorder.draft(refused, ledgerKey);
    }
  };
  await store.append(tenant, [draft()]);
}

/**
 * The ledger's event for a transition of an approval, or for one that was refused.
 * @module
 */
import type { RecordEvent } from '../record/record.ts';
import type { CallFacts, NewApproval } from '../store/store.ts';

type ApprovalEvent = 'refused' | 'opened' | 'voted' | 'edited' | 'approved' | 'rejected' | 'expired' | 'cancelled';

/** @param approval a stored approval, or a new one together with its call */
export function approvalEvent(approval: NewApproval & { readonly call: CallFacts }, event: ApprovalEvent): RecordEvent {
  const { call } = approval;
  return {
    kind: 'approval',
    event,
    tenant: call.tenant,
    agent: call.agent,
    delegation: call.delegation,
    run: call.run,
    call: call.key,
    tool: call.tool.name,
    source: call.tool.source,
    capability: approval.capability,
    risk: approval.risk,
    policyVersion: approval.policyVersion,
    ruleDigest: approval.ruleDigest,
    approval: approval.id,
  };
}

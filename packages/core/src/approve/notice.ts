/**
 * What a channel may show of a request.
 * @module
 */
import { restoreArguments, prepareArguments } from '../execute/arguments.ts';
import { redactArguments } from '../record/redact.ts';
import type { Sealer } from '../record/sealing.ts';
import type { StoredApproval } from '../store/store.ts';
import { groupsInCharge, parseApprovalRule } from './approval-rule.ts';
import { argumentsOf } from './approval-view.ts';
import type { ApprovalNotice } from './approve.ts';
import { visible } from './visible.ts';

/** Of a user who was erased, nothing personal is left to show. */
export async function noticeOf(sealer: Sealer, approval: StoredApproval, now: number): Promise<ApprovalNotice> {
  const { call, id, mode, capability, risk, createdAt, expiresAt } = approval;
  const rule = parseApprovalRule(approval.rule);
  const key = await sealer.bySubject(call.tenant, call.subject);
  const lapsed = approval.state === 'pending' && approval.expiresAt <= now;
  return {
    ...{ id, mode, capability, risk, createdAt, expiresAt },
    state: lapsed ? 'expired' : approval.state,
    tenant: call.tenant,
    tool: call.tool.name,
    source: call.tool.source,
    agent: call.agent,
    requester: key?.user ?? '[erased]',
    summary: key === undefined ? '[erased]' : summaryOf(argumentsOf(approval, key)),
    groups: groupsInCharge(rule, now - createdAt),
    quorum: rule.quorum,
    digest: approval.digest,
    votes: approval.votes.map(({ approver, verdict }) => ({ approver, verdict })),
  };
}

function summaryOf(canonical: string): string {
  const { view } = prepareArguments(restoreArguments(canonical));
  return visible(JSON.stringify(redactArguments(view)));
}

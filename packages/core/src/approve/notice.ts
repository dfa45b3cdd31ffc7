/**
 * What a channel may show of a request.
 * @module
 */
import { ask } from '../authorize/ask.ts';
import type { Authorizer } from '../authorize/authorize.ts';
import { restoreArguments, prepareArguments } from '../execute/arguments.ts';
import { redactArguments } from '../record/redact.ts';
import type { Sealer, SubjectKey } from '../record/sealing.ts';
import type { StoredApproval } from '../store/store.ts';
import { groupsInCharge, parseApprovalRule } from './approval-rule.ts';
import { argumentsOf } from './filed-arguments.ts';
import { filedOrigins } from './filed-provenance.ts';
import type { ApprovalNotice } from './approve.ts';
import { visible } from './visible.ts';

const policyTimeoutMs = 1_000;

/** Of a user who was erased, nothing personal is left to show. */
export async function noticeOf(
  { sealer, policy }: { readonly sealer: Sealer; readonly policy: Authorizer | undefined },
  approval: StoredApproval,
  now: number,
): Promise<ApprovalNotice> {
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
    summary: key === undefined ? '[erased]' : await summaryOf(policy, approval, key),
    groups: groupsInCharge(rule, now - createdAt),
    quorum: rule.quorum,
    digest: approval.digest,
    votes: approval.votes.map(({ approver, verdict }) => ({ approver, verdict })),
    reasonRequired: rule.reasonRequired,
    edit: rule.edit && policy !== undefined,
  };
}

/** Without a policy only what looks like a secret is hidden; with one that does not know the tool any more, everything is. */
async function summaryOf(policy: Authorizer | undefined, approval: StoredApproval, key: SubjectKey): Promise<string> {
  const { view } = prepareArguments(restoreArguments(argumentsOf(approval, key)));
  if (policy === undefined) return visible(JSON.stringify(redactArguments(view)));
  const { tenant, agent, delegation, tool } = approval.call;
  const asked = { authorizer: policy, users: undefined, timeoutMs: policyTimeoutMs };
  const subject = { tenant, user: key.user, agent, delegation };
  const { rule } = await ask(asked, subject, tool, view, () => filedOrigins(approval, key));
  if (rule === undefined) return '[redacted]';
  return visible(JSON.stringify(redactArguments(view, { rules: rule.redact, digest: key.digest })));
}

/**
 * What an approver is shown. Nobody is shown a request whose stored parts do not add up to its digest: a row that was
 * changed in the store must not be approved in place of the call that would run.
 * @module
 */
import { ApprovalConflict } from '../errors.ts';
import { digestApproval, digestArguments } from '../execute/digest.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { StoredApproval } from '../store/store.ts';
import { argumentsContext, argumentsOf } from './filed-arguments.ts';
import { filedOrigins, shownOrigins } from './filed-provenance.ts';
import { stateAt } from './approval-outline.ts';
import { defaultApprovalRule, readableRule } from './approval-rule.ts';
import type { ApprovalView } from './approve.ts';

export function reasonContext(approval: string, approver: string): string {
  return `approval|${approval}|reason|${approver}`;
}

/** @throws ApprovalConflict when arguments, call and digest do not belong together; KeyError when they cannot be opened */
export function viewApproval(approval: StoredApproval, key: SubjectKey, now: number): ApprovalView {
  const { call } = approval;
  const sent = key.open(approval.sealedArguments, argumentsContext(approval.id));
  const text = argumentsOf(approval, key);
  if (
    key.digest(digestArguments(sent)) !== call.argumentsDigest ||
    digestApproval(call, approval) !== approval.digest
  ) {
    throw new ApprovalConflict(`approval ${approval.id} was changed in the store: it is not what its digest says`, {
      reason: 'unreadable',
    });
  }
  const origins = filedOrigins(approval, key);
  return {
    ...describe(approval),
    requester: key.user,
    state: stateAt(approval, now),
    arguments: text,
    ...(approval.edit === undefined ? {} : { originalArguments: sent }),
    ...(origins === undefined ? {} : { provenance: shownOrigins(origins) }),
    digest: approval.digest,
    votes: approval.votes.map((vote) => ({
      approver: vote.approver,
      verdict: vote.verdict,
      time: vote.time,
      ...reasonOf(approval, vote, key),
    })),
  };
}

/** Characters of arguments that are opened before others have their turn: a list of long ones takes seconds. */
const maxInOneTurn = 500_000;

/** @param keyOf rejects for a request whose key is not there any more */
export async function viewAll(
  approvals: readonly StoredApproval[],
  keyOf: (approval: StoredApproval) => Promise<SubjectKey>,
  now: () => number,
): Promise<readonly ApprovalView[]> {
  const keys = await Promise.allSettled(approvals.map(keyOf));
  const views: ApprovalView[] = [];
  let opened = 0;
  for (const [index, approval] of approvals.entries()) {
    const view = viewIfReadable(approval, keys[index], now());
    views.push(view);
    opened += view.arguments.length;
    if (opened < maxInOneTurn) continue;
    opened = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return views;
}

/** One that cannot be read (its user was erased, its row was changed) must not hide the others. */
function viewIfReadable(
  approval: StoredApproval,
  key: PromiseSettledResult<SubjectKey> | undefined,
  now: number,
): ApprovalView {
  try {
    return key?.status === 'fulfilled' ? viewApproval(approval, key.value, now) : viewUnreadable(approval);
  } catch {
    return viewUnreadable(approval);
  }
}

/** A request that cannot be shown in full, and so cannot be decided: it has no digest. */
function viewUnreadable(approval: StoredApproval): ApprovalView {
  return { ...describe(approval), arguments: '[unreadable]', digest: '', votes: [] };
}

function describe(approval: StoredApproval): Omit<ApprovalView, 'arguments' | 'digest' | 'votes'> {
  const { call, id, state, mode, capability, risk, policyVersion, createdAt, expiresAt } = approval;
  return {
    ...{ id, state, mode, capability, risk, policyVersion, createdAt, expiresAt },
    tenant: call.tenant,
    requester: '[unreadable]',
    agent: call.agent,
    delegation: call.delegation,
    run: call.run,
    slot: call.slot,
    tool: call.tool.name,
    source: call.tool.source,
    rule: readableRule(approval.rule) ?? defaultApprovalRule,
    consumed: approval.consumedAt !== undefined,
  };
}

function reasonOf(
  approval: StoredApproval,
  vote: StoredApproval['votes'][number],
  key: SubjectKey,
): { readonly reason?: string } {
  if (vote.sealedReason === undefined) return {};
  try {
    return { reason: key.open(vote.sealedReason, reasonContext(approval.id, vote.approver)) };
  } catch {
    return {};
  }
}

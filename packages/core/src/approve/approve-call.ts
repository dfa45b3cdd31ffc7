/**
 * The approve stage: opens or finds the approval of a call under review, and goes on only when signed votes approve it.
 * @module
 */
import type { ApprovalMode, Decision, ReasonCode } from '../call.ts';
import { digestApproval } from '../execute/digest.ts';
import { noteBegun } from '../authorize/note-result.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';
import { pendingMessage } from '../messages.ts';
import { decisionEvent } from '../record/call-events.ts';
import { traced, type GateContext } from '../gate-context.ts';
import { countOpened, measureApproval } from '../record/metrics.ts';
import { denied, Stop } from '../stop.ts';
import { inTime } from '../store/bounded-store.ts';
import type { NewApproval, ObserveResult, StoredApproval } from '../store/store.ts';
import { approvalEvent } from './approval-record.ts';
import { newApprovalId } from './approval-id.ts';
import { approvalRuleText, defaultApprovalRule } from './approval-rule.ts';
import { argumentsContext } from './filed-arguments.ts';
import { sealProvenance } from './filed-provenance.ts';
import { waitForDecision } from './wait.ts';

/** High risk blocks; medium is filed and run later. */
function modeOf(decision: Decision): ApprovalMode {
  return decision.risk === 'high' ? 'blocking' : 'asynchronous';
}

/**
 * Opens the approval on first sight, finds it later, and expires it when its time has come.
 * @throws Stop when reviews are not configured, the call may not be filed, or the store cannot be written.
 */
export async function fileApproval(
  context: GateContext,
  call: PreparedCall,
  decision: Decision,
): Promise<StoredApproval> {
  const { runtime } = context;
  const approvals = runtime.approvals;
  if (approvals === undefined) {
    throw denied('approval_unverified', {
      callKey: call.facts.key,
      capability: decision.capability,
      detail: 'no approvals are configured',
    });
  }
  const approval = newApproval(context, call, decision);
  const input = {
    call: call.facts,
    origin: call.origin,
    verdict: 'review',
    now: approval.createdAt,
    approval,
    maxPendingPerRun: approvals.maxPendingPerRun,
    maxPendingPerUser: approvals.maxPendingPerUser,
    records: [
      context.draft(decisionEvent(call, decision)),
      context.draft(approvalEvent({ ...approval, call: call.facts }, 'opened')),
    ],
  } as const;
  const span = runtime.telemetry.approval(traced(context, call));
  const answer = runtime.store.observe(input);
  const result = await inTime(answer, runtime.storeTimeoutMs).catch((error: unknown) => {
    // It may have been filed nevertheless.
    noteBegun(context, call);
    span.fail(error);
    void cancelLate(context, answer);
    throw error;
  });
  const found = result.status === 'observed' ? result.approval : undefined;
  span.end(found === undefined ? {} : { approval: found.id, approvalState: found.state, approvalMode: found.mode });
  if (result.status === 'observed' && result.opened) countOpened(runtime.metrics, approval);
  if (result.status === 'refused')
    throw denied(result.code, { callKey: call.facts.key, capability: decision.capability });
  if (result.approval === undefined)
    throw denied('approval_required', { callKey: call.facts.key, detail: 'the store opened no approval' });
  // Whatever process will run it, this one may see no more of it.
  noteBegun(context, call);
  return lapse(context, result.approval);
}

/** Whoever asked was told no: what opens after that must not run behind their back, nor beside what they ask for instead. */
async function cancelLate(context: GateContext, answer: Promise<ObserveResult>): Promise<void> {
  const result = await answer.catch(() => undefined);
  if (result?.status !== 'observed' || !result.opened || result.approval === undefined) return;
  await endApproval(context, result.approval, 'cancelled').catch(() => undefined);
}

function newApproval(context: GateContext, call: PreparedCall, decision: Decision): NewApproval {
  const { facts } = call;
  const createdAt = context.runtime.clock.now();
  const id = newApprovalId(facts.tenant);
  const { risk, rule: tool } = decision;
  const rule = tool?.approval?.[risk === 'high' ? 'high' : 'medium'] ?? defaultApprovalRule;
  const sealedProvenance = sealProvenance(context, call, id);
  const content = {
    id,
    ruleDigest: decision.ruleDigest,
    policyVersion: decision.policyVersion,
    capability: decision.capability ?? '',
    risk,
    mode: modeOf(decision),
    createdAt,
    expiresAt: createdAt + rule.ttlMs,
    rule: approvalRuleText(rule),
    ...(sealedProvenance === undefined ? {} : { sealedProvenance }),
  };
  return {
    ...content,
    digest: digestApproval(facts, content),
    sealedArguments: context.key.seal(call.arguments.canonical, argumentsContext(id)),
  };
}

/** Moves an approval whose time has come to `expired`, in the store, so that a clock set back cannot revive it. */
async function lapse(context: GateContext, approval: StoredApproval): Promise<StoredApproval> {
  const open = approval.state === 'pending' || (approval.state === 'approved' && approval.consumedAt === undefined);
  if (!open || context.runtime.clock.now() < approval.expiresAt) return approval;
  return endApproval(context, approval, 'expired');
}

async function endApproval(
  context: GateContext,
  approval: StoredApproval,
  to: 'expired' | 'cancelled',
): Promise<StoredApproval> {
  const { store, clock } = context.runtime;
  const { tenant } = approval.call;
  const records = [context.draft(approvalEvent(approval, to))];
  const now = clock.now();
  const ended = await store.transition({ tenant, approval: approval.id, to, now, records });
  if (ended && approval.state === 'pending') measureApproval(context.runtime.metrics, approval, to, now);
  return ended ? { ...approval, state: to } : ((await store.approval(tenant, approval.id)) ?? approval);
}

const refusals: Readonly<Record<'rejected' | 'expired' | 'cancelled', ReasonCode>> = {
  rejected: 'approval_rejected',
  expired: 'approval_expired',
  cancelled: 'approval_cancelled',
};

/**
 * The approval that lets this call be claimed.
 * @throws Stop with `pending` while nobody decided, or `denied` when a person did not approve in time.
 */
export async function approve(
  context: GateContext,
  call: PreparedCall,
  decision: Decision,
  options: { readonly wait?: boolean; readonly signal?: AbortSignal | undefined },
): Promise<StoredApproval> {
  let approval = await fileApproval(context, call, decision);
  if (approval.state === 'pending' && options.wait === true) {
    const waitMs = context.runtime.approvals?.waitMs ?? 0;
    approval = await waitForDecision(context.runtime.store, approval, waitMs, options.signal);
    const gaveUp = options.signal?.aborted === true;
    if (approval.state === 'pending' && !gaveUp) approval = await endApproval(context, approval, 'expired');
  }
  return approved(context, call, approval);
}

/** @throws Stop unless the approval is approved and its votes verify for this very call. */
export function approved(context: GateContext, call: PreparedCall, approval: StoredApproval): StoredApproval {
  const refer = { callKey: call.facts.key, capability: approval.capability };
  switch (approval.state) {
    case 'approved':
      if (digestApproval(call.facts, approval) !== approval.digest)
        throw denied('approval_unverified', { ...refer, detail: 'the approval is for another call' });
      if (context.runtime.approvals?.verifier.approves(approval, context.principal) !== true)
        throw denied('approval_unverified', { ...refer, detail: 'no valid signed vote' });
      return approval;
    case 'pending': {
      const { id, mode } = approval;
      throw new Stop(
        { status: 'pending', approval: id, mode, message: pendingMessage(mode, id), callKey: call.facts.key },
        { recorded: true },
      );
    }
    case 'rejected':
    case 'expired':
    case 'cancelled':
      throw denied(refusals[approval.state], refer);
    default:
      throw denied('approval_unverified', {
        ...refer,
        detail: `unknown approval state ${String(approval.state satisfies never)}`,
      });
  }
}

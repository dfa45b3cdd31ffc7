/**
 * The authorize stage: a decision for a prepared call. A denial is written down and ends the call here.
 * @module
 */
import { maxRisk, type Decision } from '../call.ts';
import { noteBegun } from './note-result.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';
import { traced, type GateContext } from '../gate-context.ts';
import { own } from '../record/attributes.ts';
import { decisionEvent } from '../record/call-events.ts';
import type { SpanDetails } from '../record/telemetry.ts';
import { denied, firstReason, type Stop } from '../stop.ts';
import { inTime } from '../store/bounded-store.ts';
import type { StoredApproval } from '../store/store.ts';
import { filedOrigins, originsAtFiling } from '../approve/filed-provenance.ts';
import { ask } from './ask.ts';
import type { Provenance } from './authorize.ts';
import { traceCall } from './trace-call.ts';

/** @throws Stop when the verdict is `deny` */
export async function authorize(context: GateContext, call: PreparedCall): Promise<Decision> {
  const span = context.runtime.telemetry.decide(traced(context, call));
  const decision = await askFor(context, call);
  span.end(describe(decision));
  context.runtime.metrics.record('decisions', 1, {
    [own.verdict]: decision.verdict,
    [own.risk]: decision.risk,
    [own.code]: firstReason(decision).code,
  });
  if (decision.verdict === 'deny') throw await recordedDenial(context, call, decision);
  return decision;
}

/** With the provenance of an approval, once there is one: what it was filed with may be out of this process's sight. */
async function askFor(context: GateContext, call: PreparedCall, approval?: StoredApproval): Promise<Decision> {
  const { asked } = context.runtime;
  const askWith = (provenance: Provenance): Promise<Decision> =>
    ask(asked, context.principal, call.facts.tool, call.arguments.view, provenance);
  if (approval !== undefined) return askWith(() => filedOrigins(approval, context.key));
  let mattered = false;
  const decision = await askWith(() => {
    mattered = true;
    return traceCall(context, call);
  });
  if (!mattered || decision.verdict === 'allow') return decision;
  const filed = await originsAtFiling(context, call);
  return filed === undefined ? decision : askWith(() => filed);
}

function describe({ verdict, risk, capability, policyVersion, ruleDigest, reasons }: Decision): SpanDetails {
  const code = reasons[0]?.code;
  return {
    ...{ verdict, risk, policyVersion, ruleDigest },
    ...(capability === undefined ? {} : { capability }),
    ...(code === undefined ? {} : { code }),
  };
}

async function recordedDenial(context: GateContext, call: PreparedCall, decision: Decision): Promise<Stop> {
  const { store, clock } = context.runtime;
  const reason = firstReason(decision);
  const end = { callKey: call.facts.key, capability: decision.capability };
  const observed = await store
    .observe({
      call: call.facts,
      origin: call.origin,
      verdict: 'deny',
      now: clock.now(),
      maxPendingPerRun: 0,
      maxPendingPerUser: 0,
      records: [context.draft(decisionEvent(call, decision))],
    })
    .catch(() => undefined);
  if (observed?.status === 'refused') return denied(observed.code, end);
  return denied(reason.code, { ...end, recorded: observed !== undefined, detail: reason.detail });
}

/**
 * A permitted call was made. Where a framework pauses it for reasons of its own it is written down at once: resumed
 * without this record it would be a call that was never made. Otherwise it is written down unless it runs soon.
 * @throws Stop when it pauses and is itself resumed without such a record, or its id was used before
 */
export async function noteSeen(
  context: GateContext,
  call: PreparedCall,
  decision: Decision,
  pauses: boolean,
): Promise<void> {
  if (pauses) {
    // Another process may resume it.
    noteBegun(context, call);
    return recordSeen(context, call, decision);
  }
  context.runtime.unrun.add(call.facts.key, () => recordSeen(context, call, decision));
}

async function recordSeen(context: GateContext, call: PreparedCall, decision: Decision): Promise<void> {
  const { store, clock, storeTimeoutMs } = context.runtime;
  const answer = store.observe({
    call: call.facts,
    origin: call.origin,
    verdict: 'allow',
    now: clock.now(),
    maxPendingPerRun: 0,
    maxPendingPerUser: 0,
    records: [context.draft(decisionEvent(call, decision))],
  });
  const observed = await inTime(answer, storeTimeoutMs);
  if (observed.status === 'refused') {
    throw denied(observed.code, { callKey: call.facts.key, capability: decision.capability });
  }
}

/**
 * The decision at the moment of the claim. Time may have passed since the first one: the policy in force now must
 * permit the call, and an approval holds only for the rules it was given under.
 * @throws Stop when the policy now denies, or is not the one that the approval was given under
 */
export async function redecide(context: GateContext, call: PreparedCall, approval: StoredApproval): Promise<Decision> {
  const now = await askFor(context, call, approval);
  if (now.verdict === 'deny') throw await recordedDenial(context, call, now);
  const stricter = maxRisk(now.risk, approval.risk) !== approval.risk;
  if (stricter || now.ruleDigest !== approval.ruleDigest) {
    throw denied('approval_stale', { callKey: call.facts.key, capability: now.capability });
  }
  return now;
}

/**
 * Asks once more for a call that was decided a while ago.
 * @throws Stop unless the same rules still give the same verdict, at no higher risk
 */
export async function decideAgain(
  context: GateContext,
  call: PreparedCall,
  before: Decision,
  approval: StoredApproval | undefined,
): Promise<void> {
  const now = await askFor(context, call, approval);
  if (now.verdict === 'deny') throw await recordedDenial(context, call, now);
  if (maxRisk(now.risk, before.risk) === before.risk && now.ruleDigest === before.ruleDigest) return;
  throw denied('approval_stale', { callKey: call.facts.key, capability: now.capability });
}

/** The decision for a call whose earlier attempt has no known outcome: a person decides, whatever the risk was. */
export function raised(decision: Decision): Decision {
  return {
    ...decision,
    verdict: 'review',
    risk: maxRisk(decision.risk, 'medium'),
    reasons: [{ code: 'earlier_outcome_unknown' }, ...decision.reasons],
  };
}

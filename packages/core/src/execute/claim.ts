/**
 * The claim stage: consumes the grant and appends the intent in one operation of the store. Only what it returns may
 * lead to a lease and to the body.
 * @module
 */
import type { Decision, Outcome, ToolRule } from '../call.ts';
import type { PlannedLease } from '../lease/lease-manager.ts';
import { inTime } from '../store/bounded-store.ts';
import type { ClaimResult, StoredApproval } from '../store/store.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { giveBack } from '../lease/lease-for-call.ts';
import { unknownMessage } from '../messages.ts';
import { callEvent, decisionEvent } from '../record/call-events.ts';
import type { GateContext } from '../gate-context.ts';
import { denied, Stop } from '../stop.ts';
import { plainCodec, type Decoder } from './codec.ts';
import { noteBegun, noteResult } from '../authorize/note-result.ts';
import { encodeResult, replayOutcome } from './outcome.ts';
import type { PreparedCall } from './prepare-call.ts';

export interface Claimed {
  readonly context: GateContext;
  readonly call: PreparedCall;
  readonly decision: Decision;
  readonly rule: ToolRule;
  readonly approval: StoredApproval | undefined;
  readonly plans: readonly PlannedLease[];
  /** How long the store took, in milliseconds. */
  readonly waitedMs: number;
  /** Id of the claim's record: the cause of the records that follow. */
  readonly intent: string;
}

/**
 * @returns `needs_review` when an earlier attempt with the same arguments has no outcome, so that a person must decide
 * @throws Stop when the call was executed before, runs now, or may not be claimed
 */
export async function claim(
  context: GateContext,
  call: PreparedCall,
  decision: Decision,
  approval: StoredApproval | undefined,
  codec: Decoder = plainCodec,
): Promise<Claimed | 'needs_review'> {
  const { runtime } = context;
  const { facts } = call;
  const { rule } = decision;
  if (rule === undefined) throw denied('authorizer_failed', { callKey: facts.key });
  const plans = runtime.leases.plan(rule.credentials, runtime.clock.now());
  const decided = context.draft(decisionEvent(call, decision));
  const intent = context.draft({ ...callEvent(facts, 'claim', 'claimed'), ...claimFields(decision, approval) });
  const asked = performance.now();
  const mine = !runtime.live.has(facts.key);
  runtime.live.add(facts.key);
  let claimed = false;
  try {
    const answer = runtime.store.claim({
      call: facts,
      origin: call.origin,
      now: runtime.clock.now(),
      claim: intent.id,
      durability: decision.risk === 'high' ? 'power' : 'process',
      ...(approval === undefined ? {} : { approval: { id: approval.id, digest: approval.digest } }),
      // A second evaluation in this process waits for the first: only one that died is taken up again.
      idempotent: rule.idempotent && mine,
      live: runtime.live,
      leases: plans.map(({ id, service, provider, expiresAt }) => ({ id, service, provider, expiresAt })),
      records: [decided, intent],
    });
    const attempt = { context, call, decision, rule, approval, plans, intent: intent.id };
    const result = await answerOf(answer, attempt);
    claimed = result.status === 'claimed';
    if (result.status !== 'refused') runtime.unrun.claimed(facts.key);
    if (!claimed) return await notClaimed({ context, call, rule, approval }, result, codec);
    return { ...attempt, waitedMs: performance.now() - asked };
  } finally {
    if (mine && !claimed) runtime.live.delete(facts.key);
  }
}

/** A claim that comes when nobody waits any more is given back, so that it blocks no later attempt. */
async function answerOf(answer: Promise<ClaimResult>, attempt: Omit<Claimed, 'waitedMs'>): Promise<ClaimResult> {
  const { runtime } = attempt.context;
  try {
    return await inTime(answer, runtime.storeTimeoutMs);
  } catch (error) {
    // Whether it ran elsewhere is not known.
    noteBegun(attempt.context, attempt.call);
    const unasked = attempt.plans.map(({ id }) => id);
    void answer
      .then(({ status }) => (status === 'claimed' ? giveBack(attempt, 'released', unasked, []) : undefined))
      .catch(() => undefined);
    throw error;
  }
}

/** Why this attempt does not run. Only a call that a person could still let run comes back. */
async function notClaimed(
  { context, call, rule, approval }: Pick<Claimed, 'context' | 'call' | 'rule' | 'approval'>,
  result: ClaimResult,
  codec: Decoder,
): Promise<'needs_review'> {
  const { facts } = call;
  switch (result.status) {
    // It runs or ran before, perhaps in another process: only now does this one know what it was given.
    case 'settled':
      noteBegun(context, call);
      throw answered(context, call, rule, replayOutcome(context.key, facts, result.outcome, codec));
    case 'unsettled':
      noteBegun(context, call);
      throw answered(context, call, rule, await outcomeOfOther(context, call, codec));
    case 'refused':
      if (approval === undefined && reviewable.has(result.code)) return 'needs_review';
      throw denied(result.code, { callKey: facts.key });
    default:
      throw denied('ledger_unavailable', { callKey: facts.key });
  }
}

function answered(context: GateContext, call: PreparedCall, rule: ToolRule, outcome: Outcome): Stop {
  if (outcome.status === 'completed') noteResult(context, call, rule, encodeResult(outcome.result, plainCodec));
  return new Stop(outcome, { recorded: true });
}

const reviewable: ReadonlySet<string> = new Set(['earlier_outcome_unknown', 'approval_required']);

function claimFields(decision: Decision, approval: StoredApproval | undefined): object {
  return {
    risk: decision.risk,
    ...(decision.capability === undefined ? {} : { capability: decision.capability }),
    ...(approval === undefined ? {} : { approval: approval.id }),
  };
}

const pollMs = 25;

/** Somebody else claimed this very call: its outcome if that comes soon, otherwise `unknown`. The body does not run here. */
async function outcomeOfOther(context: GateContext, call: PreparedCall, codec: Decoder): Promise<Outcome> {
  const { runtime, key } = context;
  const until = performance.now() + runtime.settleWaitMs;
  while (performance.now() < until) {
    await sleep(pollMs);
    // What cannot be read here is not known; it was not run here in any case.
    const stored = await runtime.store.call(call.facts).catch(() => undefined);
    if (stored?.outcome !== undefined) return replayOutcome(key, call.facts, stored.outcome, codec);
    if (stored?.state !== 'claimed') break;
  }
  return { status: 'unknown', message: unknownMessage, callKey: call.facts.key };
}

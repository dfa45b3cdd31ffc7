/**
 * The ledger's events of one call, from its facts and its decision.
 * @module
 */
import type { Decision, ReasonCode } from '../call.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';
import type { CallFacts } from '../store/store.ts';
import type { RecordEvent } from './record.ts';

/** Fields that every record of a call carries. */
export function callEvent(call: CallFacts, kind: RecordEvent['kind'], event: string): RecordEvent {
  return {
    kind,
    event,
    tenant: call.tenant,
    agent: call.agent,
    delegation: call.delegation,
    run: call.run,
    call: call.key,
    tool: call.tool.name,
    source: call.tool.source,
  };
}

/** The arguments are those that policies see; the recorder redacts and seals them. */
export function decisionEvent(
  { facts, argumentsDigest, arguments: { view } }: PreparedCall,
  decision: Decision,
): RecordEvent {
  const [reason] = decision.reasons;
  return {
    ...callEvent(facts, 'decision', decision.verdict),
    risk: decision.risk,
    verdict: decision.verdict,
    policyVersion: decision.policyVersion,
    ruleDigest: decision.ruleDigest,
    argumentsDigest,
    arguments: view,
    ...(decision.rule?.redact === undefined ? {} : { redact: decision.rule.redact }),
    ...(decision.capability === undefined ? {} : { capability: decision.capability }),
    ...(reason === undefined ? {} : { code: reason.code }),
    ...(reason?.detail === undefined ? {} : { detail: reason.detail }),
  };
}

/** A denial by a stage after authorization (approval, claim), or before it (malformed call). */
export function denialEvent(base: RecordEvent, code: ReasonCode, detail: string | undefined): RecordEvent {
  return { ...base, verdict: 'deny', code, ...(detail === undefined ? {} : { detail }) };
}

/**
 * How a stage ends a call: it throws a `Stop` with the outcome, and the gate turns anything else thrown into a denial.
 * @module
 */
import type { Decision, Outcome, Reason, ReasonCode } from './call.ts';
import { describeError } from './describe-error.ts';
import { CountersignError } from './errors.ts';
import { messageFor } from './messages.ts';

export class Stop extends Error {
  readonly outcome: Outcome;
  /** Whether the ledger already has a record of this end. */
  readonly recorded: boolean;
  readonly detail: string | undefined;

  constructor(outcome: Outcome, options: { readonly recorded: boolean; readonly detail?: string | undefined }) {
    super(outcome.status);
    this.outcome = outcome;
    this.recorded = options.recorded;
    this.detail = options.detail;
  }
}

interface DenialContext {
  readonly callKey?: string | undefined;
  readonly capability?: string | undefined;
  readonly recorded?: boolean;
  readonly detail?: string | undefined;
}

/** A denial to throw. */
export function denied(code: ReasonCode, context: DenialContext = {}): Stop {
  const { callKey, capability, recorded = false, detail } = context;
  const outcome: Outcome = {
    status: 'denied',
    reason: code,
    message: messageFor(code),
    ...(capability === undefined ? {} : { capability }),
    ...(callKey === undefined ? {} : { callKey }),
  };
  return new Stop(outcome, { recorded, detail });
}

/** Whatever a stage threw, as a stop. What is not known is a denial. */
export function asStop(error: unknown, callKey?: string): Stop {
  if (error instanceof Stop) return error;
  return denied(codeOf(error), {
    callKey,
    detail: describeError(error),
  });
}

function codeOf(error: unknown): ReasonCode {
  if (!(error instanceof CountersignError)) return 'authorizer_failed';
  switch (error.code) {
    case 'ERR_ARGUMENTS':
      return 'arguments_invalid';
    case 'ERR_PRINCIPAL':
      return 'principal_missing';
    case 'ERR_LEASE':
      return 'credential_unavailable';
    case 'ERR_STORE':
    case 'ERR_KEY':
    case 'ERR_LEDGER':
      return 'ledger_unavailable';
    default:
      return 'authorizer_failed';
  }
}

export function firstReason(decision: Decision): Reason {
  return decision.reasons[0] ?? { code: 'authorizer_failed' };
}

/** A stop as the decision that `check` answers. */
export function refusedDecision(stop: Stop): Decision {
  const { outcome } = stop;
  const code = outcome.status === 'denied' ? outcome.reason : 'authorizer_failed';
  const capability = outcome.status === 'denied' ? outcome.capability : undefined;
  const reason = stop.detail === undefined ? { code } : { code, detail: stop.detail };
  return { verdict: 'deny', capability, risk: 'high', reasons: [reason], policyVersion: '', ruleDigest: '' };
}

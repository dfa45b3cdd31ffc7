/**
 * Asks the authorizer, bounded in time. A throw, a rejection, a time-out or an answer that is no decision denies.
 * @module
 */
import type { Decision, ReasonCode, ToolIdentity } from '../call.ts';
import { describeError } from '../describe-error.ts';
import { within } from '../within-time.ts';
import type { Authorizer, Provenance, Subject, UserDirectory } from './authorize.ts';

export interface Asked {
  readonly authorizer: Authorizer;
  readonly users: UserDirectory | undefined;
  readonly timeoutMs: number;
}

/** Never rejects. Synchronous authorizers are answered without a turn of the event loop in between. */
export async function ask(
  asked: Asked,
  principal: Subject,
  tool: ToolIdentity,
  view: unknown,
  provenance: Provenance,
): Promise<Decision> {
  try {
    if (asked.users !== undefined) {
      const active = asked.users.active(principal.tenant, principal.user);
      if ((typeof active === 'boolean' ? active : await within(active, asked.timeoutMs)) !== true)
        return refusal('user_inactive');
    }
    const answer = asked.authorizer.decide(principal, tool, view, provenance);
    return checked(answer instanceof Promise ? await within(answer, asked.timeoutMs) : answer);
  } catch (error) {
    return refusal('authorizer_failed', describeError(error));
  }
}

const verdicts: ReadonlySet<unknown> = new Set(['allow', 'deny', 'review']);
const risks: ReadonlySet<unknown> = new Set(['low', 'medium', 'high']);

/** An authorizer may be anybody's code: an answer that contradicts itself is a denial. */
function checked(decision: Decision): Decision {
  if (!verdicts.has(decision.verdict)) return refusal('authorizer_failed', 'the verdict is not allow, deny or review');
  if (decision.verdict === 'deny') return decision;
  if (!risks.has(decision.risk)) return refusal('authorizer_failed', 'the risk is not low, medium or high');
  if (decision.rule === undefined || decision.capability === undefined) {
    return refusal('authorizer_failed', 'a decision that does not deny needs a rule and a capability');
  }
  return decision.verdict === 'allow' && decision.risk !== 'low' ? { ...decision, verdict: 'review' } : decision;
}

function refusal(code: ReasonCode, detail?: string): Decision {
  const reason = detail === undefined ? { code } : { code, detail };
  return { verdict: 'deny', capability: undefined, risk: 'high', reasons: [reason], policyVersion: '', ruleDigest: '' };
}

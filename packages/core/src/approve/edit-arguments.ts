/**
 * Arguments that an approver changed: read strictly, decided on again, and sealed under a new digest.
 * @module
 */
import type { Authorizer } from '../authorize/authorize.ts';
import { ask } from '../authorize/ask.ts';
import { maxRisk, type Decision } from '../call.ts';
import { ApprovalConflict } from '../errors.ts';
import { prepareArguments, restoreArguments } from '../execute/arguments.ts';
import { digestApproval, digestArguments } from '../execute/digest.ts';
import { parseJsonText } from '../execute/json-text.ts';
import type { RecordEvent } from '../record/record.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { StoredApproval, StoredEdit } from '../store/store.ts';
import { editContext } from './filed-arguments.ts';
import { editedOrigins } from './filed-provenance.ts';

interface EditedArguments {
  readonly digest: string;
  readonly edit: StoredEdit;
  readonly event: Pick<RecordEvent, 'arguments' | 'argumentsDigest' | 'redact'>;
}

const policyTimeoutMs = 1_000;

/** @throws ApprovalConflict or ArgumentsError when they are no arguments, or not permitted by the rules of the request */
export async function editArguments(
  policy: Authorizer | undefined,
  approval: StoredApproval,
  key: SubjectKey,
  text: string,
): Promise<EditedArguments> {
  if (policy === undefined) {
    throw new ApprovalConflict('this service has no policy, so nothing can be edited here', {
      reason: 'edit_not_permitted',
    });
  }
  parseJsonText(text);
  const prepared = prepareArguments(restoreArguments(text));
  const { rule } = await permit(policy, approval, key, prepared.view);
  const plainDigest = digestArguments(prepared.canonical);
  const argumentsDigest = key.digest(plainDigest);
  return {
    digest: digestApproval(approval.call, { ...approval, edit: { argumentsDigest } }),
    edit: { argumentsDigest, sealedArguments: key.seal(prepared.canonical, editContext(approval.id, argumentsDigest)) },
    event: {
      argumentsDigest: plainDigest,
      arguments: prepared.view,
      ...(rule?.redact === undefined ? {} : { redact: rule.redact }),
    },
  };
}

/** The rules that sent the call to these approvers must permit it still, at no higher risk. */
async function permit(policy: Authorizer, approval: StoredApproval, key: SubjectKey, view: unknown): Promise<Decision> {
  const { tenant, agent, delegation, tool } = approval.call;
  const asked = { authorizer: policy, users: undefined, timeoutMs: policyTimeoutMs };
  const subject = { tenant, user: key.user, agent, delegation };
  const decision = await ask(asked, subject, tool, view, () => editedOrigins(approval, key, view));
  if (decision.verdict === 'deny') {
    throw editDenied(`the policy denies these arguments: ${decision.reasons[0]?.code ?? 'no reason'}`);
  }
  if (maxRisk(decision.risk, approval.risk) !== approval.risk) {
    throw editDenied(`these arguments raise the risk to ${decision.risk}: the agent has to ask anew`);
  }
  if (decision.ruleDigest !== approval.ruleDigest) {
    throw editDenied('the rules have changed since the request: the agent has to ask anew');
  }
  return decision;
}

function editDenied(message: string): ApprovalConflict {
  return new ApprovalConflict(message, { reason: 'edit_denied' });
}

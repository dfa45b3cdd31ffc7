/**
 * The call with the arguments that an approver made of it.
 * @module
 */
import { describeError } from '../describe-error.ts';
import { prepareArguments, restoreArguments } from '../execute/arguments.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';
import type { Validate } from '../execute/run-body.ts';
import type { GateContext } from '../gate-context.ts';
import { digestArguments } from '../execute/digest.ts';
import { denied } from '../stop.ts';
import type { StoredApproval } from '../store/store.ts';
import { within } from '../within-time.ts';
import { argumentsOf } from './filed-arguments.ts';

const validateTimeoutMs = 5_000;

/**
 * It keeps its key, which says where it stands in the run; what it would run with is under the approval's digest.
 * @param approval one whose digest and votes were verified
 * @throws Stop when the tool's schema does not permit what the approver wrote, or cannot be asked
 */
export async function editedCall(
  context: GateContext,
  call: PreparedCall,
  approval: StoredApproval,
  validate: Validate | undefined,
): Promise<PreparedCall> {
  if (approval.edit === undefined) return call;
  const { argumentsDigest } = approval.edit;
  const edited = prepareArguments(restoreArguments(argumentsOf(approval, context.key)));
  const refuse = (detail: string) => denied('arguments_invalid', { callKey: call.facts.key, detail });
  if (validate === undefined) throw refuse('an approver edited the arguments, and nothing here can check them');
  try {
    await within(Promise.resolve(validate(edited.copy())), validateTimeoutMs);
  } catch (error) {
    throw refuse(`the arguments that an approver edited do not fit the tool: ${describeError(error)}`);
  }
  const facts = { ...call.facts, argumentsDigest };
  return { ...call, facts, arguments: edited, argumentsDigest: digestArguments(edited.canonical) };
}

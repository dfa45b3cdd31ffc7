/**
 * The arguments of an approval, as they are sealed in the store.
 * @module
 */
import { ApprovalConflict } from '../errors.ts';
import { digestArguments } from '../execute/digest.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { StoredApproval } from '../store/store.ts';

/** Context under which edited arguments are sealed. */
export function editContext(approval: string, argumentsDigest: string): string {
  return `approval|${approval}|edit|${argumentsDigest}`;
}

/**
 * The arguments that would run, as canonical text: those of the model, or what an approver made of them.
 * @throws ApprovalConflict when they are not those of the digest; KeyError when they cannot be opened
 */
export function argumentsOf({ id, call, edit, sealedArguments }: StoredApproval, key: SubjectKey): string {
  const text =
    edit === undefined
      ? key.open(sealedArguments, argumentsContext(id))
      : key.open(edit.sealedArguments, editContext(id, edit.argumentsDigest));
  if (key.digest(digestArguments(text)) === (edit ?? call).argumentsDigest) return text;
  throw new ApprovalConflict(`approval ${id} was changed in the store: its arguments are not those of its digest`, {
    reason: 'unreadable',
  });
}

/** Context under which revision 1 of the arguments is sealed. */
export function argumentsContext(approval: string): string {
  return `approval|${approval}|arguments|1`;
}

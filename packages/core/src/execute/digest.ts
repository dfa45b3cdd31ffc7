/**
 * The digests that bind a decision, an approval and a grant to exactly one call. Each is SHA-256 over a domain tag and
 * a JSON array, so that no two different field lists have the same encoding. Base64url.
 * @module
 */
import { hash } from 'node:crypto';
import type { ToolCall, ToolIdentity } from '../call.ts';
import type { Principal } from '../identify/principal.ts';
import type { CallFacts, NewApproval } from '../store/store.ts';

/** Digest of the canonical arguments. */
export function digestArguments(canonical: string): string {
  return hash('sha256', `countersign/arguments/1\n${canonical}`, 'base64url');
}

/** Who makes the call, by the pseudonym of the user: a digest of a user id could be guessed. */
type Caller = Pick<Principal, 'tenant' | 'agent' | 'delegation'> & { readonly subject: string };

/** The slot: where in the run the call stands. Two calls with one slot are the same call, or one of them is refused. */
export function digestSlot(caller: Caller, run: string, call: Pick<ToolCall, 'step' | 'callId'>): string {
  const { subject, delegation, agent } = caller;
  const fields = ['countersign/slot/1', run, subject, delegation, agent, call.step, call.callId];
  return hash('sha256', JSON.stringify(fields), 'base64url');
}

/**
 * The call key: the slot, and everything that the call would run with.
 * @param argumentsDigest under the user's key, as in `CallFacts`: so the call key gives no short argument away either
 */
export function digestCall(
  { tenant, subject }: Pick<Caller, 'tenant' | 'subject'>,
  slot: string,
  tool: ToolIdentity,
  argumentsDigest: string,
): string {
  const { name, source, schemaDigest } = tool;
  const fields = ['countersign/call/1', tenant, subject, slot, name, source, schemaDigest ?? null, argumentsDigest];
  return hash('sha256', JSON.stringify(fields), 'base64url');
}

type ApprovalContent = Omit<NewApproval, 'digest' | 'sealedArguments'> & {
  readonly edit?: { readonly argumentsDigest: string };
};

/** What approvers sign: the request for a human with everything that its grant is bound to. */
export function digestApproval(call: CallFacts, approval: ApprovalContent): string {
  const fields = [
    'countersign/approval/1',
    ...[call.tenant, call.subject, call.agent, call.delegation, call.run],
    ...[call.tool.name, call.tool.source, call.tool.schemaDigest ?? null, call.key, call.argumentsDigest],
    ...[approval.id, approval.ruleDigest, approval.capability, approval.risk, approval.mode, approval.expiresAt],
    ...[approval.createdAt, approval.rule, approval.edit?.argumentsDigest ?? null, approval.sealedProvenance ?? null],
  ];
  return hash('sha256', JSON.stringify(fields), 'base64url');
}

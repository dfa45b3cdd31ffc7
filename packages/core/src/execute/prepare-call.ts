/**
 * From a framework's call to one with a key: validated, digested, and with a private copy of its arguments.
 * @module
 */
import { insideGuardedCall } from '../authorize/heard.ts';
import type { ToolCall } from '../call.ts';
import { ArgumentsError, PrincipalError } from '../errors.ts';
import { ownerOf, type Principal } from '../identify/principal.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { CallFacts } from '../store/store.ts';
import { prepareArguments, type PreparedArguments } from './arguments.ts';
import { digestArguments, digestCall, digestSlot } from './digest.ts';
import { parseJsonText } from './json-text.ts';

export interface PreparedCall {
  readonly facts: CallFacts;
  /** The provider's id, for spans. */
  readonly callId: string;
  readonly origin: ToolCall['origin'];
  readonly arguments: PreparedArguments;
  /** SHA-256 of the canonical arguments, base64url: for services and sealed parts. The store gets it under the user's key. */
  readonly argumentsDigest: string;
  readonly observed?: ToolCall['observed'];
}

/**
 * Where a call of this gate would stand: what `ApprovalView.slot` says of the request for it.
 * @throws PrincipalError when no Countersign instance of this process made the gate's principal
 */
export function callSlot(
  gate: { readonly principal: Principal; readonly run: string },
  call: Pick<ToolCall, 'step' | 'callId'>,
): string {
  const subject = ownerOf(gate.principal)?.pseudonymOf(gate.principal);
  if (subject === undefined) throw new PrincipalError('a slot needs a gate made by countersign.gate()');
  return digestSlot({ ...gate.principal, subject }, gate.run, call);
}

const maxNameLength = 256;

/** Whose call it is. */
interface CallOwner {
  readonly principal: Principal;
  readonly run: string;
  readonly key: Pick<SubjectKey, 'pseudonym' | 'digest'>;
}

/** @throws ArgumentsError when the call has no id, no name, or arguments that cannot be digested. */
export function prepareCall({ principal, run, key }: CallOwner, call: ToolCall): PreparedCall {
  requireText('call id', call.callId);
  requireText('step', call.step);
  requireText('tool name', call.tool.name);
  requireText('tool source', call.tool.source);
  if (call.origin !== 'model' && call.origin !== 'resume')
    throw new ArgumentsError('origin must be "model" or "resume"');
  if (call.wire !== undefined) parseJsonText(call.wire);
  const prepared = prepareArguments(call.arguments);
  const argumentsDigest = digestArguments(prepared.canonical);
  const caller = { ...principal, subject: key.pseudonym };
  const slot = digestSlot(caller, run, call);
  const keyedDigest = key.digest(argumentsDigest);
  const { name, source, schemaDigest } = call.tool;
  const tool = schemaDigest === undefined ? { name, source } : { name, source, schemaDigest };
  return {
    facts: {
      tenant: principal.tenant,
      run,
      subject: key.pseudonym,
      agent: principal.agent,
      delegation: principal.delegation,
      tool,
      slot,
      key: digestCall(caller, slot, tool, keyedDigest),
      argumentsDigest: keyedDigest,
    },
    callId: call.callId,
    origin: call.origin,
    arguments: prepared,
    argumentsDigest,
    ...(call.observed === undefined || insideGuardedCall() ? {} : { observed: call.observed }),
  };
}

function requireText(what: string, value: unknown): void {
  if (typeof value !== 'string' || value === '' || value.length > maxNameLength || !value.isWellFormed()) {
    throw new ArgumentsError(`${what} must be a text of 1 to ${maxNameLength} characters`);
  }
}

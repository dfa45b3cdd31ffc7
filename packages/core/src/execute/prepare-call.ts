/**
 * From a framework's call to one with a key: validated, digested, and with a private copy of its arguments.
 * @module
 */
import type { ToolCall } from '../call.ts';
import { ArgumentsError } from '../errors.ts';
import type { Principal } from '../identify/principal.ts';
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
}

/** Where a call of this gate would stand: what `ApprovalView.slot` says of the request for it. */
export function callSlot(
  gate: { readonly principal: Principal; readonly run: string },
  call: Pick<ToolCall, 'step' | 'callId'>,
): string {
  return digestSlot(gate.principal, gate.run, call);
}

const maxNameLength = 256;

/** Whose call it is. */
interface CallOwner {
  readonly principal: Principal;
  readonly run: string;
  readonly key: { readonly pseudonym: string };
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
  const slot = digestSlot(principal, run, call);
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
      key: digestCall(principal, slot, tool, argumentsDigest),
      argumentsDigest,
    },
    callId: call.callId,
    origin: call.origin,
    arguments: prepared,
  };
}

function requireText(what: string, value: unknown): void {
  if (typeof value !== 'string' || value === '' || value.length > maxNameLength || !value.isWellFormed()) {
    throw new ArgumentsError(`${what} must be a text of 1 to ${maxNameLength} characters`);
  }
}

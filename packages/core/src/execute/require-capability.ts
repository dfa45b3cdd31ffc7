/**
 * For code that is in no framework: a function that runs only through the gate.
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { Outcome } from '../call.ts';
import { ArgumentsError, CallPending, CallUnknown, UnauthorizedToolCall } from '../errors.ts';
import type { Gate } from '../gate.ts';

type AnyFunction<Args extends readonly unknown[], Result> = (...args: Args) => Result | PromiseLike<Result>;

/**
 * Guards a function as the capability it needs; the policy sees source `capability`. Each invocation is a call of its
 * own. Constraints see the arguments: the object itself where a plain object is the only one and has no member
 * `arguments`, and `{ "arguments": [...] }` otherwise. A blocking approval is waited for.
 *
 * @throws UnauthorizedToolCall (with agent and capability) when denied, CallPending while a person has to approve,
 * CallUnknown when the outcome could not be written down, and whatever the function throws.
 */
export function requireCapability(
  gate: Gate,
  capability: string,
): <Args extends readonly unknown[], Result>(body: AnyFunction<Args, Result>) => (...args: Args) => Promise<Result> {
  return (body) =>
    async (...args) => {
      const single = args.length === 1 && isRecord(args[0]);
      const outcome = await gate.execute(
        {
          tool: { name: capability, source: 'capability' },
          callId: randomUUID(),
          step: 'function',
          origin: 'model',
          arguments: single ? args[0] : { arguments: args },
        },
        (copy) => body(...((single ? [copy] : (copy as { arguments: unknown }).arguments) as typeof args)),
        { wait: true, validate: single ? requireRecord : requireList },
      );
      return resultOf(outcome, gate.principal.agent, capability);
    };
}

/** What an approver edited must still be what the function is called with. */
function requireRecord(edited: unknown): void {
  if (!isRecord(edited)) throw new ArgumentsError('the function takes one object');
}

function requireList(edited: unknown): void {
  const list = typeof edited === 'object' && edited !== null && 'arguments' in edited ? edited.arguments : undefined;
  if (!Array.isArray(list)) throw new ArgumentsError('the function takes { "arguments": [ … ] }');
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('arguments' in value);
}

/** The result of a completed call; anything else as the error of its kind. Messages are safe for a model. */
export function resultOf<Result>(outcome: Outcome<Result>, agent: string, capability?: string): Result {
  switch (outcome.status) {
    case 'completed':
      return outcome.result;
    case 'failed':
    case 'suspended':
      throw outcome.status === 'failed' ? outcome.error : outcome.signal;
    case 'denied':
      throw new UnauthorizedToolCall(outcome.message, { agent, capability: capability ?? outcome.capability });
    case 'pending':
      throw new CallPending(outcome.message, outcome.approval);
    case 'consent_required':
      throw new UnauthorizedToolCall(outcome.message, { agent, capability });
    case 'unknown':
      throw new CallUnknown(outcome.message);
    default:
      throw new CallUnknown(`unknown outcome ${String(outcome satisfies never)}`);
  }
}

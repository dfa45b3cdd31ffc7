/**
 * The members by which the SDK decides whether to pause. A `needsApproval` that it does not know to be static makes it
 * ask a person about arguments that are not even JSON. It looks at the member several times for each call, in one go, so
 * a getter can answer the static one exactly when the arguments did not parse.
 *
 * A wrong guess is never a way past the gate: without a pause the tool's body is refused, with one it is decided again.
 * @module
 */
import type { FunctionTool } from '@openai/agents';

type NeedsApproval = FunctionTool<unknown>['needsApproval'];

export interface ApprovalMembers {
  readonly descriptors: PropertyDescriptorMap;
  /** To be told when the parser has looked at a value. */
  parsed(value: unknown): void;
}

/** For the runner: it reads `parameters`, parses, and then reads `needsApproval` until it calls it. */
export function runnerMembers(parameters: unknown, policy: NeedsApproval, still: NeedsApproval): ApprovalMembers {
  let state: 'parsed' | 'unparsed' | 'not_an_object' = 'parsed';
  return {
    parsed(value) {
      state = isPlainObject(value) ? 'parsed' : 'not_an_object';
    },
    descriptors: members(
      () => {
        state = 'unparsed';
        return parameters;
      },
      () => {
        if (state === 'not_an_object') return still;
        const answer = state === 'parsed' ? policy : still;
        state = 'parsed';
        return answer;
      },
    ),
  };
}

/** For a realtime session: it reads `needsApproval`, then `parameters`, parses, and calls `needsApproval`. */
export function realtimeMembers(parameters: unknown, policy: NeedsApproval, still: NeedsApproval): ApprovalMembers {
  let state: 'idle' | 'looked' | 'parsing' = 'idle';
  return {
    parsed: () => undefined,
    descriptors: members(
      () => {
        if (state === 'looked') state = 'parsing';
        return parameters;
      },
      () => {
        if (state === 'parsing') {
          state = 'idle';
          return policy;
        }
        state = 'looked';
        queueMicrotask(() => {
          state = 'idle';
        });
        return still;
      },
    ),
  };
}

function members(parameters: () => unknown, needsApproval: () => NeedsApproval): PropertyDescriptorMap {
  return {
    parameters: { get: parameters, enumerable: true, configurable: true },
    needsApproval: { get: needsApproval, enumerable: true, configurable: true },
  };
}

function isPlainObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

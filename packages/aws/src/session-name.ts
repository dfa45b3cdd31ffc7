/**
 * The name of a session, which AWS writes into CloudTrail and into the ARN of the caller.
 * @module
 */
import type { LeaseRequest } from '@countersign/core';

const maxLength = 64;

/**
 * `<agent>@<call key>`: the call key as it is, the agent cut to what is left. AWS takes 2 to 64 of `[\w+=,.@-]`; anything
 * else becomes `-`. The name is for people who read a trail, and decides nothing.
 */
export function sessionName({ agent, callKey }: Pick<LeaseRequest, 'agent' | 'callKey'>): string {
  const clean = (text: string): string => text.replaceAll(/[^A-Za-z0-9_+=,.@-]/g, '-');
  const call = clean(callKey).slice(0, maxLength - 2);
  return `${clean(agent).slice(0, maxLength - 1 - call.length)}@${call}`;
}

/**
 * What Vault answered, and what a refusal means in words. Neither the body of a refusal nor an error of a client is ever
 * quoted: a failing database engine answers with the SQL it ran, password included.
 * @module
 */
import { LeaseError } from '@countersign/core';

export type VaultAnswer =
  | { readonly kind: 'answer'; readonly body: Readonly<Record<string, unknown>> }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'unreachable'; readonly reason: string };

/** Statuses of Vault's HTTP API, and what an operator can do about them. */
const meanings: readonly (readonly [from: number, to: number, meaning: string])[] = [
  [300, 399, 'redirected; redirects are not followed: give the address of the active node or of a load balancer'],
  [400, 400, 'the request was refused as malformed; check mount, role and its statements in the log of Vault'],
  [403, 403, 'permission denied; allow this path in a policy of the login, in this very namespace'],
  [404, 404, 'there is nothing here; check mount, path, role and namespace'],
  [412, 412, 'the node has not caught up yet; try again'],
  [429, 429, 'too many requests, or a standby node; raise the quota or give the address of the active node'],
  [472, 473, 'a standby node; give the address of the active node'],
  [503, 503, 'sealed, or in maintenance; unseal it'],
  [500, 599, 'an error inside Vault or of the system behind it; see the log of Vault'],
];

/** `what` names service or login, `path` holds ids and no secret. */
export function failureOf(what: string, path: string, answer: Exclude<VaultAnswer, { kind: 'answer' }>): LeaseError {
  if (answer.kind === 'unreachable') {
    return new LeaseError(`${what}: Vault did not answer for ${path} (${answer.reason}); check address and network`);
  }
  const meaning = meanings.find(([from, to]) => answer.status >= from && answer.status <= to)?.[2];
  return new LeaseError(`${what}: Vault answered ${answer.status} for ${path}: ${meaning ?? 'not understood'}`);
}

/** Turns whatever node-vault's promise came to into an answer; nothing of an error but its status or code is kept. */
export async function toAnswer(request: Promise<unknown>): Promise<VaultAnswer> {
  try {
    const body = await request;
    return { kind: 'answer', body: membersOf(body) };
  } catch (error) {
    const { response, name, cause } = membersOf(error);
    const status = membersOf(response)['statusCode'];
    if (typeof status === 'number') return { kind: 'refused', status };
    const code = membersOf(cause)['code'];
    if (name === 'TimeoutError') return { kind: 'unreachable', reason: 'no answer in time' };
    if (name === 'RangeError') return { kind: 'unreachable', reason: 'an answer that is too large' };
    const known = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code);
    return { kind: 'unreachable', reason: known ? code : 'no connection' };
  }
}

/** Members of whatever this is. */
export function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

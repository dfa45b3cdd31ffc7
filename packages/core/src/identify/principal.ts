/**
 * Who is behind a call. A principal is an opaque object: only `countersign.principal()` makes one, and a plain,
 * cloned or deserialized object with the same members is refused.
 * @module
 */
import { IdentifierError, PrincipalError } from '../errors.ts';
import { processState, type PrincipalOwner } from '../process-state.ts';

export interface Principal {
  readonly tenant: string;
  readonly user: string;
  readonly agent: string;
  /** Agents above this one, outermost first; empty for the agent the user talks to. */
  readonly delegation: readonly string[];
}

const tenantForm = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const idForm = /^[A-Za-z0-9][A-Za-z0-9._@:+-]{0,127}$/;

/** Refuses an id that is not of its kind's form. Ids go into keys and paths, so they hold no separator of either. */
export function requireId(kind: 'tenant' | 'user' | 'agent' | 'run', value: unknown): string {
  const form = kind === 'tenant' ? tenantForm : idForm;
  if (typeof value === 'string' && form.test(value)) return value;
  throw new IdentifierError(
    `${kind} id must match ${form.source}, got ${typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value}`,
  );
}

/** How deep agents may delegate: user → agent → sub-agent … */
const maxDelegationDepth = 8;

export interface PrincipalInput {
  readonly tenant: string;
  readonly user: string;
  readonly agent: string;
}

/** Makes and brands a principal. `owner` ties it to the Countersign instance that made it. */
export function createPrincipal(input: PrincipalInput, owner: PrincipalOwner): Principal {
  const principal: Principal = Object.freeze({
    tenant: requireId('tenant', input.tenant),
    user: requireId('user', input.user),
    agent: requireId('agent', input.agent),
    delegation: Object.freeze([]),
  });
  processState().principals.set(principal, owner);
  return principal;
}

/** The principal of a sub-agent: the same user, one link more. It can only narrow. */
export function delegatePrincipal(principal: Principal, agent: string): Principal {
  const owner = ownerOf(principal);
  if (owner === undefined) throw new PrincipalError('delegation needs a principal made by countersign.principal()');
  if (principal.delegation.length + 1 > maxDelegationDepth) {
    throw new PrincipalError(`delegation is at most ${maxDelegationDepth} agents deep`);
  }
  const narrowed: Principal = Object.freeze({
    tenant: principal.tenant,
    user: principal.user,
    agent: requireId('agent', agent),
    delegation: Object.freeze([...principal.delegation, principal.agent]),
  });
  processState().principals.set(narrowed, owner);
  return narrowed;
}

/** The instance that made this principal; `undefined` for anything that was not made by one. */
export function ownerOf(value: unknown): PrincipalOwner | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  return processState().principals.get(value);
}

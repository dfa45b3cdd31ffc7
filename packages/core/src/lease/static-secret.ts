/**
 * Registered static secrets: which one a lease gets, when its owner is warned, and when it stops.
 *
 * A static secret can neither be narrowed nor revoked through a lease: it is registered with the scope and the expiry
 * that it has at its service, a request for any other scope is refused, and the policy must accept the residual validity.
 * @module
 */
import { isDeepStrictEqual } from 'node:util';
import { KeyError, LeaseError } from '../errors.ts';
import type { CredentialProvider, LeaseRequest } from './lease.ts';
import { requireScrubbable } from './scrub.ts';
import type { Secret } from './secret.ts';

const dayMs = 86_400_000;
/** Longest life of a registered secret, in milliseconds: 90 days. */
export const maxSecretLifeMs: number = 90 * dayMs;
/** From this part of its life on, every use of a secret warns. */
const warnAfter = 0.8;

/** A secret as registered. Which one a lease gets is decided by all of tenant, service, agent and scope. */
export interface RegisteredSecret {
  readonly tenant: string;
  readonly service: string;
  /** The agent it is for. One without an agent serves every agent of the tenant that has none of its own. */
  readonly agent?: string;
  /** The scope it has at the service. Plain JSON; default none. */
  readonly scope?: Readonly<Record<string, unknown>>;
  readonly value: Secret;
  /** Milliseconds since the epoch. Default: now. */
  readonly registeredAt?: number;
  /** Milliseconds since the epoch; at most 90 days ahead. From then on it is refused. */
  readonly expiresAt: number;
  /** Its id at the service, where it is rotated. */
  readonly keyId?: string;
}

export type SecretName = Pick<RegisteredSecret, 'tenant' | 'service' | 'agent' | 'scope'>;
export type Wanted = Pick<LeaseRequest, 'tenant' | 'service' | 'agent' | 'scope'>;

export interface StaticProviderOptions {
  readonly name: string;
  readonly services: readonly string[];
  /** Told at every use of a secret in the last fifth of its life. */
  readonly onExpiring: (secret: Omit<RegisteredSecret, 'value'>) => void;
  /** Milliseconds since the epoch. */
  readonly clock?: (() => number) | undefined;
}

/** The provider over a list that is read at every lease, so that a removed secret is gone at once. */
export function staticProvider(
  options: StaticProviderOptions,
  read: () => readonly RegisteredSecret[] | Promise<readonly RegisteredSecret[]>,
): CredentialProvider {
  const services = Object.freeze([...options.services]);
  const find = async (wanted: Wanted): Promise<RegisteredSecret> => {
    if (!services.includes(wanted.service)) throw new LeaseError(`service ${wanted.service} is not offered here`);
    const found = selectSecret(await asLeaseError(read), wanted);
    requireAlive(found, (options.clock ?? Date.now)(), options.onExpiring);
    return found;
  };
  return {
    name: options.name,
    services,
    maxLifetimeMs: maxSecretLifeMs,
    revocable: false,
    findable: false,
    async get(request) {
      const { value, expiresAt } = await find(request);
      return { credentialId: request.leaseId, secret: value, expiresAt };
    },
    /** Nothing to prepare: succeeds when the secret is registered. */
    async provision(input) {
      await find(input);
    },
    async revoke() {
      throw new LeaseError('a static secret cannot be revoked with a lease; rotate it, or end it at its service');
    },
    async rotate({ service }) {
      throw new LeaseError(`service ${service}: replace a static secret at its service, then register the new one`);
    },
  };
}

function requireAlive(found: RegisteredSecret, now: number, warn: StaticProviderOptions['onExpiring']): void {
  const { value: _value, ...secret } = found;
  const { service, registeredAt = now, expiresAt } = secret;
  if (expiresAt <= now) throw new LeaseError(`the secret for service ${service} has expired; register a new one`);
  if (now < registeredAt + (expiresAt - registeredAt) * warnAfter) return;
  try {
    warn(secret);
  } catch {
    // A broken warning is no reason to refuse a secret that is still good.
  }
}

function selectSecret(
  secrets: readonly RegisteredSecret[],
  { tenant, service, agent, scope }: Wanted,
): RegisteredSecret {
  const ofTenant = secrets.filter((secret) => secret.tenant === tenant && secret.service === service);
  const own = ofTenant.filter((secret) => secret.agent === agent);
  const candidates = own.length > 0 ? own : ofTenant.filter((secret) => secret.agent === undefined);
  if (candidates.length === 0) throw new LeaseError(`no secret is registered for service ${service} in this tenant`);
  const found = candidates.find((secret) => isDeepStrictEqual(secret.scope ?? {}, { ...scope }));
  if (found !== undefined) return found;
  throw new LeaseError(
    `service ${service}: a static secret cannot be narrowed, and none is registered with this very scope`,
  );
}

export function sameSecret(left: SecretName, right: SecretName): boolean {
  return isDeepStrictEqual(nameOf(left), nameOf(right));
}

function nameOf({ tenant, service, agent, scope }: SecretName): unknown {
  return { tenant, service, agent, scope: scope ?? {} };
}

/** An expired secret may stay where it is: it is refused at use, and must not keep the others from being changed. */
export function requireSecret({ service, value, registeredAt, expiresAt }: RegisteredSecret, now: number): void {
  requireScrubbable(service, value.reveal());
  const from = registeredAt ?? now;
  if (Number.isSafeInteger(expiresAt) && Number.isSafeInteger(from) && expiresAt <= from + maxSecretLifeMs) return;
  throw new LeaseError(
    `secret for service ${service}: expected an expiry within 90 days, in milliseconds since the epoch`,
  );
}

export async function asLeaseError<Value>(run: () => Value | Promise<Value>): Promise<Value> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof KeyError) throw new LeaseError(error.message, { cause: error });
    throw error;
  }
}

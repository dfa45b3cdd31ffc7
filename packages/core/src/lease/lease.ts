/**
 * Credentials: one provider interface, and the lease that a tool body holds for one call.
 * @module
 */
import type { Secret } from './secret.ts';

/** Hard upper bound of a lease, in milliseconds. */
export const maxLeaseTtlMs = 900_000;

/** What a lease is for. A provider must narrow the credential to this and to nothing more. */
export interface LeaseRequest {
  /** Durable before the provider is called; a `findable` provider tags the credential with it. */
  readonly leaseId: string;
  readonly tenant: string;
  readonly user: string;
  readonly agent: string;
  readonly run: string;
  readonly callKey: string;
  readonly tool: string;
  readonly capability: string;
  /** SHA-256 of the canonical arguments, base64url. */
  readonly argumentsDigest: string;
  readonly service: string;
  readonly scope: Readonly<Record<string, unknown>>;
  /** Wanted life in milliseconds, ≤ {@link maxLeaseTtlMs}. */
  readonly ttlMs: number;
}

/** A credential as a provider gave it. */
export interface Credential {
  /** What `revoke` needs. May be secret; it is kept encrypted. */
  readonly credentialId: string;
  readonly secret: Secret;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface Consent {
  readonly consentUrl: string;
}

/**
 * A source of credentials for one or more services. Every method may reject with `LeaseError`; a message never
 * holds a secret. A call to it is bounded in time by the gate.
 */
export interface CredentialProvider {
  readonly name: string;
  readonly services: readonly string[];
  /** Longest life, in milliseconds, that a credential of this provider can have after it was issued. */
  readonly maxLifetimeMs: number;
  /** Whether `revoke` ends a credential before its expiry. */
  readonly revocable: boolean;
  /** Whether `revoke` finds a credential by the lease id alone, so that a crash between issue and note leaves no orphan. */
  readonly findable: boolean;
  /** A credential for one operation, or where the user has to consent first. */
  get(request: LeaseRequest): Promise<Credential | Consent>;
  /** Prepares an agent for a service (for example: creates its role). */
  provision(input: {
    tenant: string;
    agent: string;
    service: string;
    scope: Readonly<Record<string, unknown>>;
    ttlMs: number;
  }): Promise<void>;
  /** Idempotent: revoking what is gone succeeds. */
  revoke(input: { tenant: string; leaseId: string; credentialId: string | undefined }): Promise<void>;
  /**
   * Replaces the long-lived secret behind a service: from now on `get` gives the new one, and what it superseded stays
   * valid until `retire`. Idempotent per `rotation`: asked again after a crash, it answers the same.
   */
  rotate(input: RotateRequest): Promise<Rotation | void>;
  /** Ends what a rotation superseded, or a long-lived secret that is compromised. Idempotent. */
  retire?(input: RetireRequest): Promise<void>;
}

/** Which long-lived secret: an agent's own, or the one that every agent of the tenant without its own shares. */
export interface RotateRequest {
  readonly tenant: string;
  readonly service: string;
  readonly agent?: string;
  /** Names this rotation, durable before the provider is called. */
  readonly rotation?: string;
}

export interface RetireRequest {
  readonly tenant: string;
  readonly service: string;
  readonly agent?: string;
  /** One of {@link Rotation.superseded}. */
  readonly credentialId: string;
}

export interface Rotation {
  /** When the new secret ends, in milliseconds since the epoch. */
  readonly expiresAt?: number;
  /** Ids of what was replaced and still works. May be secret; they are kept encrypted. */
  readonly superseded: readonly string[];
}

/** What a tool body gets from `currentLease(service)`. */
export interface Lease {
  readonly id: string;
  readonly service: string;
  readonly secret: Secret;
  readonly expiresAt: number;
}

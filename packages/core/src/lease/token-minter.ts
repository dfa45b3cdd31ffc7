/**
 * A provider that signs its own short-lived tokens, for services that you run: each token is for one audience, one
 * operation and one call. The service checks it with `verifyMintedToken`.
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { ConfigurationError, KeyError, LeaseError } from '../errors.ts';
import type { CredentialProvider, LeaseRequest } from './lease.ts';
import { Secret } from './secret.ts';

/** RFC 8725 §3.11: a type of its own, so that no other token of the issuer can pass for one. */
export const mintedTokenType = 'countersign-lease+jwt';
/** In seconds. */
export const maxTokenLifetime = 300;
/** How far the clocks of minter and service may be apart, in seconds. */
export const tokenClockSkew = 30;

/** Where revoked tokens are made known to the service: shared memory in one process, a table or a channel in several. */
export interface RevocationList {
  /** Idempotent. `expiresAt` in milliseconds since the epoch: from then on the entry is not needed. */
  add(lease: string, expiresAt: number): void | Promise<void>;
  has(lease: string): boolean | Promise<boolean>;
}

/** For minter and service in one process. Entries are dropped when their tokens have expired. */
export function memoryRevocationList(clock: () => number = Date.now): RevocationList {
  const revoked = new Map<string, number>();
  return {
    add(lease, expiresAt) {
      const now = clock();
      for (const [known, until] of revoked) if (until <= now) revoked.delete(known);
      revoked.set(lease, expiresAt);
    },
    has: (lease) => revoked.has(lease),
  };
}

export interface TokenMinterOptions {
  readonly name: string;
  readonly services: readonly string[];
  readonly issuer: string;
  /** The one service that may accept the tokens. */
  readonly audience: string;
  /** Private key: P-256 signs ES256, Ed25519 signs EdDSA. */
  readonly signingKey: KeyObject;
  readonly keyId?: string;
  /** A lease that is not in it can be used until it expires. `verifyMintedToken` must ask the same list. */
  readonly revocations: Pick<RevocationList, 'add'>;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** Throws `KeyError` for a key that is not private and asymmetric, `ConfigurationError` for an empty name. */
export function tokenMinter(options: TokenMinterOptions): CredentialProvider {
  const algorithm = algorithmOf(options.signingKey, 'private');
  for (const member of ['name', 'issuer', 'audience'] as const) {
    if (typeof options[member] !== 'string' || options[member] === '')
      throw new ConfigurationError(`token minter: ${member} is missing`);
  }
  const clock = options.clock ?? Date.now;
  const services = Object.freeze([...options.services]);
  const requireService = (service: string): void => {
    if (!services.includes(service)) throw new LeaseError(`service ${service} is not offered here`);
  };
  return {
    name: options.name,
    services,
    maxLifetimeMs: maxTokenLifetime * 1000,
    revocable: true,
    findable: true,
    async get(request) {
      requireService(request.service);
      const lifetime = Math.min(Math.floor(request.ttlMs / 1000), maxTokenLifetime);
      if (!(lifetime >= 1)) throw new LeaseError(`expected a life of at least 1000 ms, got ${request.ttlMs}`);
      const issuedAt = Math.floor(clock() / 1000);
      const id = randomUUID();
      const header = {
        alg: algorithm,
        typ: mintedTokenType,
        ...(options.keyId === undefined ? {} : { kid: options.keyId }),
      };
      const token = await new SignJWT({
        iss: options.issuer,
        aud: options.audience,
        iat: issuedAt,
        nbf: issuedAt,
        exp: issuedAt + lifetime,
        jti: id,
        ...claimsOf(request),
      })
        .setProtectedHeader(header)
        .sign(options.signingKey);
      return { credentialId: id, secret: new Secret(token), expiresAt: (issuedAt + lifetime) * 1000 };
    },
    /** Nothing to prepare: the service knows agents by the token. */
    async provision({ service }) {
      requireService(service);
    },
    /** By the lease alone, so that a token whose id was lost in a crash is revoked too. */
    async revoke({ leaseId }) {
      await options.revocations.add(leaseId, clock() + (maxTokenLifetime + tokenClockSkew) * 1000);
    },
    async rotate({ service }) {
      throw new LeaseError(
        `service ${service}: give the minter a new signing key, and the service both public keys meanwhile`,
      );
    },
  };
}

/** What a token is narrowed to. */
function claimsOf(request: LeaseRequest): Record<string, unknown> {
  return {
    sub: request.agent,
    tenant: request.tenant,
    user: request.user,
    run: request.run,
    lease: request.leaseId,
    tool: request.tool,
    capability: request.capability,
    arguments_digest: request.argumentsDigest,
    lease_scope: request.scope,
  };
}

/** The one algorithm that a key can be used with. A symmetric key, RSA, another curve: `KeyError`. */
export function algorithmOf(key: KeyObject, type: 'private' | 'public'): 'ES256' | 'EdDSA' {
  if (key.type !== type) throw new KeyError(`expected a ${type} key, got a ${key.type} one`);
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'ec' && curve === 'prime256v1') return 'ES256';
  throw new KeyError(`expected a P-256 or Ed25519 key, got ${curve ?? key.asymmetricKeyType ?? 'an unknown kind'}`);
}

/**
 * Tokens that say which agent acts, for servers that are given the public key: the `actor_token` of RFC 8693.
 * @module
 */
import { randomUUID, type KeyObject } from 'node:crypto';
import { ConfigurationError, KeyError, Secret, type LeaseRequest } from '@countersign/core';
import { SignJWT } from 'jose';

export interface ActorTokenOptions {
  /** Who vouches for the agents: the server must know it, with its public key. */
  readonly issuer: string;
  /** The authorization server that may accept the token. */
  readonly audience: string;
  /** Private P-256 key; tokens are signed with ES256. */
  readonly signingKey: KeyObject;
  readonly keyId: string;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/** In seconds: an actor token is used at once. */
const lifetime = 60;

/**
 * For `lease.actor`: signs a token for the agent of each call, with its tenant, and the user for whom it acts.
 * @throws ConfigurationError, KeyError
 */
export function actorTokens(options: ActorTokenOptions): (request: LeaseRequest) => Promise<Secret> {
  const { issuer, audience, signingKey, keyId, now = Date.now } = options;
  for (const [member, value] of Object.entries({ issuer, audience, keyId })) {
    if (typeof value !== 'string' || value === '') throw new ConfigurationError(`actor tokens: ${member} is missing`);
  }
  if (signingKey.type !== 'private' || signingKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new KeyError('actor tokens: expected a private P-256 key');
  return async ({ tenant, user, agent, leaseId, capability }) => {
    const issuedAt = Math.floor(now() / 1000);
    const claims = { iss: issuer, sub: agent, aud: audience, tenant, on_behalf_of: user, capability, lease: leaseId };
    const token = await new SignJWT({ ...claims, iat: issuedAt, exp: issuedAt + lifetime, jti: randomUUID() })
      .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: keyId })
      .sign(signingKey);
    return new Secret(token);
  };
}

/**
 * For the service: checks a token of {@link tokenMinter}. Form first, then the signature, then every claim; whatever
 * is not exactly as expected is refused (RFC 8725).
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import type { JSONWebKeySet, JWTPayload, JWTVerifyOptions } from 'jose';
import { LeaseError } from '../errors.ts';
import { algorithmOf, maxTokenLifetime, mintedTokenType, tokenClockSkew } from './token-minter.ts';
import type { RevocationList } from './token-minter.ts';

export interface VerifyMintedTokenInput {
  readonly token: string;
  /** The minter's public key, or its keys by `kid`. */
  readonly keys: KeyObject | JSONWebKeySet;
  readonly issuer: string;
  /** This service. */
  readonly audience: string;
  /** The operation that is about to happen. */
  readonly capability: string;
  /** Digest of the arguments that the operation would use, where the service knows them. */
  readonly argumentsDigest?: string;
  /** The list that the minter writes to. A throw refuses the token. */
  readonly revocations: Pick<RevocationList, 'has'>;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** What a verified token says. */
export interface MintedTokenClaims {
  readonly id: string;
  readonly lease: string;
  readonly tenant: string;
  readonly user: string;
  readonly agent: string;
  readonly run: string;
  readonly tool: string;
  readonly capability: string;
  readonly argumentsDigest: string;
  readonly scope: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

const maxTokenLength = 8_192;
const compactForm = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/;
const headerMembers = new Set(['alg', 'typ', 'kid']);

/** Rejects with `LeaseError`, whose message says what is wrong and repeats nothing of the token. */
export async function verifyMintedToken(input: VerifyMintedTokenInput): Promise<MintedTokenClaims> {
  requireForm(input.token);
  const now = Math.floor((input.clock ?? Date.now)() / 1000);
  const claims = readClaims(await verifySignature(input, now));
  const { iat, nbf, exp } = claims;
  if (exp - Math.min(iat, nbf) > maxTokenLifetime) throw refused(`lives longer than ${maxTokenLifetime} s`);
  if (iat > now + tokenClockSkew) throw refused('was issued in the future');
  if (claims.capability !== input.capability) throw refused('is for another capability');
  if (input.argumentsDigest !== undefined && claims.argumentsDigest !== input.argumentsDigest)
    throw refused('is for other arguments');
  if (await isRevoked(input, claims.lease)) throw refused('was revoked');
  const { id, lease, tenant, user, agent, run, tool, capability, argumentsDigest, scope } = claims;
  return { id, lease, tenant, user, agent, run, tool, capability, argumentsDigest, scope, expiresAt: exp * 1000 };
}

function refused(why: string): LeaseError {
  return new LeaseError(`token refused: it ${why}`);
}

/** One spelling per token: parsers that are more generous than ours must not see another token in the same text. */
function requireForm(token: string): void {
  if (typeof token !== 'string' || token.length > maxTokenLength || !compactForm.test(token))
    throw refused('is no compact JWS');
  const [header = '', payload = '', signature = ''] = token.split('.');
  for (const part of [header, payload, signature]) {
    if (Buffer.from(part, 'base64url').toString('base64url') !== part) throw refused('is not canonical base64url');
  }
  for (const member of Object.keys(parseCanonical(header))) {
    if (!headerMembers.has(member)) throw refused('has a header member that is not expected');
  }
  parseCanonical(payload);
}

/** JSON exactly as a serialiser writes it: no white space, no duplicate member, no second spelling of a text or number. */
function parseCanonical(part: string): object {
  const bytes = Buffer.from(part, 'base64url');
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    const same = Buffer.from(JSON.stringify(value)).equals(bytes);
    if (same && typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Refused below; the parser's message would quote the token.
  }
  throw refused('holds something else than one canonical JSON object');
}

async function verifySignature(input: VerifyMintedTokenInput, now: number): Promise<JWTPayload> {
  const options: JWTVerifyOptions = {
    typ: mintedTokenType,
    issuer: input.issuer,
    audience: input.audience,
    clockTolerance: tokenClockSkew,
    currentDate: new Date(now * 1000),
    requiredClaims: ['iss', 'sub', 'aud', 'iat', 'nbf', 'exp', 'jti'],
  };
  try {
    const { payload } =
      'keys' in input.keys
        ? await jwtVerify(input.token, createLocalJWKSet(input.keys), { ...options, algorithms: ['ES256', 'EdDSA'] })
        : await jwtVerify(input.token, input.keys, { ...options, algorithms: [algorithmOf(input.keys, 'public')] });
    return payload;
  } catch (error) {
    // No cause: it carries the payload.
    const code: unknown = error instanceof Error && 'code' in error ? error.code : undefined;
    throw refused(`did not verify (${typeof code === 'string' ? code : 'unknown'})`);
  }
}

type TimedClaims = MintedTokenClaims & { readonly iat: number; readonly nbf: number; readonly exp: number };

function readClaims(payload: JWTPayload): Omit<TimedClaims, 'expiresAt'> {
  // RFC 7519 allows a list of audiences; a token for two services lets either use it at the other.
  if (typeof payload.aud !== 'string') throw refused('has not exactly one audience');
  const scope = payload['lease_scope'];
  if (typeof scope !== 'object' || scope === null || Array.isArray(scope)) throw refused('lacks lease_scope');
  return {
    id: text(payload, 'jti'),
    lease: text(payload, 'lease'),
    tenant: text(payload, 'tenant'),
    user: text(payload, 'user'),
    agent: text(payload, 'sub'),
    run: text(payload, 'run'),
    tool: text(payload, 'tool'),
    capability: text(payload, 'capability'),
    argumentsDigest: text(payload, 'arguments_digest'),
    scope: scope as Readonly<Record<string, unknown>>,
    iat: seconds(payload, 'iat'),
    nbf: seconds(payload, 'nbf'),
    exp: seconds(payload, 'exp'),
  };
}

function text(payload: JWTPayload, claim: string): string {
  const value = payload[claim];
  if (typeof value === 'string' && value !== '') return value;
  throw refused(`lacks ${claim}`);
}

function seconds(payload: JWTPayload, claim: string): number {
  const value = payload[claim];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw refused(`has no whole ${claim}`);
}

async function isRevoked(input: VerifyMintedTokenInput, lease: string): Promise<boolean> {
  try {
    // Only a clear no lets it pass.
    return (await input.revocations.has(lease)) !== false;
  } catch {
    throw refused('could not be looked up in the revocation list');
  }
}

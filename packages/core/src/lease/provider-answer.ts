/**
 * Checks what a credential provider answered, and puts its failures into words that hold no secret.
 * @module
 */
import { describeError } from '../describe-error.ts';
import { LeaseError } from '../errors.ts';
import { isLoopback } from '../loopback.ts';
import type { CredentialProvider } from './lease.ts';
import { requireScrubbable } from './scrub.ts';
import { Secret } from './secret.ts';

/** How far a provider's clock may be ahead of ours, in milliseconds. The lease itself ends by our clock. */
export const clockSkewMs = 5_000;
const maxHandleLength = 4_096;
const maxUrlLength = 2_048;

type CheckedAnswer =
  | { readonly kind: 'credential'; readonly credentialId: string; readonly secret: Secret; readonly expiresAt: number }
  | { readonly kind: 'consent'; readonly url: string };

/** Throws `LeaseError` unless `answer` is a usable credential that ends within `longestMs`, or a consent address. */
export function checkAnswer(answer: unknown, service: string, now: number, longestMs: number): CheckedAnswer {
  if (typeof answer !== 'object' || answer === null)
    throw new LeaseError(`expected a credential, got ${typeof answer}`);
  const { credentialId, secret, expiresAt, consentUrl } = answer as Readonly<Record<string, unknown>>;
  if (consentUrl !== undefined) {
    if (secret !== undefined) throw new LeaseError('expected a credential or a consent address, got both');
    return { kind: 'consent', url: checkConsentUrl(consentUrl) };
  }
  if (typeof credentialId !== 'string' || credentialId === '' || credentialId.length > maxHandleLength) {
    throw new LeaseError(`expected a credential id of 1 to ${maxHandleLength} characters`);
  }
  if (!(secret instanceof Secret)) throw new LeaseError(`expected the secret wrapped as Secret, got ${typeof secret}`);
  requireScrubbable(service, secret.reveal());
  if (typeof expiresAt !== 'number' || !Number.isSafeInteger(expiresAt)) {
    throw new LeaseError('expected expiresAt in whole milliseconds');
  }
  if (expiresAt <= now) throw new LeaseError('expected a credential that is valid now, got an expired one');
  if (expiresAt > now + longestMs + clockSkewMs) {
    throw new LeaseError(`expected a life of at most ${longestMs} ms, got ${expiresAt - now} ms`);
  }
  return { kind: 'credential', credentialId, secret, expiresAt };
}

/** Where a user is sent to: HTTPS, or this machine; nobody is sent to a script or a file. */
function checkConsentUrl(value: unknown): string {
  const url = typeof value === 'string' && value.length <= maxUrlLength ? URL.parse(value) : null;
  if (url === null) throw new LeaseError(`expected a consent address of at most ${maxUrlLength} characters`);
  const safe = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  if (!safe || url.username !== '' || url.password !== '') {
    throw new LeaseError(`expected a consent address with https and no user, got ${url.protocol}//${url.host}`);
  }
  return url.href;
}

/** The id to revoke by in an answer that was refused or came late. */
export function handleOf(answer: unknown): string | undefined {
  try {
    const handle: unknown =
      typeof answer === 'object' && answer !== null && 'credentialId' in answer ? answer.credentialId : undefined;
    return typeof handle === 'string' && handle !== '' ? handle : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A failure in words. Only a `LeaseError` is quoted, as its message never holds a secret; what a vendor's client
 * throws may carry the request with its headers, so only its name and code are kept.
 */
export function providerFailure(
  provider: CredentialProvider,
  service: string,
  method: 'get' | 'revoke',
  error: unknown,
): LeaseError {
  return new LeaseError(`provider ${provider.name}, ${method} for ${service}: ${describeError(error)}`);
}

export function noAnswer(
  provider: CredentialProvider,
  service: string,
  method: 'get' | 'revoke',
  timeoutMs: number,
): LeaseError {
  return new LeaseError(`provider ${provider.name}, ${method} for ${service}: no answer within ${timeoutMs} ms`);
}

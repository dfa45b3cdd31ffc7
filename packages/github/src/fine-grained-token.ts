/**
 * Fine-grained personal access tokens, for what an App cannot do. They are static secrets: register one with its expiry
 * where static secrets are kept, with the scope that it was made with.
 * @module
 */
import { request as octokitRequest } from '@octokit/request';
import { LeaseError } from '@countersign/core';
import type { Secret } from '@countersign/core';
import { checkBaseUrl } from './base-url.ts';
import { failureOf } from './github-failure.ts';

export interface FineGrainedTokenOptions {
  readonly token: Secret;
  /** Default `https://api.github.com`. */
  readonly baseUrl?: string;
  /** In milliseconds; default 5000. */
  readonly timeoutMs?: number;
}

/**
 * When a token ends, as GitHub says it and not as somebody noted it: milliseconds since the epoch, for `expiresAt` of
 * `registerSecret`. Throws `LeaseError` for a classic token, one that never ends, and one that GitHub does not accept.
 */
export async function fineGrainedTokenExpiry({
  token,
  baseUrl,
  timeoutMs = 5_000,
}: FineGrainedTokenOptions): Promise<number> {
  const what = 'personal access token';
  const value = token.reveal();
  if (!/^github_pat_[A-Za-z0-9_]+$/.test(value)) {
    throw new LeaseError(`${what}: expected a fine-grained one (github_pat_…); a classic one reaches every repository`);
  }
  const { headers } = await octokitRequest('GET /user', {
    baseUrl: checkBaseUrl(baseUrl),
    headers: { authorization: `Bearer ${value}`, 'user-agent': 'countersign' },
    request: { redirect: 'error', signal: AbortSignal.timeout(timeoutMs) },
  }).catch((error: unknown) => {
    throw failureOf(what, 'asking for its expiry', error);
  });
  const stated = headers['github-authentication-token-expiration'];
  const [, day, time, zone] = /^(\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2}) (UTC|[+-]\d{4})$/.exec(String(stated)) ?? [];
  const end = Date.parse(`${day}T${time}${zone === 'UTC' ? 'Z' : `${zone?.slice(0, 3)}:${zone?.slice(3)}`}`);
  if (Number.isSafeInteger(end)) return end;
  throw new LeaseError(`${what}: it never ends, or GitHub does not say when; make one with an expiry`);
}

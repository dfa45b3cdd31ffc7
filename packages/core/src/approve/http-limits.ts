/**
 * Rate limits of the approvals API: requests of an approver, and failed authentication from an address.
 * @module
 */
import type { IncomingMessage } from 'node:http';
import { ConfigurationError } from '../errors.ts';
import { within } from '../within-time.ts';
import type { LimitName } from './http-routes.ts';
import { networkOfAddress } from './network-of-address.ts';
import { createRateLimit, type RateLimit } from './rate-limit.ts';
import { RequestRefused } from './signed-request.ts';

/** `failures` counts what proved nobody, by address; the others count what an approver asks. */
export type HttpLimits = Readonly<Record<LimitName | 'failures', RateLimit>>;

const minute = 60_000;
const limiterTimeoutMs = 1_000;

export function defaultLimits(): HttpLimits {
  return {
    reads: createRateLimit({ points: 600, perMs: minute }),
    decisions: createRateLimit({ points: 60, perMs: minute }),
    failures: createRateLimit({ points: 30, perMs: minute }),
  };
}

type LimitHeaders = Readonly<Record<string, string>>;

/** A request that came too early. */
export class TooManyRequests extends RequestRefused {
  readonly headers: LimitHeaders;
  constructor(retryAfterMs: number, headers: LimitHeaders) {
    super(429, `too many requests: try again in ${seconds(retryAfterMs)} s`, 'rate_limited');
    this.headers = headers;
  }
}

/**
 * Header fields of draft-ietf-httpapi-ratelimit-headers-10, and `Retry-After` of RFC 9110, section 10.2.3.
 * @throws TooManyRequests, and whatever the limiter throws: it lets nobody through when it fails
 */
export async function takeFrom(limits: HttpLimits, name: keyof HttpLimits, key: string): Promise<LimitHeaders> {
  const limit = limits[name];
  const taken = await within(Promise.resolve(limit.take(key)), limiterTimeoutMs);
  const wait = String(seconds(taken.retryAfterMs));
  const policy = { 'ratelimit-policy': `"${name}";q=${limit.points};w=${seconds(limit.perMs)}` };
  if (taken.allowed) return { ...policy, ratelimit: `"${name}";r=${taken.remaining}` };
  throw new TooManyRequests(taken.retryAfterMs, {
    ...policy,
    ratelimit: `"${name}";r=0;t=${wait}`,
    'retry-after': wait,
  });
}

/** What was counted was right after all. A limiter that fails or hangs at this holds nobody up: then it counts. */
export async function giveBackTo(limits: HttpLimits, name: keyof HttpLimits, key: string): Promise<void> {
  try {
    await within(Promise.resolve(limits[name].giveBack(key)), limiterTimeoutMs);
  } catch {
    return;
  }
}

function seconds(ms: number): number {
  return Math.max(1, Math.ceil(ms / 1_000));
}

/**
 * The network that a request comes from: an IPv4 address, or the /64 that one IPv6 customer has to themselves. Behind
 * proxies it is what the outermost trusted one has seen: so many places from the end of `X-Forwarded-For`. Everything
 * further left is the client's own word.
 */
export function networkOf(request: IncomingMessage, trustedProxies: number): string {
  const seen = (request.headersDistinct['x-forwarded-for'] ?? []).join(',').split(',');
  const claimed = trustedProxies === 0 ? undefined : seen.at(-trustedProxies)?.trim();
  return networkOfAddress(claimed ?? '') ?? networkOfAddress(request.socket.remoteAddress ?? '') ?? 'unknown';
}

export function requireProxies(trustedProxies: number): number {
  if (Number.isSafeInteger(trustedProxies) && trustedProxies >= 0 && trustedProxies <= 16) return trustedProxies;
  throw new ConfigurationError(`trustedProxies is how many proxies stand in front, 0 to 16, got ${trustedProxies}`);
}

/**
 * How often somebody may try to sign in, and the record of whoever did not get in.
 * @module
 */
import type { Approvals } from '@countersign/core';
import { networkOfAddress, within, type RateLimit, type RateLimitTaken } from '@countersign/core/channel';

/** Why nobody was signed in: words of ours, never text of the request. */
export type SignInRefusal = 'credential' | 'not_begun' | 'provider' | 'unknown_person' | 'rate_limited';

export interface SignInLimit {
  /** Takes one try of whoever sent the request. A limiter that fails or hangs allows nothing. */
  take(request: Request): Promise<RateLimitTaken>;
  /** It was no wrong try. */
  giveBack(request: Request): Promise<void>;
  /** Never rejects. */
  refused(reason: SignInRefusal): Promise<void>;
}

export interface SignInLimitOptions {
  readonly limit: RateLimit;
  readonly addressOf: (request: Request) => string | undefined;
  readonly recordRefused: Approvals['recordRefused'];
  readonly tenant: string | undefined;
}

const limiterMs = 2_000;

export function createSignInLimit({ limit, addressOf, recordRefused, tenant }: SignInLimitOptions): SignInLimit {
  // Those that cannot be told apart share one key. Whoever has one IPv6 address has the 2^64 beside it too.
  const keyOf = (request: Request): string => {
    const address = addressOf(request) ?? '';
    return `sign-in ${networkOfAddress(address) ?? address}`;
  };
  return {
    async take(request) {
      try {
        return await within(Promise.resolve(limit.take(keyOf(request))), limiterMs);
      } catch {
        return { allowed: false, retryAfterMs: limiterMs, remaining: 0 };
      }
    },
    async giveBack(request) {
      try {
        await within(Promise.resolve(limit.giveBack(keyOf(request))), limiterMs);
      } catch {
        // Then it counts as a try.
      }
    },
    async refused(reason) {
      if (tenant !== undefined) await recordRefused({ tenant, channel: 'console', reason });
    },
  };
}

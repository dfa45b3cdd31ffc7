/**
 * A provider's own login at its back end: the one thing that is kept between calls. Leases never are.
 * @module
 */
import { LeaseError } from '../errors.ts';
import { within } from '../within-time.ts';
import type { Secret } from './secret.ts';

/** What a back end gave the provider for itself. */
export interface Login {
  readonly secret: Secret;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface LoginOptions {
  readonly login: () => Promise<Login>;
  /** Logs in again this long before the end, in milliseconds. Default 30,000. */
  readonly marginMs?: number;
  /** A login that takes longer has failed, so that one that hangs does not block every lease. Default 10,000 ms. */
  readonly timeoutMs?: number;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

export interface KeptLogin {
  /** Logs in once for all who ask meanwhile. A failure is told to each of them and not kept. */
  get(): Promise<Secret>;
  /** After the back end refused it: the next `get` logs in again. Another login than this one stays. */
  forget(refused: Secret): void;
}

export function keepLogin({ login, marginMs = 30_000, timeoutMs = 10_000, clock = Date.now }: LoginOptions): KeptLogin {
  let kept: Login | undefined;
  let running: Promise<Login> | undefined;
  const renew = (): Promise<Login> => {
    running ??= (async () => {
      try {
        const fresh = await within(
          login(),
          timeoutMs,
          () => new LeaseError('login: the back end did not answer in time'),
        );
        if (!(fresh.expiresAt > clock()))
          throw new LeaseError('login: expected one that is valid now, got an expired one');
        return (kept = fresh);
      } finally {
        running = undefined;
      }
    })();
    return running;
  };
  return {
    async get() {
      const current = kept !== undefined && kept.expiresAt - marginMs > clock() ? kept : await renew();
      return current.secret;
    },
    forget(refused) {
      if (kept?.secret === refused) kept = undefined;
    },
  };
}

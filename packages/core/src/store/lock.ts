/**
 * One worker at a time across processes: a lock that its holder loses when it does not renew it in time.
 *
 * It saves work, and proves nothing: a holder that was suspended past `ttlMs` may go on beside the next one. What must
 * not happen twice needs a compare-and-set of its own.
 * @module
 */
import type { Store } from './store.ts';

export interface LockInput {
  readonly tenant: string;
  /** What is locked. On PostgreSQL agents hold those that begin with `rotation/`, `oauth.` or, for other providers, `provider/`. */
  readonly id: string;
  /** How long it is held without being renewed, in milliseconds. */
  readonly ttlMs: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

export interface Lock {
  /** Holds it for another `ttlMs`. Answers `false` when somebody else has it by now. */
  renew(): Promise<boolean>;
  /** Harmless when it was lost. */
  release(): Promise<void>;
}

const longestMs = 10 * 60_000;

/**
 * A lock that is damaged, or of a clock that was ahead, must not stop the work for ever. Who waits holds it for about as
 * long as others do.
 */
function isHeld(until: number, now: number, ttlMs: number): boolean {
  return now < until && until <= now + Math.max(longestMs, 2 * ttlMs);
}

/** Answers `undefined` when somebody else holds it. */
export async function takeLock(
  store: Pick<Store, 'entry' | 'putEntry'>,
  { tenant, id, ttlMs, now }: LockInput,
): Promise<Lock | undefined> {
  const place = { tenant, kind: 'lock', id, records: [] } as const;
  const put = (expected: string | undefined, value: string | undefined) =>
    store.putEntry({ ...place, expected, value, now: now() });
  const hold = (expected: string | undefined) => put(expected, String(now() + ttlMs));

  const held = await store.entry(tenant, 'lock', id);
  if (held !== undefined && isHeld(Number(held.value), now(), ttlMs)) return undefined;
  let version = await hold(held?.version);
  if (version === undefined) return undefined;
  let renewing: Promise<boolean> | undefined;
  const renewOnce = async (): Promise<boolean> => {
    if (version !== undefined) version = await hold(version);
    return version !== undefined;
  };
  return {
    // Two at once would take the lock from each other.
    renew() {
      renewing ??= renewOnce().finally(() => {
        renewing = undefined;
      });
      return renewing;
    },
    async release() {
      if (version !== undefined) await put(version, undefined);
      version = undefined;
    },
  };
}

/**
 * Notices when something changes among a tenant's pending requests. One look serves all who watch: at once when the service
 * says that something was decided, and otherwise each second, because what agents ask for comes from other processes.
 * @module
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ApprovalsService, Approver } from '@countersign/core';
import { within } from '@countersign/core/channel';

interface Watched {
  readonly approver: Approver;
  readonly only: string | undefined;
}

export interface Watch {
  /**
   * Resolves when something has changed, or after `ms`; answers what it looks like now.
   * @param watched whose requests; of those only one, where the session is about one
   */
  next(watched: Watched, seen: string | undefined, ms: number): Promise<string | undefined>;
}

const maxWatched = 1_000;
const maxLooks = 1_000;
/** Whatever the service says, looks are this far apart. */
const leastMs = 100;

interface Seen {
  readonly print: string;
  readonly ids: readonly string[];
}

interface Look {
  readonly at: number;
  readonly seen: Promise<Seen | undefined>;
  /** When another one may begin. */
  readonly over: Promise<unknown>;
}

/** A look is followed by a rest of so many times its own length, so that a slow store is left to others. */
const restFactor = 10;

/**
 * @param pollMs between two looks that nothing called for
 * @param lookMs a look that takes longer has seen nothing, and no rest is longer
 */
export function createWatch(service: Pick<ApprovalsService, 'as'>, pollMs = 1_000, lookMs = 5_000): Watch {
  const looks = new Map<string, Look>();

  /**
   * The same for everybody in the tenant, so that one look is shared. `undefined` when the store does not answer.
   * @param since a look from before this is too old
   */
  function look(watched: Watched, since: number): Promise<Seen | undefined> {
    const key = keyOf(watched);
    const last = looks.get(key);
    if (last !== undefined && last.at >= since) return last.seen;
    let begun = performance.now();
    const ask = async (): Promise<Seen> => {
      await last?.over;
      begun = performance.now();
      return within(pending(service, watched), lookMs);
    };
    const rest = (): Promise<unknown> =>
      sleep(Math.min((performance.now() - begun) * restFactor, lookMs), undefined, { ref: false });
    const seen = ask().catch(() => undefined);
    if (looks.size >= maxLooks) looks.clear();
    looks.set(key, { at: performance.now(), seen, over: seen.then(rest) });
    return seen;
  }

  return {
    async next(watched, seen, ms) {
      const until = performance.now() + ms;
      let since = performance.now() - pollMs;
      for (;;) {
        const over = new AbortController();
        try {
          // Listening first, so that nothing is missed between looking and listening.
          const known = await looks.get(keyOf(watched))?.seen;
          const changed = service.as(watched.approver).changed(known?.ids ?? [], over.signal);
          const found = await look(watched, since);
          if (found !== undefined && found.print !== seen) return found.print;
          const left = until - performance.now();
          if (left <= 0) return seen;
          const woken = await Promise.race([
            changed.then(() => true),
            sleep(Math.min(pollMs, left), false, { signal: over.signal, ref: false }),
          ]);
          if (woken) await sleep(leastMs, undefined, { ref: false });
          since = performance.now() - (woken ? leastMs : pollMs);
        } finally {
          over.abort();
        }
      }
    },
  };
}

function keyOf({ approver, only }: Watched): string {
  return JSON.stringify([approver.tenant, only]);
}

async function pending(service: Pick<ApprovalsService, 'as'>, { approver, only }: Watched): Promise<Seen> {
  const session = service.as(approver);
  const found =
    only === undefined
      ? await session.outlines({ state: 'pending', limit: maxWatched })
      : [await session.outline(only)];
  const facts = found.map(({ id, state, digest, consumed, votes }) => [id, state, digest, consumed, votes]);
  return {
    print: createHash('sha256').update(JSON.stringify(facts)).digest('base64url'),
    ids: found.map(({ id }) => id),
  };
}

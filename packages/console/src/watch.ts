/**
 * Notices when something changes among a tenant's pending requests. One look a second serves all who watch.
 * @module
 */
import { createHash } from 'node:crypto';
import type { ApprovalsService, Approver } from '@countersign/core';

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

const pollMs = 1_000;
const maxWatched = 1_000;
const maxLooks = 1_000;

interface Look {
  readonly at: number;
  readonly print: Promise<string | undefined>;
}

export function createWatch(service: Pick<ApprovalsService, 'as'>): Watch {
  const looks = new Map<string, Look>();

  /** The same for everybody in the tenant, so that one look is shared. `undefined` when the store does not answer. */
  function look(watched: Watched): Promise<string | undefined> {
    const key = JSON.stringify([watched.approver.tenant, watched.only]);
    const last = looks.get(key);
    if (last !== undefined && performance.now() - last.at < pollMs) return last.print;
    const print = fingerprint(service, watched).catch(() => undefined);
    if (looks.size >= maxLooks) looks.clear();
    looks.set(key, { at: performance.now(), print });
    return print;
  }

  return {
    async next(watched, seen, ms) {
      const until = performance.now() + ms;
      for (;;) {
        const print = await look(watched);
        if (print !== undefined && print !== seen) return print;
        if (performance.now() >= until) return seen;
        await new Promise<void>((resolve) => setTimeout(resolve, pollMs).unref());
      }
    },
  };
}

async function fingerprint(service: Pick<ApprovalsService, 'as'>, { approver, only }: Watched): Promise<string> {
  const session = service.as(approver);
  const pending =
    only === undefined ? await session.list({ state: 'pending', limit: maxWatched }) : [await session.show(only)];
  const facts = pending.map(({ id, state, digest, votes }) => [id, state, digest, votes.length]);
  return createHash('sha256').update(JSON.stringify(facts)).digest('base64url');
}

/**
 * Notices when something changes among a tenant's pending requests. One look a second serves all who watch.
 * @module
 */
import { createHash } from 'node:crypto';
import type { ApprovalsService, Approver } from '@countersign/core';

export interface Watch {
  /** Resolves when something has changed, or after `ms`; answers what it looks like now. */
  next(approver: Approver, seen: string | undefined, ms: number): Promise<string | undefined>;
}

const pollMs = 1_000;
const maxWatched = 1_000;

interface Look {
  readonly at: number;
  readonly print: Promise<string | undefined>;
}

export function createWatch(service: Pick<ApprovalsService, 'as'>): Watch {
  const looks = new Map<string, Look>();

  /** The same for everybody in the tenant, so that one look is shared. `undefined` when the store does not answer. */
  function look(approver: Approver): Promise<string | undefined> {
    const last = looks.get(approver.tenant);
    if (last !== undefined && performance.now() - last.at < pollMs) return last.print;
    const print = fingerprint(service, approver).catch(() => undefined);
    looks.set(approver.tenant, { at: performance.now(), print });
    return print;
  }

  return {
    async next(approver, seen, ms) {
      const until = performance.now() + ms;
      for (;;) {
        const print = await look(approver);
        if (print !== undefined && print !== seen) return print;
        if (performance.now() >= until) return seen;
        await new Promise<void>((resolve) => setTimeout(resolve, pollMs).unref());
      }
    },
  };
}

async function fingerprint(service: Pick<ApprovalsService, 'as'>, approver: Approver): Promise<string> {
  const pending = await service.as(approver).list({ state: 'pending', limit: maxWatched });
  const facts = pending.map(({ id, state, digest, votes }) => [id, state, digest, votes.length]);
  return createHash('sha256').update(JSON.stringify(facts)).digest('base64url');
}

/**
 * Browsers on their way to a provider: what is expected of the answer, kept on the server and for one browser only, so
 * that nobody finishes what another began (RFC 9700 §4.7, login CSRF).
 * @module
 */
import { hash, randomBytes } from 'node:crypto';

interface Journey {
  /** Name of the sign-in. */
  readonly way: string;
  readonly kept: string;
  /** Approval to open afterwards. */
  readonly next: string | undefined;
}

export interface Departures {
  /** Answers a random id for the browser's cookie. */
  begin(journey: Journey): string;
  /** Once: whatever comes of it, the id is worth nothing afterwards. */
  take(id: string | undefined, way: string): Journey | undefined;
}

/** How long people may take at the provider. */
export const journeyMs: number = 10 * 60_000;
const maxJourneys = 1_000;

export function createDepartures(now: () => number): Departures {
  const open = new Map<string, Journey & { readonly begunAt: number }>();
  const isOver = ({ begunAt }: { readonly begunAt: number }): boolean =>
    now() < begunAt || now() - begunAt >= journeyMs;
  return {
    begin(journey) {
      for (const [key, each] of open) if (isOver(each)) open.delete(key);
      const [oldest] = open.keys();
      if (open.size >= maxJourneys && oldest !== undefined) open.delete(oldest);
      const id = randomBytes(32).toString('base64url');
      open.set(hash('sha256', id, 'hex'), { ...journey, begunAt: now() });
      return id;
    },
    take(id = '', way) {
      const key = hash('sha256', id, 'hex');
      const journey = open.get(key);
      open.delete(key);
      return journey === undefined || isOver(journey) || journey.way !== way ? undefined : journey;
    },
  };
}

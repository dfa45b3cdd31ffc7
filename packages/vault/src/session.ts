/**
 * The provider's own login: kept, renewed, and made again when it has ended. Nothing that is leased is ever kept here.
 * @module
 */
import { LeaseError, Secret } from '@countersign/core';
import type { Send, VaultLogin } from './login.ts';
import { membersOf } from './vault-answer.ts';

export interface Session {
  readonly token: Secret;
  /** By our clock, in milliseconds since the epoch. Leases end with the token that they were issued to. */
  readonly expiresAt: number;
}

interface HeldSession extends Session {
  /** How long a fresh login lives, in milliseconds. */
  readonly lifeMs: number;
  readonly renewable: boolean;
}

export interface Sessions {
  /** A token with `atLeastMs` to go, where login and renewal give as much. One login at a time. Throws `LeaseError`. */
  current(atLeastMs: number): Promise<Session>;
  /** Forgets a token that Vault no longer knows. */
  drop(session: Session): void;
}

/** `timeoutMs` bounds a whole login, with whoever supplies what it needs: all leases wait for it. */
export function createSessions(input: {
  readonly login: VaultLogin;
  readonly send: Send;
  readonly clock: () => number;
  readonly timeoutMs: number;
}): Sessions {
  const { login, send, clock, timeoutMs } = input;
  let held: HeldSession | undefined;
  let pending: Promise<HeldSession> | undefined;
  const fresh = async (atLeastMs: number): Promise<HeldSession> => {
    const before = held;
    const alive = before !== undefined && before.expiresAt > clock();
    const renewed = alive && before.renewable ? await renew(before, send, clock).catch(() => undefined) : undefined;
    if (renewed !== undefined && isEnough(renewed, atLeastMs, clock())) return renewed;
    try {
      const startedAt = clock();
      return toSession(login.name, await logIn(login, send, timeoutMs), startedAt);
    } catch (error) {
      // A login that works once must not take away the token that still works.
      const left = renewed ?? before;
      if (alive && held === before && left !== undefined && left.expiresAt > clock()) return left;
      throw error;
    }
  };
  return {
    async current(atLeastMs) {
      if (held !== undefined && isEnough(held, atLeastMs, clock())) return held;
      pending ??= fresh(atLeastMs)
        .then((session) => (held = session))
        .finally(() => (pending = undefined));
      return pending;
    },
    drop(session) {
      if (held?.token === session.token) held = undefined;
    },
  };
}

async function logIn(login: VaultLogin, send: Send, timeoutMs: number): ReturnType<VaultLogin['logIn']> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const error = new LeaseError(`${login.name}: no answer within ${timeoutMs} ms; check what supplies its secret`);
    timer = setTimeout(() => reject(error), timeoutMs);
  });
  try {
    return await Promise.race([login.logIn(send), late]);
  } catch (error) {
    // What a supplier throws may hold what it supplies.
    if (error instanceof LeaseError) throw error;
    throw new LeaseError(`${login.name}: what supplies its secret failed`);
  } finally {
    clearTimeout(timer);
  }
}

/** A token that never lives as long as a lease may is renewed in its last third, not at every request. */
function isEnough({ expiresAt, lifeMs }: HeldSession, atLeastMs: number, now: number): boolean {
  return expiresAt - now >= Math.min(atLeastMs, (lifeMs * 2) / 3) && expiresAt > now;
}

async function renew(session: HeldSession, send: Send, clock: () => number): Promise<HeldSession> {
  const startedAt = clock();
  const path = 'auth/token/renew-self';
  const answer = await send({ what: 'token renewal', method: 'write', path, body: {}, token: session.token });
  return { ...toSession('token renewal', answer, startedAt), token: session.token, lifeMs: session.lifeMs };
}

function toSession(what: string, answer: Readonly<Record<string, unknown>>, startedAt: number): HeldSession {
  const { client_token: token, lease_duration: seconds, renewable } = membersOf(answer['auth']);
  if (typeof token !== 'string' || token === '' || typeof seconds !== 'number' || !(seconds >= 0)) {
    throw new LeaseError(`${what}: expected a token with its life, got something else; is this Vault?`);
  }
  // Zero: a token that never expires.
  const lifeMs = seconds === 0 ? Number.MAX_SAFE_INTEGER - startedAt : seconds * 1000;
  return { token: new Secret(token), expiresAt: startedAt + lifeMs, lifeMs, renewable: renewable === true };
}

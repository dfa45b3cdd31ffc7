/**
 * Sessions of people who signed in, kept in this process: a restart signs everybody out.
 * @module
 */
import { createCipheriv, createDecipheriv, hash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Approver } from '@countersign/core';
import { askDirectory, samePerson } from '@countersign/core/channel';
import type { SignedIn } from './sign-in.ts';

export interface Session {
  readonly approver: Approver;
  /** Stands in every form of this session and in no cookie. */
  readonly formToken: string;
  /** The one approval that this session is about. */
  readonly only: string | undefined;
  readonly afterSignOut: string | undefined;
}

export interface Sessions {
  /** A session under a new random id, which only the browser keeps. */
  open(person: SignedIn): string;
  /**
   * The session as of now, or `undefined` when it is unknown, has expired, or the person may no longer sign in.
   * @param use whether a person did something: only then the idle time starts again
   */
  find(id: string | undefined, use: boolean): Promise<Session | undefined>;
  end(id: string | undefined): void;
}

export interface SessionLimits {
  /** Milliseconds without anything done. */
  readonly idleMs: number;
  /** Milliseconds after signing in. */
  readonly absoluteMs: number;
}

interface Kept {
  readonly person: Omit<SignedIn, 'secret'>;
  readonly sealed: Uint8Array;
  readonly formToken: string;
  readonly openedAt: number;
  usedAt: number;
}

const maxSessions = 1_000;
/** Of one person: whoever signs in over and over ends their own sessions, and nobody else's. */
const maxOwn = 20;

export function createSessions({ idleMs, absoluteMs }: SessionLimits, now: () => number): Sessions {
  // By digest, so that a dump of this process's memory holds no id that a browser would be believed with.
  const kept = new Map<string, Kept>();
  const keyOf = (id: string): string => hash('sha256', id, 'hex');
  const isOver = ({ openedAt, usedAt, person }: Kept): boolean => {
    const time = now();
    // Also when the clock was set back: such a session has no known age.
    if (time < openedAt || time - openedAt >= absoluteMs || time - usedAt >= idleMs) return true;
    return person.until !== undefined && !(time < person.until);
  };
  return {
    open({ secret = '', ...person }) {
      for (const [key, session] of kept) if (isOver(session)) kept.delete(key);
      const own = [...kept].filter(([, session]) => isSamePerson(session.person.approver, person.approver));
      for (const [key] of own.slice(0, Math.max(0, own.length - maxOwn + 1))) kept.delete(key);
      const [oldest] = kept.keys();
      if (kept.size >= maxSessions && oldest !== undefined) kept.delete(oldest);
      const id = randomBytes(32).toString('base64url');
      const formToken = randomBytes(32).toString('base64url');
      kept.set(keyOf(id), { person, sealed: seal(id, secret), formToken, openedAt: now(), usedAt: now() });
      return id;
    },
    async find(id = '', use) {
      const key = keyOf(id);
      const session = kept.get(key);
      if (session === undefined) return undefined;
      const approver = isOver(session) ? undefined : await stillKnown(session, id);
      if (approver === undefined || !kept.has(key)) return void kept.delete(key);
      if (use) session.usedAt = now();
      const { only, afterSignOut } = session.person;
      return { approver, formToken: session.formToken, only, afterSignOut };
    },
    end(id) {
      kept.delete(keyOf(id ?? ''));
    },
  };
}

function isSamePerson(one: Approver, other: Approver): boolean {
  return one.tenant === other.tenant && samePerson(one.id, other.id);
}

/** The person as of now. Another person, or no answer, is nobody. */
async function stillKnown({ person, sealed }: Kept, id: string): Promise<Approver | undefined> {
  const { approver } = person;
  if (person.refresh === undefined) return approver;
  try {
    const secret = unseal(id, sealed);
    const current = await askDirectory(() => person.refresh?.(secret));
    return current?.id === approver.id && current.tenant === approver.tenant ? current : undefined;
  } catch {
    return undefined;
  }
}

/** A key that follows from the session's id, which this process keeps as a digest only. */
function keyFrom(id: string): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', id, '', 'countersign console session secret', 32));
}

/** AES-256-GCM. Each key seals once, so that a fixed nonce repeats under none. */
function seal(id: string, secret: string): Uint8Array {
  const cipher = createCipheriv('aes-256-gcm', keyFrom(id), Buffer.alloc(12));
  return Buffer.concat([cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]);
}

function unseal(id: string, sealed: Uint8Array): string {
  const decipher = createDecipheriv('aes-256-gcm', keyFrom(id), Buffer.alloc(12));
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString('utf8');
}

/** Whether a form was made for this session. */
export function isTokenOf(session: Session, presented: unknown): boolean {
  const known = Buffer.from(session.formToken);
  const given = Buffer.from(typeof presented === 'string' ? presented : '');
  return given.length === known.length && timingSafeEqual(given, known);
}

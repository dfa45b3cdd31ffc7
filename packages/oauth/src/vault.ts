/**
 * Tokens and pending consents of users, as entries of the store. Each is sealed under the key of its user in its tenant,
 * with its own place as context: erasing the user destroys them, and one that was moved elsewhere opens nothing.
 * @module
 */
import { hash } from 'node:crypto';
import { KeyError, StoreError, type Store } from '@countersign/core';
import type { RecordDraft, Recorder, Sealer, SubjectKey } from '@countersign/core/provider-kit';

/** What a user has connected. */
export interface Connection {
  readonly service: string;
  readonly issuer: string;
  readonly clientId: string;
  /** What the user granted, sorted; without the base scopes of the service. */
  readonly scopes: readonly string[];
  readonly account?: string;
  readonly connectedAt: number;
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** A consent that a user has begun in one session. */
export interface Flow {
  readonly service: string;
  readonly issuer: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  /** What is asked for, sorted; without the base scopes. */
  readonly scopes: readonly string[];
  readonly run?: string;
  readonly expiresAt: number;
}

export interface Stored<Value> {
  readonly id: string;
  readonly version: string;
  readonly value: Value;
}

export interface Place {
  readonly kind: 'token' | 'consent';
  readonly tenant: string;
  readonly id: string;
  readonly key: SubjectKey;
}

export interface Vault {
  subject(tenant: string, user: string): Promise<SubjectKey>;
  /** `undefined` also for what was sealed before the user was erased: it is gone. Rejects with `KeyError` otherwise. */
  load<Value>(place: Place): Promise<Stored<Value> | undefined>;
  /** The version of what is stored, also where it cannot be read any more. */
  version(place: Place): Promise<string | undefined>;
  /** Compare-and-set, with a record. `value` undefined removes. Answers whether it was done. */
  put(place: Place, expected: string | undefined, value: object | undefined, record?: VaultEvent): Promise<boolean>;
  record(tenant: string, key: SubjectKey, event: VaultEvent): Promise<void>;
}

/** What the ledger says of a connection. */
export interface VaultEvent {
  readonly event: 'consent_granted' | 'consent_refused' | 'consent_lost' | 'consent_withdrawn' | 'token_refreshed';
  readonly service: string;
  readonly agent?: string;
  readonly run?: string;
  readonly detail?: string;
}

export interface VaultOptions {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
  readonly now: () => number;
}

export function createVault({ store, sealer, recorder, now }: VaultOptions): Vault {
  const drafts = (tenant: string, key: SubjectKey, event: VaultEvent | undefined): RecordDraft[] =>
    event === undefined ? [] : [recorder.draft({ kind: 'credential', tenant, ...event }, key)];
  return {
    subject: async (tenant, user) => sealer.subject(tenant, user),
    async load<Value>(place: Place) {
      const entry = await store.entry(place.tenant, place.kind, place.id);
      const value = entry === undefined ? undefined : openUnlessErased<Value>(place, entry.value);
      return entry === undefined || value === undefined ? undefined : { id: place.id, version: entry.version, value };
    },
    version: async ({ tenant, kind, id }) => (await store.entry(tenant, kind, id))?.version,
    async put(place, expected, value, event) {
      const { tenant, kind, id, key } = place;
      const sealed = value === undefined ? undefined : seal(place, value);
      const records = drafts(tenant, key, event);
      return (await store.putEntry({ tenant, kind, id, expected, value: sealed, now: now(), records })) !== undefined;
    },
    async record(tenant, key, event) {
      await store.append(tenant, drafts(tenant, key, event));
    },
  };
}

/**
 * Does a compare-and-set until it is done: `attempt` answers `undefined` when another process was faster.
 * @throws StoreError when that goes on and on, which no honest store does
 */
export async function untilDone<Value>(attempt: () => Promise<Value | undefined>): Promise<Value> {
  for (let count = 0; count < 100; count += 1) {
    const done = await attempt();
    if (done !== undefined) return done;
  }
  throw new StoreError('the store refuses every change of an entry');
}

/**
 * Id of a connection. One that gives its own token to calls is kept for each set of scopes; `service` and the pseudonym
 * hold no dot.
 */
export function connectionId(key: SubjectKey, service: string, scopes: readonly string[] | undefined): string {
  const part = scopes === undefined ? 'all' : digest('scopes', scopes.join(' ')).slice(0, 22);
  return `oauth.${key.pseudonym}.${service}.${part}`;
}

/** Every connection of a user with a service has an id that begins like this. */
export function connectionPrefix(key: SubjectKey, service: string): string {
  return `oauth.${key.pseudonym}.${service}.`;
}

/** Of the session, so that nobody else's answer finds it. The newest consent of a session with a service counts. */
export function flowId(key: SubjectKey, session: string, service: string): string {
  return `oauth.${key.pseudonym}.${service}.${digest('session', session)}`;
}

/** The pseudonym in an id of ours; `undefined` for an entry of somebody else. */
export function pseudonymOf(id: string): string | undefined {
  const [owner, pseudonym] = id.split('.');
  return owner === 'oauth' ? pseudonym : undefined;
}

/** When an entry ends, for housekeeping alone; what counts is sealed. */
export function endOf(value: string): number {
  return Number(value.slice(0, value.indexOf('.')));
}

function seal(place: Place, value: object): string {
  const expiresAt = 'expiresAt' in value && typeof value.expiresAt === 'number' ? value.expiresAt : 0;
  return `${expiresAt}.${place.key.seal(JSON.stringify(value), contextOf(place))}`;
}

/** A user who was erased and came back has another key: what the earlier one sealed is as if it never was. */
export function openUnlessErased<Value>(place: Place, stored: string): Value | undefined {
  try {
    return open<Value>(place, stored);
  } catch (error) {
    if (error instanceof KeyError && error.erased) return undefined;
    throw error;
  }
}

function open<Value>(place: Place, stored: string): Value {
  const text = place.key.open(stored.slice(stored.indexOf('.') + 1), contextOf(place));
  try {
    // Authenticated, so it is what `seal` wrote.
    return JSON.parse(text) as Value;
  } catch {
    throw new KeyError('a sealed entry holds no JSON');
  }
}

function contextOf({ tenant, kind, id }: Place): string {
  return `oauth|${kind}|${tenant}|${id}`;
}

function digest(of: string, value: string): string {
  return hash('sha256', `countersign/1/oauth/${of}\0${value}`, 'base64url');
}

/**
 * Sealing: what is personal or secret is encrypted before it reaches the store.
 *
 * Each subject (a user in a tenant) has a random data key, kept in the store wrapped by a key of the tenant, which is
 * derived from the master key. Destroying the wrapped key erases everything sealed under it. In the store and in
 * records a subject goes by a pseudonym, so that no user id stands in the clear.
 * @module
 */
import { createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { KeyError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Store } from '../store/store.ts';
import { createSealingKey } from './sealing-key.ts';
import type { SealingKey } from './sealing-key.ts';

/** The key of one user in one tenant. Hold it for one call and no longer, so that an erasure takes effect. */
export interface SubjectKey extends SealingKey {
  /** Stands for the user in the store, in records and in spans: HMAC-SHA-256, 144 bits, base64url. */
  readonly pseudonym: string;
  readonly user: string;
}

export interface Sealer {
  /**
   * The user's key: at once when it is cached, else loaded, or made when the user has none.
   * Rejects with `KeyError` (`erased` when the key was destroyed) and `StoreError`.
   */
  subject(tenant: string, user: string): SubjectKey | Promise<SubjectKey>;
  /** The key behind a pseudonym, never made and never cached; `undefined` when it was erased. */
  bySubject(tenant: string, pseudonym: string): Promise<SubjectKey | undefined>;
  pseudonym(tenant: string, user: string): string;
  /** The key of the tenant itself: lease handles, administrative records. */
  tenant(tenant: string): SealingKey;
  /** Rejects with `KeyError` when the master key is not the one that the tenant began with. */
  check(tenant: string): Promise<void>;
  /** Drops the user's key from this process. Others drop it when their cache entry expires. */
  forget(tenant: string, user: string): void;
}

export interface SealerOptions {
  /** 32 random bytes. Copied; the caller may clear its own. */
  readonly masterKey: Uint8Array;
  readonly keys: Pick<Store, 'subjectKey'>;
  /** How long, in seconds, a key may be used after it was erased by another process. Default 60. */
  readonly cacheSeconds?: number;
  /** Default 10,000 subjects. */
  readonly cacheSize?: number;
  /** A clock that never goes back, in milliseconds. Default: the process's own. */
  readonly elapsed?: () => number;
}

interface TenantKeys {
  readonly wrapping: SealingKey;
  readonly sealing: SealingKey;
  readonly pseudonyms: KeyObject;
  /** Set once the stored check value was opened: the master key is the one this tenant began with. */
  checked: boolean;
}

interface CacheEntry {
  readonly key: SubjectKey;
  readonly expiresAt: number;
}

const keyBytes = 32;
const pseudonymBytes = 18;
const maxTenants = 1000;
/** Shorter than any pseudonym, so never the name of a subject. */
const checkSubject = 'key-check';

export function createSealer(options: SealerOptions): Sealer {
  const { keys, cacheSeconds = 60, cacheSize = 10_000, elapsed = () => performance.now() } = options;
  const master = importMasterKey(options.masterKey);
  const tenants = new Map<string, TenantKeys>();
  const cache = new Map<string, CacheEntry>();
  /** Counts calls of `forget`, so that a load begun before one is not cached after it. */
  let forgotten = 0;

  function tenantKeys(tenant: string): TenantKeys {
    const known = tenants.get(tenant);
    if (known !== undefined) return known;
    const derived = deriveTenantKeys(master, requireId('tenant', tenant));
    putBounded(tenants, tenant, derived, maxTenants);
    return derived;
  }

  function pseudonym(tenant: string, user: string): string {
    const digest = createHmac('sha256', tenantKeys(tenant).pseudonyms).update(requireId('user', user)).digest();
    return digest.subarray(0, pseudonymBytes).toString('base64url');
  }

  /** A wrong master key would find no subject and quietly start anew: the check value makes it fail instead. */
  async function checkMasterKey(tenant: string): Promise<TenantKeys> {
    const own = tenantKeys(tenant);
    if (own.checked) return own;
    const context = wrappingContext(tenant, checkSubject);
    const stored =
      (await keys.subjectKey(tenant, checkSubject, undefined)) ??
      (await keys.subjectKey(tenant, checkSubject, own.wrapping.seal(checkSubject, context)));
    if (stored === undefined) throw new KeyError('the store kept no check value for the master key');
    own.wrapping.open(stored, context);
    own.checked = true;
    return own;
  }

  async function load(tenant: string, user: string, cacheKey: string): Promise<SubjectKey> {
    const before = forgotten;
    const { wrapping } = await checkMasterKey(tenant);
    const subject = pseudonym(tenant, user);
    const stored =
      (await keys.subjectKey(tenant, subject, undefined)) ??
      (await keys.subjectKey(tenant, subject, wrapNewKey(wrapping, tenant, subject, user)));
    if (stored === undefined) throw new KeyError('the key of this subject was erased', { erased: true });
    const key = unwrapKey(wrapping, tenant, subject, stored);
    if (before === forgotten) {
      putBounded(cache, cacheKey, { key, expiresAt: elapsed() + cacheSeconds * 1000 }, cacheSize);
    }
    return key;
  }

  return {
    subject(tenant, user) {
      const cacheKey = cacheKeyOf(tenant, user);
      const entry = cache.get(cacheKey);
      return entry !== undefined && entry.expiresAt > elapsed() ? entry.key : load(tenant, user, cacheKey);
    },
    async bySubject(tenant, subject) {
      const { wrapping } = await checkMasterKey(tenant);
      const stored = await keys.subjectKey(tenant, subject, undefined);
      return stored === undefined ? undefined : unwrapKey(wrapping, tenant, subject, stored);
    },
    pseudonym,
    tenant: (tenant) => tenantKeys(tenant).sealing,
    async check(tenant) {
      await checkMasterKey(tenant);
    },
    forget(tenant, user) {
      forgotten += 1;
      cache.delete(cacheKeyOf(tenant, user));
    },
  };
}

function importMasterKey(masterKey: unknown): KeyObject {
  if (!(masterKey instanceof Uint8Array) || masterKey.length !== keyBytes) {
    const got = masterKey instanceof Uint8Array ? `${masterKey.length} bytes` : typeof masterKey;
    throw new KeyError(`the master key must be a Uint8Array of ${keyBytes} bytes, got ${got}`);
  }
  if (masterKey.every((byte) => byte === 0)) throw new KeyError('the master key is all zeros: it was never filled');
  return createSecretKey(masterKey);
}

function deriveTenantKeys(master: KeyObject, tenant: string): TenantKeys {
  const derive = (purpose: string): Buffer =>
    Buffer.from(hkdfSync('sha256', master, '', `countersign/1/${purpose}/${tenant}`, keyBytes));
  return {
    wrapping: createSealingKey(derive('wrap')),
    sealing: createSealingKey(derive('seal')),
    pseudonyms: createSecretKey(derive('pseudonym')),
    checked: false,
  };
}

/** The user goes in with the key: whoever may read the records of a subject sees whose they are, until it is erased. */
function wrapNewKey(wrapping: SealingKey, tenant: string, subject: string, user: string): string {
  return wrapping.seal(`${randomBytes(keyBytes).toString('base64url')} ${user}`, wrappingContext(tenant, subject));
}

function unwrapKey(wrapping: SealingKey, tenant: string, subject: string, stored: string): SubjectKey {
  const [encoded = '', user = ''] = wrapping.open(stored, wrappingContext(tenant, subject)).split(' ');
  const bytes = Buffer.from(encoded, 'base64url');
  if (bytes.length !== keyBytes) throw new KeyError('the stored key of this subject is malformed');
  const key = createSealingKey(bytes, { replaceable: true });
  return { pseudonym: subject, user, seal: key.seal, open: key.open };
}

function wrappingContext(tenant: string, subject: string): string {
  return `subject-key|${tenant}|${subject}`;
}

function cacheKeyOf(tenant: string, user: string): string {
  return `${tenant.length}:${tenant}${user}`;
}

function putBounded<Value>(map: Map<string, Value>, key: string, value: Value, limit: number): void {
  map.delete(key);
  if (map.size >= limit) {
    const oldest = map.keys().next();
    if (oldest.done !== true) map.delete(oldest.value);
  }
  map.set(key, value);
}

/**
 * Sealing: what is personal or secret is encrypted before it reaches the store.
 *
 * Each subject (a user in a tenant) has a random data key, kept in the store wrapped by a key of the tenant, which is
 * derived from the master key. Destroying the wrapped key erases everything sealed under it. In the store and in
 * records a subject goes by a pseudonym, so that no user id stands in the clear.
 * @module
 */
import { createHmac, createSecretKey, hkdfSync, randomBytes } from 'node:crypto';
import { KeyError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Store } from '../store/store.ts';
import { createSealingKey } from './sealing-key.ts';
import type { SealingKey } from './sealing-key.ts';
import { createTenantKeyring, wrappingContext } from './tenant-keyring.ts';
import { putBounded } from './bounded-map.ts';

/** The key of one user in one tenant. Hold it for one call and no longer, so that an erasure takes effect. */
export interface SubjectKey extends SealingKey {
  /** Stands for the user in the store, in records and in spans: HMAC-SHA-256, 144 bits, base64url. */
  readonly pseudonym: string;
  readonly user: string;
  /** Stands for a text in the store: HMAC-SHA-256 under a key of this user, base64url. Cannot be guessed from outside. */
  readonly digest: (text: string) => string;
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

interface CacheEntry {
  readonly key: SubjectKey;
  readonly expiresAt: number;
}

const keyBytes = 32;
const pseudonymBytes = 18;
/** Derives the key of digests from that of the user (HKDF-SHA-256, RFC 5869). */
const digestInfo = 'countersign/1/digest';

export function createSealer(options: SealerOptions): Sealer {
  const { keys, cacheSeconds = 60, cacheSize = 10_000, elapsed = () => performance.now() } = options;
  const keyring = createTenantKeyring(options.masterKey, keys);
  const cache = new Map<string, CacheEntry>();
  /** Counts calls of `forget`, so that a load begun before one is not cached after it. */
  let forgotten = 0;

  function pseudonym(tenant: string, user: string): string {
    const digest = createHmac('sha256', keyring.of(tenant).pseudonyms).update(requireId('user', user)).digest();
    return digest.subarray(0, pseudonymBytes).toString('base64url');
  }

  async function load(tenant: string, user: string, cacheKey: string): Promise<SubjectKey> {
    const before = forgotten;
    const { wrapping } = await keyring.checked(tenant);
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
      const { wrapping } = await keyring.checked(tenant);
      const stored = await keys.subjectKey(tenant, subject, undefined);
      return stored === undefined ? undefined : unwrapKey(wrapping, tenant, subject, stored);
    },
    pseudonym,
    tenant: (tenant) => keyring.of(tenant).sealing,
    async check(tenant) {
      await keyring.checked(tenant);
    },
    forget(tenant, user) {
      forgotten += 1;
      cache.delete(cacheKeyOf(tenant, user));
    },
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
  const digests = createSecretKey(Buffer.from(hkdfSync('sha256', bytes, '', digestInfo, keyBytes)));
  const key = createSealingKey(bytes, { replaceable: true });
  const digest = (text: string): string => createHmac('sha256', digests).update(text).digest('base64url');
  return { ...key, pseudonym: subject, user, digest };
}

function cacheKeyOf(tenant: string, user: string): string {
  return `${tenant.length}:${tenant}${user}`;
}

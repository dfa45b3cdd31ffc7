/**
 * The keys of each tenant, derived from the master key by HKDF-SHA-256 (RFC 5869) with the tenant in the info.
 * @module
 */
import { createSecretKey, hkdfSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { KeyError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Store } from '../store/store.ts';
import { putBounded } from './bounded-map.ts';
import { createSealingKey } from './sealing-key.ts';
import type { SealingKey } from './sealing-key.ts';

export interface TenantKeys {
  readonly wrapping: SealingKey;
  readonly sealing: SealingKey;
  readonly pseudonyms: KeyObject;
}

export interface TenantKeyring {
  of(tenant: string): TenantKeys;
  /** As `of`, once the tenant's stored check value was opened: a wrong master key rejects with `KeyError`. */
  checked(tenant: string): Promise<TenantKeys>;
}

const keyBytes = 32;
const maxTenants = 1000;
/** Shorter than any pseudonym, so never the name of a subject. */
const checkSubject = 'key-check';

export function createTenantKeyring(masterKey: Uint8Array, keys: Pick<Store, 'subjectKey'>): TenantKeyring {
  const master = importMasterKey(masterKey);
  const derived = new Map<string, TenantKeys>();
  const checked = new WeakSet<TenantKeys>();

  function of(tenant: string): TenantKeys {
    const known = derived.get(tenant);
    if (known !== undefined) return known;
    const made = deriveTenantKeys(master, requireId('tenant', tenant));
    putBounded(derived, tenant, made, maxTenants);
    return made;
  }

  return {
    of,
    /** A wrong master key finds no subject, and would quietly begin anew: the check value makes it fail instead. */
    async checked(tenant) {
      const own = of(tenant);
      if (checked.has(own)) return own;
      const context = wrappingContext(tenant, checkSubject);
      const stored =
        (await keys.subjectKey(tenant, checkSubject, undefined)) ??
        (await keys.subjectKey(tenant, checkSubject, own.wrapping.seal(checkSubject, context)));
      if (stored === undefined) throw new KeyError('the store kept no check value for the master key');
      own.wrapping.open(stored, context);
      checked.add(own);
      return own;
    },
  };
}

/** Binds a wrapped key to its tenant and subject. */
export function wrappingContext(tenant: string, subject: string): string {
  return `subject-key|${tenant}|${subject}`;
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
  };
}

/**
 * Ed25519 keys from the 32-byte seed that a key file holds (RFC 8410 §7).
 * @module
 */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import { KeyError } from './errors.ts';
import { keyBytes } from './key-bytes.ts';

const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex');
const seedLength = 32;

/**
 * @param key an Ed25519 private key, or its 32-byte seed as kept in a key file
 * @param what names the key in the error
 * @throws KeyError for anything else
 */
export function ed25519PrivateKey(key: KeyObject | Uint8Array, what: string): KeyObject {
  const privateKey = key instanceof Uint8Array || key.type === 'secret' ? fromSeed(keyBytes(key, seedLength)) : key;
  if (privateKey.type === 'private' && privateKey.asymmetricKeyType === 'ed25519') return privateKey;
  throw new KeyError(`${what} is an Ed25519 private key, got ${privateKey.asymmetricKeyType ?? privateKey.type}`);
}

function fromSeed(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' });
}

/**
 * The signer for a key in this process. Another one, for a key that never leaves a service such as Vault's transit
 * engine, is an object with the same three members.
 * @module
 */
import { createPublicKey, sign, type KeyObject } from 'node:crypto';
import { ed25519PrivateKey } from '../../ed25519-key.ts';
import { requireNoteName, type NoteSigner } from './signed-note.ts';

/**
 * @param name which installation this is, e.g. `audit.example.com/production`
 * @param key an Ed25519 private key, or its 32-byte seed as kept in a key file that no agent can read
 * @throws KeyError for another kind of key, or a name that a note cannot hold
 */
export function createNoteSigner(name: string, key: KeyObject | Uint8Array): NoteSigner {
  const privateKey = ed25519PrivateKey(key, "a notary's key");
  return {
    name: requireNoteName(name),
    publicKey: createPublicKey(privateKey),
    sign: async (message) => sign(null, message, privateKey),
  };
}

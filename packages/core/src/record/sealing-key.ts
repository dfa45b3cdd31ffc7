/**
 * One key and its two operations: AES-256-GCM with a random 96-bit IV and the context as associated data.
 *
 * Encoding, base64url: version (1 byte) ‖ key id (8) ‖ IV (12) ‖ ciphertext ‖ tag (16). The key id tells a key that was
 * erased from a text that was changed.
 * @module
 */
import { createCipheriv, createDecipheriv, createSecretKey, hash } from 'node:crypto';
import { KeyError } from '../errors.ts';
import { createRandomPool } from './random-pool.ts';

export interface SealingKey {
  /** Encrypts; only the same context opens it again. */
  seal(plaintext: string, context: string): string;
  /** Throws `KeyError`: another key, another context, or a changed text. `erased` when the key it needs was destroyed. */
  open(sealed: string, context: string): string;
}

const version = 1;
const keyIdBytes = 8;
const ivBytes = 12;
const tagBytes = 16;
const headerBytes = 1 + keyIdBytes;
const overheadBytes = headerBytes + ivBytes + tagBytes;

const nextIv = createRandomPool(ivBytes);

/** Takes 32 bytes, and clears them. `replaceable`: another key of the same name means that the earlier one was erased. */
export function createSealingKey(bytes: Buffer, { replaceable = false }: { replaceable?: boolean } = {}): SealingKey {
  const id = hash('sha256', Buffer.concat([Buffer.from('countersign/1/key-id'), bytes]), 'buffer').subarray(
    0,
    keyIdBytes,
  );
  const header = Buffer.concat([Buffer.of(version), id]);
  const key = createSecretKey(bytes);
  bytes.fill(0);

  return {
    seal(plaintext, context) {
      const iv = nextIv();
      const cipher = createCipheriv('aes-256-gcm', key, iv);
      cipher.setAAD(Buffer.from(context));
      const ciphertext = cipher.update(plaintext, 'utf8');
      cipher.final();
      return Buffer.concat([header, iv, ciphertext, cipher.getAuthTag()]).toString('base64url');
    },
    open(sealed, context) {
      const bytesOf = Buffer.from(sealed, 'base64url');
      if (bytesOf.length < overheadBytes || bytesOf[0] !== version) {
        throw new KeyError(`expected a sealed text of version ${version}`);
      }
      if (!bytesOf.subarray(1, headerBytes).equals(id)) {
        throw replaceable
          ? new KeyError('this was sealed under a key that was erased', { erased: true })
          : new KeyError('this was sealed under another key: is this the right master key?');
      }
      const iv = bytesOf.subarray(headerBytes, headerBytes + ivBytes);
      const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
      decipher.setAAD(Buffer.from(context));
      decipher.setAuthTag(bytesOf.subarray(-tagBytes));
      try {
        const plaintext = decipher.update(bytesOf.subarray(headerBytes + ivBytes, -tagBytes));
        decipher.final();
        return plaintext.toString('utf8');
      } catch {
        throw new KeyError('the sealed text was changed, or belongs elsewhere');
      }
    },
  };
}

/**
 * The handle of an installation token. GitHub revokes a token only for who presents it, so the handle has to give it
 * back; sealed with a key from the App's private key, it does so only to a process that could get tokens anyway.
 * @module
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { LeaseError } from '@countersign/core';

const prefix = 'gh1.';
const domain = 'countersign/1/github-token-handle';
const nonceBytes = 12;
const tagBytes = 16;

export interface TokenHandles {
  seal(token: string, leaseId: string): string;
  /** Throws `LeaseError` for anything that was not sealed for this lease with this key. */
  open(handle: string, leaseId: string): string;
}

export function createTokenHandles(appKey: KeyObject): TokenHandles {
  const der = appKey.export({ type: 'pkcs8', format: 'der' });
  const key = Buffer.from(hkdfSync('sha256', der, Buffer.alloc(0), domain, 32));
  return {
    seal(token, leaseId) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(leaseId));
      const sealed = Buffer.concat([nonce, cipher.update(token, 'utf8'), cipher.final(), cipher.getAuthTag()]);
      return prefix + sealed.toString('base64url');
    },
    open(handle, leaseId) {
      const refused = new LeaseError(
        'the handle of the token cannot be opened: another lease, or another key of the App',
      );
      const sealed = Buffer.from(handle.slice(prefix.length), 'base64url');
      if (!handle.startsWith(prefix) || sealed.length <= nonceBytes + tagBytes) throw refused;
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes))
          .setAAD(Buffer.from(leaseId))
          .setAuthTag(sealed.subarray(-tagBytes));
        const body = sealed.subarray(nonceBytes, -tagBytes);
        return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
      } catch {
        throw refused;
      }
    },
  };
}

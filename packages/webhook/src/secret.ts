import { ConfigurationError } from '@countersign/core';
import { Webhook } from 'standardwebhooks';

const form = /^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** @throws ConfigurationError unless it is `whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks has it */
export function signerOf(secret: string): Webhook {
  const length = form.test(secret) ? Buffer.from(secret.slice('whsec_'.length), 'base64').length : 0;
  if (length < 24 || length > 64) throw new ConfigurationError('a secret is whsec_ and the base64 of 24 to 64 bytes');
  return new Webhook(secret);
}

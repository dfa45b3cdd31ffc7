import { ConfigurationError } from '@countersign/core';
import { Webhook } from 'standardwebhooks';

const form = /^whsec_(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/**
 * One or more, while they are rotated.
 * @throws ConfigurationError unless each is `whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks has it
 */
export function signersOf(secret: string | readonly string[]): readonly Webhook[] {
  const secrets = [secret].flat();
  if (secrets.length === 0) throw new ConfigurationError('a webhook needs a secret');
  return secrets.map(signerOf);
}

export function signerOf(secret: string): Webhook {
  const length = form.test(secret) ? Buffer.from(secret.slice('whsec_'.length), 'base64').length : 0;
  if (length < 24 || length > 64) throw new ConfigurationError('a secret is whsec_ and the base64 of 24 to 64 bytes');
  return new Webhook(secret);
}

/** Whether the headers `webhook-id`, `webhook-timestamp` and `webhook-signature` sign this body with this secret. */
export function isSignedBy(signer: Webhook, body: Buffer, headers: Readonly<Record<string, string>>): boolean {
  try {
    signer.verify(body, { ...headers }, { jsonParse: false });
    return true;
  } catch {
    return false;
  }
}

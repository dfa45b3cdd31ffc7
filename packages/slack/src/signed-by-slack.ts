/**
 * Requests that Slack signed ("Verifying requests from Slack"): HMAC-SHA256 over `v0:{time}:{body}` with the signing secret.
 * @module
 */
import { createHmac, hash, timingSafeEqual } from 'node:crypto';
import { ConfigurationError } from '@countersign/core';
import { isFresh, readBody, RequestRefused } from '@countersign/core/channel';
import { malformed, Refusal } from './refusal.ts';

/** A payload holds the message that was acted on, and each of its characters may take six bytes. */
const maxBytes = 262_144;
const bodyTimeoutMs = 2_500;

export interface SignedBody {
  /** The same for the same request, whichever secret signed it. */
  readonly id: string;
  readonly text: string;
}

export type Verify = (request: Request, now: number) => Promise<SignedBody>;

/** @throws ConfigurationError unless there is a secret, and each is long enough to be one */
export function verifierOf(signingSecret: string | readonly string[]): Verify {
  const secrets = [signingSecret].flat();
  if (secrets.length === 0 || secrets.some((secret) => typeof secret !== 'string' || secret.length < 16)) {
    throw new ConfigurationError("a signing secret is the one of the app's page, at least 16 characters");
  }
  return async (request, now) => {
    const time = request.headers.get('x-slack-request-timestamp') ?? '';
    const signature = /^v0=([0-9a-f]{64})$/.exec(request.headers.get('x-slack-signature') ?? '')?.[1];
    const body = await boundedBody(request);
    if (signature === undefined) throw new Refusal(401, 'signature', 'a request of Slack is signed');
    if (!isFresh(time, now)) throw new Refusal(401, 'stale', 'the time is not within 5 minutes');
    const signed = Buffer.concat([Buffer.from(`v0:${time}:`), body]);
    const presented = Buffer.from(signature, 'hex');
    const matches = secrets.map((secret) =>
      timingSafeEqual(createHmac('sha256', secret).update(signed).digest(), presented),
    );
    if (!matches.includes(true)) throw new Refusal(401, 'signature', 'the signature does not match');
    return { id: `slack-${hash('sha256', signed, 'base64url')}`, text: textOf(body) };
  };
}

/** @throws RequestRefused */
async function boundedBody(request: Request): Promise<Buffer> {
  try {
    return await readBody(request, maxBytes, bodyTimeoutMs);
  } catch (error) {
    throw error instanceof RequestRefused ? error : malformed('the body broke off');
  }
}

function textOf(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw malformed('send UTF-8');
  }
}

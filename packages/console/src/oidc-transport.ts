/**
 * HTTP to an OpenID provider: https (or http on this machine, where the issuer is there too), no redirect followed,
 * bounded in size. The time is bounded by the protocol library.
 * @module
 */
import { isLoopback } from '@countersign/core/channel';
import type { CustomFetch } from 'openid-client';

const maxAnswerBytes = 262_144;

/** The provider cannot be asked now: nothing was refused. */
export class ProviderUnreachable extends Error {
  override readonly name = 'ProviderUnreachable';
}

/** Whether a browser may be sent, or a request made, to this address for that issuer. */
export function mayReach(address: string, issuer: URL): boolean {
  const url = URL.parse(address);
  if (url === null || url.username !== '' || url.password !== '') return false;
  if (url.protocol === 'https:') return true;
  return url.protocol === 'http:' && isLoopback(url.hostname) && isLoopback(issuer.hostname);
}

export function providerFetch(issuer: URL): CustomFetch {
  return async (address, options) => {
    if (!mayReach(address, issuer)) throw new TypeError('an address of the provider is not https');
    const response = await answered(address, { ...options, redirect: 'manual' } as RequestInit);
    const type = response.headers.get('content-type');
    const body = await boundedBody(response);
    return new Response(body, { status: response.status, headers: type === null ? {} : { 'content-type': type } });
  };
}

async function answered(address: string, options: RequestInit): Promise<Response> {
  try {
    const response = await fetch(address, options);
    if (response.status < 500) return response;
    await response.body?.cancel();
    throw new ProviderUnreachable(`the provider answered ${response.status}`);
  } catch (error) {
    throw error instanceof ProviderUnreachable ? error : new ProviderUnreachable('no answer', { cause: error });
  }
}

async function boundedBody({ body, status }: Response): Promise<Buffer | undefined> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of (body ?? []) as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      // Leaving the loop ends the transfer.
      if (length > maxAnswerBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw new ProviderUnreachable('the answer broke off', { cause: error });
  }
  if (length > maxAnswerBytes) throw new TypeError(`an answer is larger than ${maxAnswerBytes} bytes`);
  return length === 0 || status === 204 ? undefined : Buffer.concat(chunks);
}

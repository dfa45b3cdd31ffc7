/**
 * HTTP to authorization servers: HTTPS only, no redirect followed, bounded in time and in size.
 * @module
 */
import { isIP } from 'node:net';
import { isLoopback } from '@countersign/core/provider-kit';
import { allowInsecureRequests, customFetch } from 'oauth4webapi';

const maxBodyBytes = 65_536;

/** What an address or an answer did wrong; the text holds nothing that a server said. */
export class TransportError extends Error {
  override readonly name = 'TransportError';
}

export interface TransportOptions {
  /** Accepts `http:` to this machine, for development. */
  readonly allowLoopbackHttp: boolean;
  /** Upper bound of one request, in milliseconds. */
  readonly timeoutMs: number;
}

export interface Transport {
  /** For every request of the protocol library. */
  readonly requestOptions: RequestOptions;
  /** @throws TransportError unless the address may be asked, or a user sent there */
  requireUrl(address: unknown): URL;
}

interface RequestOptions {
  readonly signal: () => AbortSignal;
  readonly [customFetch]: (url: string, options: unknown) => Promise<Response>;
  readonly [allowInsecureRequests]: true;
}

export function createTransport({ allowLoopbackHttp, timeoutMs }: TransportOptions): Transport {
  const requireUrl = (address: unknown): URL => {
    const url = typeof address === 'string' && address.length <= 2_048 ? URL.parse(address) : null;
    if (url === null) throw new TransportError('an address is not a URL');
    if (url.username !== '' || url.password !== '') throw new TransportError('an address holds a user name');
    if (isLoopback(url.hostname) || url.hostname.endsWith('.localhost')) {
      if (allowLoopbackHttp && (url.protocol === 'http:' || url.protocol === 'https:')) return url;
      throw new TransportError('an address is of this machine');
    }
    if (url.protocol !== 'https:') throw new TransportError('an address is not https');
    // A name is somebody's to vouch for, with a certificate; a bare address in metadata is a way into a private network.
    if (isIP(url.hostname.replace(/^\[|\]$/g, '')) !== 0) throw new TransportError('an address has no host name');
    return url;
  };
  return {
    requireUrl,
    requestOptions: {
      signal: () => AbortSignal.timeout(timeoutMs),
      // Decided by `requireUrl`, for every request.
      [allowInsecureRequests]: true,
      async [customFetch](url, options) {
        const response = await fetch(requireUrl(url), { ...(options as RequestInit), redirect: 'manual' });
        return bounded(response);
      },
    },
  };
}

/** The answer with its whole body in memory, or an error when there is too much of it. */
async function bounded(response: Response): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (response.body !== null) {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      length += chunk.length;
      // Leaving the loop ends the transfer.
      if (length > maxBodyBytes) throw new TransportError(`an answer is larger than ${maxBodyBytes} bytes`);
      chunks.push(chunk);
    }
  }
  const type = response.headers.get('content-type');
  const body = length === 0 ? null : Buffer.concat(chunks);
  return new Response(body, { status: response.status, headers: type === null ? {} : { 'content-type': type } });
}

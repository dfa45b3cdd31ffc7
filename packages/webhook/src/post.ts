/**
 * One POST to one address: no redirect is followed, no answer is read beyond its status.
 * @module
 */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';
import { isIP } from 'node:net';

export interface Post {
  readonly url: URL;
  /** Checked before; the connection goes there whatever DNS says by now. */
  readonly address: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal: AbortSignal;
}

/** Answers the status. @throws when there is none before the signal aborts */
export function post({ url, address, headers, body, signal }: Post): Promise<number> {
  const family = isIP(address);
  const options: RequestOptions = {
    method: 'POST',
    headers: { ...headers, 'content-length': Buffer.byteLength(body) },
    // A connection that was kept alive could be one to another address.
    agent: false,
    signal,
    maxHeaderSize: 16_384,
    lookup: (_hostname, { all }, callback) =>
      all === true ? callback(null, [{ address, family }]) : callback(null, address, family),
  };
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const outgoing = send(url, options, (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

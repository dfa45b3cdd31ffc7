/**
 * The routes for `node:http`, and for frameworks that take its listeners.
 * @module
 */
import type { IncomingMessage, RequestListener } from 'node:http';

/** Takes GET requests only. `origin` is where browsers reach this server, e.g. `https://app.example`. */
export function nodeListener(handle: (request: Request) => Promise<Response>, origin: string): RequestListener {
  return (incoming, outgoing) => {
    respond(handle, incoming, origin)
      .then(async (response) => {
        outgoing.writeHead(response.status, Object.fromEntries(response.headers));
        outgoing.end(Buffer.from(await response.arrayBuffer()));
      })
      .catch(() => {
        if (!outgoing.headersSent) outgoing.writeHead(500, { 'cache-control': 'no-store' });
        outgoing.end();
      });
  };
}

async function respond(
  handle: (request: Request) => Promise<Response>,
  { url, method = 'GET', headers }: IncomingMessage,
  origin: string,
): Promise<Response> {
  const target = url?.startsWith('/') === true ? URL.parse(`${origin}${url}`) : null;
  if (target === null) return new Response(null, { status: 400 });
  // Bodies are not read, and methods that have one are refused.
  if (method !== 'GET') return new Response(null, { status: 405, headers: { allow: 'GET' } });
  const pairs = Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, Array.isArray(value) ? value.join(', ') : value]],
  );
  return handle(new Request(target, { headers: pairs }));
}

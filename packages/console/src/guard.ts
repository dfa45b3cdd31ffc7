/**
 * What every request passes before anything is read from it, and what every answer carries.
 * @module
 */
import type { MiddlewareHandler } from 'hono';

/** The policy permits no inline script and no inline style: text that slipped through the escaping would still do nothing. */
const headers: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  // Not `no-referrer`: under it browsers send `Origin: null` with a form (Fetch standard, "append a request Origin header").
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** @param url where browsers reach the console: requests for another host, or sent by another origin, are refused */
export function guard(url: URL): MiddlewareHandler {
  return async (context, next) => {
    const refusal = refuse(context.req.raw, url);
    if (refusal === undefined) await next();
    else context.res = new Response(`${refusal.why}\n`, { status: refusal.status, headers: refusal.headers ?? {} });
    for (const [name, value] of Object.entries(headers)) context.res.headers.set(name, value);
    if (url.protocol === 'https:') context.res.headers.set('strict-transport-security', 'max-age=31536000');
  };
}

interface Refusal {
  readonly status: number;
  readonly why: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function refuse(request: Request, url: URL): Refusal | undefined {
  const { method } = request;
  // A name that an attacker pointed at this address (DNS rebinding) comes with its own Host.
  const host = request.headers.get('host') ?? new URL(request.url).host;
  if (host !== url.host) return { status: 421, why: `this is the console of ${url.host}` };
  if (method === 'GET' || method === 'HEAD') return undefined;
  if (method !== 'POST') return { status: 405, why: 'use GET, HEAD or POST', headers: { allow: 'GET, HEAD, POST' } };
  const site = request.headers.get('sec-fetch-site');
  if (request.headers.get('origin') !== url.origin || (site !== null && site !== 'same-origin')) {
    return { status: 403, why: 'this form was sent by another site' };
  }
  const type = request.headers.get('content-type') ?? '';
  if (!/^application\/x-www-form-urlencoded(?:;|$)/i.test(type)) return { status: 415, why: 'send a form' };
  // Of a body that does not say how long it is, one knows that it is too long only when it has been kept.
  const length = request.headers.get('content-length') ?? '';
  if (request.headers.has('transfer-encoding') || !/^\d+$/.test(length)) {
    return { status: 411, why: 'say how long the form is' };
  }
  return undefined;
}

/**
 * The two cookies of the console: one for the session, one for a browser that is on its way to a provider.
 * @module
 */
import type { Context } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { journeyMs } from './departures.ts';

interface Place {
  readonly url: URL;
}

type Name = 'session' | 'departure';

/**
 * `__Host-` (RFC 6265bis §4.1.3.2) needs https and the path `/`; with it no other host, not even a subdomain, can plant
 * the cookie. Cookies are shared by the ports of a host, so over http the name holds the port.
 */
function nameOf({ protocol, port }: URL, name: Name): string {
  const suffix = name === 'session' ? '' : '-departure';
  return protocol === 'https:' ? `__Host-countersign${suffix}` : `countersign-${port || '80'}${suffix}`;
}

export function sessionIdOf(context: Context, { url }: Place): string | undefined {
  return getCookie(context, nameOf(url, 'session'));
}

export function keepSessionId(context: Context, { url }: Place, id: string): void {
  setCookie(context, nameOf(url, 'session'), id, { ...attributesFor(url), sameSite: 'Strict' });
}

export function readDeparture(context: Context, { url }: Place): string | undefined {
  return getCookie(context, nameOf(url, 'departure'));
}

/** Lax, because the answer comes with a navigation from the provider's site. */
export function keepDeparture(context: Context, { url }: Place, id: string): void {
  const maxAge = journeyMs / 1_000;
  setCookie(context, nameOf(url, 'departure'), id, { ...attributesFor(url), sameSite: 'Lax', maxAge });
}

export function dropCookie(context: Context, { url }: Place, name: Name): void {
  deleteCookie(context, nameOf(url, name), attributesFor(url));
}

function attributesFor({ protocol }: URL) {
  return { path: '/', httpOnly: true, secure: protocol === 'https:' };
}

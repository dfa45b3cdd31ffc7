/**
 * A `fetch` that adds the leased credential to requests for the origins that the policy names, and hides it from the
 * tool body: from the request, from what the service echoes, and from errors.
 *
 * An origin is scheme, host and port of the parsed URL. Redirects are followed here, by hand: one that leaves the
 * origin loses the credential for good, also when it comes back.
 * @module
 */
import { LeaseError } from '../errors.ts';
import { isLoopback } from '../loopback.ts';
import type { Lease } from './lease.ts';
import { createScrubber } from './scrub.ts';
import type { Scrubber } from './scrub.ts';

/** Where a credential is sent, and how. */
export interface FetchRule {
  /** As `URL.origin` writes them. */
  readonly origins: readonly string[];
  /** In lower case. */
  readonly header: string;
  /** What stands before the credential, e.g. `Bearer `. */
  readonly prefix: string;
}

/** The standard function; members of `init` that Node adds to the standard (a dispatcher, a proxy) are ignored. */
export type LeaseFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** Kept when this module loads: a function put in its place later gets no credential. */
const nativeFetch = globalThis.fetch;
const maxRedirects = 5;
const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What a tool must not say beside the credential, or to send it to another host behind the same address. */
const reserved = ['authorization', 'proxy-authorization', 'host', 'forwarded', 'x-forwarded-host', 'x-original-url'];
/** What belongs to the origin it was meant for (Fetch standard, "HTTP-redirect fetch"). */
const personal = ['authorization', 'proxy-authorization', 'cookie', 'host'];

/** What is wrong with an origin that a credential is to be sent to; `undefined` when it is sound. */
export function originProblem(origin: string): string | undefined {
  const url = URL.parse(origin);
  if (url === null || url.origin !== origin) return 'expected an origin like "https://api.example.com", in ASCII';
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))) return undefined;
  return 'expected https, or http on this machine only';
}

/** @param lease gives the lease while the call runs; a throw of it is the answer */
export function createLeaseFetch(rule: FetchRule, lease: () => Lease): LeaseFetch {
  return async (input, init = {}) => {
    const held = lease();
    const scrubber = createScrubber([held]);
    try {
      return await follow(rule, lease, scrubber, await readRequest(rule, input, init));
    } catch (error) {
      // A header that cannot be sent is quoted by whoever refuses it.
      throw scrubber.value(error);
    }
  };
}

interface Hop {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  readonly redirect: Request['redirect'];
  readonly signal: AbortSignal;
  /** Whether it never left the origin it began at. */
  readonly home: boolean;
}

/** Reads the request once: what was checked is what is sent. */
async function readRequest(rule: FetchRule, input: string | URL | Request, init: RequestInit): Promise<Hop> {
  const { method, headers, body, redirect, signal } = init;
  const source = input instanceof Request ? input : requireUrl(String(input)).href;
  const request = new Request(source, {
    ...(method === undefined ? {} : { method }),
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body, duplex: 'half' }),
    ...(redirect === undefined ? {} : { redirect }),
    ...(signal === undefined ? {} : { signal }),
  } as RequestInit);
  const url = requireUrl(request.url);
  if (!rule.origins.includes(url.origin) || originProblem(url.origin) !== undefined) {
    throw new LeaseError(`the credential is not for ${url.origin}: the policy names ${rule.origins.join(', ')}`);
  }
  for (const name of [rule.header, ...reserved]) {
    if (request.headers.has(name)) throw new LeaseError(`the tool must not set the header ${name} itself`);
  }
  const bytes = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
  return {
    ...{ url, body: bytes, home: true },
    method: request.method,
    headers: request.headers,
    redirect: request.redirect,
    signal: request.signal,
  };
}

async function follow(rule: FetchRule, lease: () => Lease, scrubber: Scrubber, first: Hop): Promise<Response> {
  let hop = first;
  for (let count = 0; count <= maxRedirects; count += 1) {
    const headers = new Headers(hop.headers);
    // Asked for anew: the call may have ended, or the lease, while the last hop was answered.
    if (hop.home) headers.set(rule.header, `${rule.prefix}${lease().secret.reveal()}`);
    const { method, body, signal, url } = hop;
    const response = await nativeFetch(url, {
      ...{ method, headers, signal, redirect: 'manual' },
      ...(body === undefined ? {} : { body }),
    });
    const location = redirects.has(response.status) ? response.headers.get('location') : null;
    if (location === null || hop.redirect === 'manual') return scrubResponse(response, scrubber, url, count > 0);
    await response.body?.cancel();
    if (hop.redirect === 'error') throw new LeaseError(`expected no redirect, got one from ${url.origin}`);
    const next = nextHop(hop, location, response.status);
    if (next.url.origin !== url.origin && scrubber.text(next.url.href) !== next.url.href) {
      throw new LeaseError(`refused a redirect from ${url.origin} to ${next.url.origin}: it carries the credential`);
    }
    hop = next;
  }
  throw new LeaseError(`expected at most ${maxRedirects} redirects, got more from ${first.url.origin}`);
}

function nextHop(hop: Hop, location: string, status: number): Hop {
  const url = requireUrl(location, hop.url);
  const same = url.origin === hop.url.origin;
  if (!same && url.protocol !== 'https:' && !(hop.url.protocol === 'http:' && isLoopback(url.hostname))) {
    throw new LeaseError(`refused a redirect from ${hop.url.origin} to ${url.origin}: it leaves https`);
  }
  const rewritten = (status === 303 && hop.method !== 'HEAD') || (status < 303 && hop.method === 'POST');
  const body = rewritten ? undefined : hop.body;
  if (!same && body !== undefined) {
    throw new LeaseError(`refused a redirect from ${hop.url.origin} to ${url.origin}: it would hand on the body`);
  }
  const headers = new Headers(hop.headers);
  if (!same) for (const name of personal) headers.delete(name);
  if (rewritten) for (const name of ['content-type', 'content-length', 'content-encoding']) headers.delete(name);
  return { ...hop, url, body, headers, method: rewritten ? 'GET' : hop.method, home: hop.home && same };
}

function requireUrl(text: string, base?: URL): URL {
  const url = URL.parse(text, base?.href);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new LeaseError('expected an http or https address, got something else');
  }
  if (url.username !== '' || url.password !== '')
    throw new LeaseError(`expected no user in the address of ${url.host}`);
  return url;
}

/** What the service sends back of the credential is taken out before the body sees it. */
function scrubResponse(response: Response, scrubber: Scrubber, url: URL, redirected: boolean): Response {
  const headers = new Headers();
  for (const [name, value] of response.headers) {
    // Of the body as it came over the wire: it is decoded by now, and its length may change.
    if (response.body !== null && (name === 'content-length' || name === 'content-encoding')) continue;
    headers.append(scrubber.text(name) === name ? name : 'x-scrubbed', scrubber.text(value));
  }
  const { status } = response;
  const body = response.body?.pipeThrough(scrubber.bytes()) ?? null;
  const scrubbed = new Response(body, { status, statusText: scrubber.text(response.statusText), headers });
  Object.defineProperties(scrubbed, { url: { value: scrubber.text(url.href) }, redirected: { value: redirected } });
  return scrubbed;
}

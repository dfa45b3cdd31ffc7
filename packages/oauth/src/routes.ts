/**
 * The two addresses that browsers visit: `GET {base}/connect/{link}` and `GET {base}/callback/{service}`.
 * @module
 */
import { requireId, within } from '@countersign/core/provider-kit';
import {
  beginConsent,
  completeConsent,
  ConsentError,
  type BrowserUser,
  type Connected,
  type ConsentContext,
} from './consent.ts';

export interface RouteOptions {
  /**
   * Who a request is from, by your own authentication; `undefined` for nobody. The session cookie must be sent when the
   * server sends the browser back: `SameSite=Lax`, not `Strict`.
   */
  readonly identify: (request: Request) => BrowserUser | undefined | Promise<BrowserUser | undefined>;
  /** Told when a user has connected a service, for example to resume the run. What it throws is ignored. */
  readonly onConnected?: (connected: Connected) => void | Promise<void>;
  /** The page at the end, in place of a plain one. What is not yours to set: headers that keep the answer private. */
  readonly page?: (result: ConsentResult) => Response | Promise<Response>;
}

export type ConsentResult =
  | ({ readonly status: 'connected' } & Connected)
  | { readonly status: 'refused'; readonly code: number; readonly message: string };

const identifyMs = 10_000;

/** Nothing of these addresses may be kept, framed, or passed on: they hold codes. */
const privateHeaders: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
};

/** Answers a request to any address under `baseUrl`; never rejects. */
export function createRoutes(context: ConsentContext, options: RouteOptions): (request: Request) => Promise<Response> {
  const base = new URL(context.baseUrl).pathname.replace(/\/$/, '');
  return async (request) => {
    try {
      return await route(context, options, base, request);
    } catch (error) {
      const known = error instanceof ConsentError;
      const status = known ? error.status : 500;
      const message = known ? error.message : 'Something went wrong. Try again later.';
      return answer(options, { status: 'refused', code: status, message });
    }
  };
}

async function route(
  context: ConsentContext,
  options: RouteOptions,
  base: string,
  request: Request,
): Promise<Response> {
  const url = new URL(request.url);
  const path = url.pathname.startsWith(`${base}/`) ? url.pathname.slice(base.length) : '';
  const [, what, part] = /^\/(connect|callback)\/([A-Za-z0-9_-]{1,2048})$/.exec(path) ?? [];
  if (what === undefined || part === undefined) throw new ConsentError(404, 'There is nothing here.');
  if (request.method !== 'GET') throw new ConsentError(405, 'This address is for a browser.');
  const who = await identify(options, request);
  if (what === 'connect') {
    const location = await beginConsent(context, who, part);
    return new Response(null, { status: 302, headers: { ...privateHeaders, location: location.href } });
  }
  const connected = await completeConsent(context, who, part, url);
  try {
    await options.onConnected?.(connected);
  } catch {
    // The user is connected; who was to be told has to look for itself.
  }
  return answer(options, { status: 'connected', ...connected });
}

async function identify({ identify: ask }: RouteOptions, request: Request): Promise<BrowserUser> {
  const who = await within(Promise.resolve(ask(request)), identifyMs);
  if (who === undefined) throw new ConsentError(401, 'Sign in first, then open this address again.');
  const { tenant, user, session } = who;
  if (typeof session !== 'string' || session === '') throw new TypeError('a browser user needs a session');
  return { tenant: requireId('tenant', tenant), user: requireId('user', user), session };
}

async function answer(options: RouteOptions, result: ConsentResult): Promise<Response> {
  const page = options.page === undefined ? plainPage(result) : await options.page(result);
  const headers = new Headers(page.headers);
  for (const [name, value] of Object.entries(privateHeaders)) {
    if (name !== 'content-security-policy' || !headers.has(name)) headers.set(name, value);
  }
  return new Response(page.body, { status: page.status, headers });
}

function plainPage(result: ConsentResult): Response {
  const text =
    result.status === 'connected'
      ? `${result.service} is connected. You can close this page and go on.`
      : result.message;
  const status = result.status === 'connected' ? 200 : result.code;
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Connect</title><p>${escaped(text)}</p></html>`;
  return new Response(body, { status, headers: { 'content-type': 'text/html; charset=utf-8' } });
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`);
}

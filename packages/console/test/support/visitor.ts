/**
 * A browser without a screen: it keeps cookies, follows nothing, and sends forms as a page of the console would.
 */
import { request as httpRequest, type ClientRequest } from 'node:http';
import type { World } from './world.ts';

export interface Visitor {
  /** What is sent as `Cookie`. */
  cookie: string;
  get(path: string): Promise<Response>;
  post(path: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<Response>;
}

export function visitorOf(world: Pick<World, 'url' | 'origin'>, cookie = ''): Visitor {
  const self: Visitor = {
    cookie,
    get: (path) => fetch(new URL(path, world.url), { headers: { cookie: self.cookie }, redirect: 'manual' }),
    post: (path, fields, headers = {}) =>
      fetch(new URL(path, world.url), {
        method: 'POST',
        redirect: 'manual',
        body: new URLSearchParams(fields),
        headers: {
          'content-type': 'application/x-www-form-urlencoded',
          origin: world.origin,
          cookie: self.cookie,
          ...headers,
        },
      }),
  };
  return self;
}

/** The same form for a console that no server stands before. */
export function formRequest(address: string, fields: Record<string, string>): Request {
  const body = new URLSearchParams(fields).toString();
  const type = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) };
  return new Request(address, { method: 'POST', headers: { origin: new URL(address).origin, ...type }, body });
}

/** The first cookie of an answer, as it would be sent back. */
export function cookieOf(response: Response): string {
  return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

/** Value of a hidden field on a page. */
export function fieldOn(page: string, name: string): string {
  return new RegExp(`name="${name}" value="([^"]+)"`).exec(page)?.[1] ?? '';
}

/** A form of which the head is sent, and nothing of the body yet. */
export interface BegunForm {
  readonly sent: ClientRequest;
  readonly status: Promise<number | undefined>;
}

/** @param framing `content-length` or `transfer-encoding` */
export function beginForm(
  { url, origin }: Pick<World, 'url' | 'origin'>,
  path: string,
  framing: Readonly<Record<string, string>>,
  cookie = '',
): BegunForm {
  const headers = { cookie, origin, 'content-type': 'application/x-www-form-urlencoded', ...framing };
  const sent = httpRequest(new URL(path, url), { method: 'POST', headers });
  const status = new Promise<number | undefined>((resolve, reject) => {
    sent.once('response', (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.once('error', reject);
  });
  status.catch(() => undefined);
  sent.flushHeaders();
  return { sent, status };
}

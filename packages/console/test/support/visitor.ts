/**
 * A browser without a screen: it keeps cookies, follows nothing, and sends forms as a page of the console would.
 */
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

/** The first cookie of an answer, as it would be sent back. */
export function cookieOf(response: Response): string {
  return (response.headers.get('set-cookie') ?? '').split(';')[0] ?? '';
}

/** Value of a hidden field on a page. */
export function fieldOn(page: string, name: string): string {
  return new RegExp(`name="${name}" value="([^"]+)"`).exec(page)?.[1] ?? '';
}

/**
 * What the routes share.
 * @module
 */
import type { ApprovalsService, ApproverSession, Policy } from '@countersign/core';
import type { Context, MiddlewareHandler } from 'hono';
import { deleteCookie, getCookie, setCookie } from 'hono/cookie';
import { Problem } from './problem.ts';
import { isTokenOf, type Session, type Sessions } from './sessions.ts';
import type { SignIn } from './sign-in.ts';
import type { Watch } from './watch.ts';

export interface Parts {
  readonly service: Pick<ApprovalsService, 'as'>;
  readonly signIn: SignIn;
  readonly url: URL;
  readonly base: string;
  readonly sessions: Sessions;
  readonly watch: Watch;
  /** Each for its own tenants. */
  readonly policies: readonly Policy[];
  readonly now: () => number;
}

export interface ConsoleEnvironment {
  Variables: { session: Session; approvals: ApproverSession };
}

/** `__Host-` (RFC 6265bis §4.1.3.2) needs https. Cookies are shared by the ports of a host, so the name holds the port. */
function cookieName({ protocol, port }: URL): string {
  return protocol === 'https:' ? '__Host-countersign' : `countersign-${port || '80'}`;
}

export function sessionIdOf(context: Context, { url }: Parts): string | undefined {
  return getCookie(context, cookieName(url));
}

export function keepSessionId(context: Context, { url }: Parts, id: string): void {
  const secure = url.protocol === 'https:';
  setCookie(context, cookieName(url), id, { path: '/', httpOnly: true, sameSite: 'Strict', secure });
}

export function dropSessionId(context: Context, { url }: Parts): void {
  deleteCookie(context, cookieName(url), { path: '/', secure: url.protocol === 'https:' });
}

/** The script says that it refreshes a page by itself: nobody need sit in front of it. */
const refreshHeader = 'x-console-refresh';

/** Whoever has no session is sent to sign in; a form without the session's token is refused. */
export function requireSession(parts: Parts): MiddlewareHandler<ConsoleEnvironment> {
  return async (context, next) => {
    const passive = context.req.header(refreshHeader) !== undefined || context.req.path.endsWith('/events');
    const session = await parts.sessions.find(sessionIdOf(context, parts), !passive);
    if (session === undefined) {
      if (context.req.method === 'POST' || context.req.path.endsWith('/events')) {
        throw new Problem(401, 'You are signed out', 'Nothing was done. Sign in and look at the request again.');
      }
      const wanted = /\/approvals\/(apr\.[A-Za-z0-9._-]{1,100})$/.exec(context.req.path)?.[1];
      return context.redirect(`${parts.base}/sign-in${wanted === undefined ? '' : `?next=${wanted}`}`, 303);
    }
    if (context.req.method === 'POST' && !isTokenOf(session, (await formOf(context))['token'])) {
      throw new Problem(403, 'Refused', 'This form was not made for your session. Nothing was done.');
    }
    context.set('session', session);
    context.set('approvals', parts.service.as(session.approver));
    return next();
  };
}

/** The fields of a form; one that is sent twice is none. */
export async function formOf(context: Context): Promise<Readonly<Record<string, string | undefined>>> {
  const fields = await context.req.parseBody({ all: true });
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? value : undefined]),
  );
}

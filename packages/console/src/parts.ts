/**
 * What the routes share.
 * @module
 */
import type { ApprovalsService, ApproverSession, Policy } from '@countersign/core';
import { within, type LocalRateLimit } from '@countersign/core/channel';
import type { Context, MiddlewareHandler } from 'hono';
import { sessionIdOf } from './cookies.ts';
import type { Departures } from './departures.ts';
import { Problem } from './problem.ts';
import { isTokenOf, type Session, type Sessions } from './sessions.ts';
import { isOpenTo, restrictTo } from './restrict.ts';
import type { SignInLimit } from './sign-in-limit.ts';
import type { Watch } from './watch.ts';
import type { Ways } from './ways.ts';

export interface Parts {
  readonly service: Pick<ApprovalsService, 'as'>;
  readonly ways: Ways;
  readonly url: URL;
  readonly base: string;
  readonly sessions: Sessions;
  readonly departures: Departures;
  readonly limit: SignInLimit;
  /** Of pages, for each approver. */
  readonly reads: LocalRateLimit;
  /** Of decisions and edits, for each approver: each that is refused leaves a record. */
  readonly decisions: LocalRateLimit;
  readonly watch: Watch;
  /** Each for its own tenants. */
  readonly policies: readonly Policy[];
  readonly now: () => number;
  readonly onFailure: ((error: unknown) => unknown) | undefined;
}

export interface ConsoleEnvironment {
  Variables: {
    session: Session;
    approvals: ApproverSession;
    /** What was posted. */
    form: Form;
  };
}

/** Its fields; one that is sent twice is none. */
export type Form = Readonly<Record<string, string | undefined>>;

const idForm = /^apr\.[A-Za-z0-9._-]{1,100}$/;

/** Only an approval of this console is ever gone on to: no form and no link can send anybody elsewhere. */
export function approvalIdIn(text: string | undefined): string | undefined {
  return text !== undefined && idForm.test(text) ? text : undefined;
}

/** The script says that it refreshes a page by itself: nobody need sit in front of it. */
const refreshHeader = 'x-console-refresh';

/** Whoever has no session is sent to sign in; a form without the session's token is refused. */
export function requireSession(parts: Parts): MiddlewareHandler<ConsoleEnvironment> {
  return async (context, next) => {
    const passive = context.req.header(refreshHeader) !== undefined || context.req.path.endsWith('/events');
    const find = (): Promise<Session | undefined> => parts.sessions.find(sessionIdOf(context, parts), !passive);
    const posted = context.req.method === 'POST';
    let session = await find();
    if (session !== undefined && posted) {
      const form = await formOf(context, context.req.path.endsWith('/arguments') ? maxEditBytes : maxFormBytes);
      context.set('form', form);
      // The body may have taken its time: who was removed, left a group or signed out meanwhile does nothing any more.
      session = await find();
      if (session !== undefined && !isTokenOf(session, form['token'])) {
        throw new Problem(403, 'Refused', 'This form was not made for your session. Nothing was done.');
      }
    }
    if (session === undefined) return toSignIn(context, parts);
    const { only, approver } = session;
    // Ids of one person may differ in the case of their letters.
    const person = `${approver.tenant}/${approver.id.toLowerCase()}`;
    const { allowed, retryAfterMs } = (posted ? parts.decisions : parts.reads).take(person);
    if (!allowed) {
      throw new Problem(429, 'Too many at once', 'Nothing was done. Wait a moment and try again.', retryAfterMs);
    }
    const path = context.req.path.slice(parts.base.length);
    if (only !== undefined && /^\/?$/.test(path)) return context.redirect(`${parts.base}/approvals/${only}`, 303);
    if (only !== undefined && !isOpenTo(only, path)) {
      throw new Problem(403, 'Not with this sign-in', 'You signed in for one request only.');
    }
    const approvals = parts.service.as(approver);
    context.set('session', session);
    context.set('approvals', only === undefined ? approvals : restrictTo(only, approvals));
    return next();
  };
}

function toSignIn(context: Context, { base }: Parts): Response {
  if (context.req.method === 'POST' || context.req.path.endsWith('/events')) {
    throw new Problem(401, 'You are signed out', 'Nothing was done. Sign in and look at the request again.');
  }
  const wanted = approvalIdIn(/\/approvals\/([^/]+)$/.exec(context.req.path)?.[1]);
  return context.redirect(`${base}/sign-in${wanted === undefined ? '' : `?next=${wanted}`}`, 303);
}

/** Milliseconds that a form may take to arrive. */
const formMs = 10_000;
const maxFormBytes = 16_384;
/** The service takes arguments of 4 MiB; in a form each byte may take three. */
const maxEditBytes = 3 * 4_194_304 + maxFormBytes;

/** Of a form that says it is longer than `maxBytes` nothing is read. */
export async function formOf(context: Context, maxBytes: number = maxFormBytes): Promise<Form> {
  if (!(Number(context.req.header('content-length')) <= maxBytes)) {
    throw new Problem(413, 'Too long', 'The form is too long. Nothing was done.');
  }
  const late = (): Problem => new Problem(408, 'Too slow', 'The form did not arrive in time. Nothing was done.');
  const fields = await within(context.req.parseBody({ all: true }), formMs, late);
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? value : undefined]),
  );
}

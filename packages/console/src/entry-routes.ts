/**
 * Sign-in and sign-out.
 * @module
 */
import { tellListener, within } from '@countersign/core/channel';
import type { Context, Hono } from 'hono';
import { dropCookie, keepDeparture, keepSessionId, readDeparture, sessionIdOf } from './cookies.ts';
import { layout } from './layout.ts';
import { approvalIdIn, formOf, type ConsoleEnvironment, type Parts } from './parts.ts';
import { onwardPage, problemPage, signInPage } from './plain-pages.ts';
import { Problem, retryAfter } from './problem.ts';
import { isTokenOf } from './sessions.ts';
import type { SignInRefusal } from './sign-in-limit.ts';
import type { RedirectSignIn, SignedIn, TypedSignIn } from './sign-in.ts';

type Entry = Context<ConsoleEnvironment>;

export function entryRoutes(app: Hono<ConsoleEnvironment>, parts: Parts): void {
  const { base, ways } = parts;
  app.get('/sign-in', (context) => page(context, parts, approvalIdIn(context.req.query('next'))));
  app.post('/sign-in', (context) => signInTyped(context, parts));
  app.post('/sign-in/code', async (context) => {
    const { way } = await formOf(context);
    typedWay(parts, way)?.renew?.();
    return context.redirect(`${base}/sign-in`, 303);
  });
  for (const way of ways.redirect) {
    app.post(`/sign-in/${way.name}/begin`, (context) => depart(context, parts, way));
    app.get(`/sign-in/${way.name}/callback`, (context) => comeBack(context, parts, way));
  }
  app.post('/sign-out', (context) => signOut(context, parts));
}

/** Whoever tries too often waits. `undefined` lets the try go on. */
async function overLimit(context: Entry, { base, limit }: Parts): Promise<Response | undefined> {
  const { allowed, retryAfterMs } = await limit.take(context.req.raw);
  if (allowed) return undefined;
  await limit.refused('rate_limited');
  const title = 'Too many tries';
  const main = problemPage(base, title, 'Wait a moment before you try to sign in again.');
  return context.html(layout({ base, title, main }), 429, retryAfter(retryAfterMs));
}

async function refuse(
  context: Entry,
  parts: Parts,
  reason: SignInRefusal,
  next: string | undefined,
  problem: string,
): Promise<Response> {
  await parts.limit.refused(reason);
  return page(context, parts, next, problem);
}

function page(context: Entry, { base, ways }: Parts, next: string | undefined, problem?: string) {
  const main = signInPage({ base, ways, next, ...(problem === undefined ? {} : { problem }) });
  return context.html(layout({ base, title: 'Sign in', main }), problem === undefined ? 200 : 403);
}

/** The browser goes on by itself: some hold a redirect after a form against `form-action`. */
function onward(context: Entry, { base }: Parts, title: string, location: string) {
  return context.html(layout({ base, title, onward: location, main: onwardPage(title, location) }));
}

function typedWay({ ways }: Parts, way = '0'): TypedSignIn | undefined {
  return /^\d{1,2}$/.test(way) ? ways.typed[Number(way)] : undefined;
}

async function signInTyped(context: Entry, parts: Parts) {
  const limited = await overLimit(context, parts);
  if (limited !== undefined) return limited;
  const { code = '', next, way } = await formOf(context);
  const person = code === '' ? undefined : await personFrom(context, parts, () => typedWay(parts, way)?.verify(code));
  if (person === undefined) {
    return refuse(context, parts, 'credential', approvalIdIn(next), 'That did not prove who you are.');
  }
  await parts.limit.giveBack(context.req.raw);
  return context.redirect(admit(context, parts, person, approvalIdIn(next)), 303);
}

/** Milliseconds in which a way to sign in has to answer. */
const verifyMs = 10_000;

/** A throw proves nobody. No answer in time neither, and it is no wrong try. */
async function personFrom(
  context: Entry,
  { limit, onFailure }: Parts,
  ask: () => ReturnType<TypedSignIn['verify']>,
): Promise<SignedIn | undefined> {
  try {
    return await within((async () => ask())(), verifyMs, notNow);
  } catch (error) {
    if (!(error instanceof Problem)) {
      tellListener(onFailure, error);
      return undefined;
    }
    await limit.giveBack(context.req.raw);
    throw error;
  }
}

function notNow(): Problem {
  return new Problem(503, 'Sign-in is not possible now', 'What knows you does not answer. Try again later.');
}

/** Opens the session, and answers where to go first. */
function admit(context: Entry, parts: Parts, person: SignedIn, next: string | undefined): string {
  const { base, sessions } = parts;
  // A new id at every sign-in: one that somebody planted in this browser is worth nothing.
  sessions.end(sessionIdOf(context, parts));
  keepSessionId(context, parts, sessions.open(person));
  const wanted = person.only ?? next;
  return wanted === undefined ? `${base}/` : `${base}/approvals/${wanted}`;
}

const callbackOf = ({ url, base }: Parts, { name }: RedirectSignIn): string =>
  `${url.origin}${base}/sign-in/${name}/callback`;

async function depart(context: Entry, parts: Parts, way: RedirectSignIn) {
  const limited = await overLimit(context, parts);
  if (limited !== undefined) return limited;
  const { next } = await formOf(context);
  try {
    const { location, kept } = await way.begin(callbackOf(parts, way));
    const target = URL.parse(location);
    if (target === null || !/^https?:$/.test(target.protocol)) throw new Error('the provider is at no web address');
    keepDeparture(context, parts, parts.departures.begin({ way: way.name, kept, next: approvalIdIn(next) }));
    return onward(context, parts, `Sign in at ${target.host}`, target.href);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem(503, 'Sign-in is not possible now', 'The sign-in provider does not answer. Try again later.');
  }
}

async function comeBack(context: Entry, parts: Parts, way: RedirectSignIn) {
  const id = readDeparture(context, parts);
  dropCookie(context, parts, 'departure');
  const begun = parts.departures.take(id, way.name);
  if (begun === undefined) {
    const why = 'This sign-in was not begun here, or too long ago. Begin again.';
    return refuse(context, parts, 'not_begun', undefined, why);
  }
  // The address as the provider was told it, whatever a proxy made of it on the way.
  const answer = new URL(callbackOf(parts, way));
  answer.search = new URL(context.req.url).search;
  try {
    const person = await way.finish(answer, begun.kept);
    if (person === undefined) {
      return await refuse(
        context,
        parts,
        'unknown_person',
        begun.next,
        'The provider knows you, and this console does not.',
      );
    }
    await parts.limit.giveBack(context.req.raw);
    // The way here began at another site, so a redirect would not carry the session's strict cookie.
    return onward(context, parts, 'Signed in', admit(context, parts, person, begun.next));
  } catch (error) {
    if (error instanceof Problem && error.status >= 500) throw error;
    return refuse(context, parts, 'provider', begun.next, 'What the provider answered proves nothing. Try again.');
  }
}

async function signOut(context: Entry, parts: Parts) {
  const id = sessionIdOf(context, parts);
  const session = await parts.sessions.find(id, false);
  if (session === undefined || !isTokenOf(session, (await formOf(context))['token'])) {
    return context.redirect(`${parts.base}/sign-in`, 303);
  }
  parts.sessions.end(id);
  dropCookie(context, parts, 'session');
  if (session.afterSignOut === undefined) return context.redirect(`${parts.base}/sign-in`, 303);
  return onward(context, parts, 'Signed out', session.afterSignOut);
}

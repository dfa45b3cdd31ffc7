/**
 * Sign-in and sign-out.
 * @module
 */
import type { Context, Hono } from 'hono';
import { layout } from './layout.ts';
import { dropSessionId, formOf, keepSessionId, sessionIdOf, type ConsoleEnvironment, type Parts } from './parts.ts';
import { signInPage } from './plain-pages.ts';
import { isTokenOf } from './sessions.ts';
import type { SignedIn } from './sign-in.ts';

const idForm = /^apr\.[A-Za-z0-9._-]{1,100}$/;

export function entryRoutes(app: Hono<ConsoleEnvironment>, parts: Parts): void {
  const { base, sessions, signIn } = parts;
  const page = (context: Context, next: string | undefined, problem?: string) => {
    const main = signInPage({ base, signIn, next, ...(problem === undefined ? {} : { problem }) });
    return context.html(layout({ base, title: 'Sign in', main }), problem === undefined ? 200 : 403);
  };

  app.get('/sign-in', (context) => page(context, nextOf(context.req.query('next'))));
  app.post('/sign-in', async (context) => {
    const { code, next } = await formOf(context);
    const person = await verified(parts, code);
    if (person === undefined) return page(context, nextOf(next), 'That did not prove who you are.');
    // A new id at every sign-in: one that somebody planted in this browser is worth nothing.
    sessions.end(sessionIdOf(context, parts));
    keepSessionId(context, parts, sessions.open(person));
    const wanted = nextOf(next);
    return context.redirect(wanted === undefined ? `${base}/` : `${base}/approvals/${wanted}`, 303);
  });
  app.post('/sign-in/code', (context) => {
    signIn.renew?.();
    return context.redirect(`${base}/sign-in`, 303);
  });
  app.post('/sign-out', async (context) => {
    const id = sessionIdOf(context, parts);
    const session = await sessions.find(id, false);
    if (session !== undefined && isTokenOf(session, (await formOf(context))['token'])) {
      sessions.end(id);
      dropSessionId(context, parts);
    }
    return context.redirect(`${base}/sign-in`, 303);
  });
}

async function verified({ signIn }: Parts, code: string | undefined): Promise<SignedIn | undefined> {
  if (code === undefined || code === '') return undefined;
  try {
    return await signIn.verify(code);
  } catch {
    return undefined;
  }
}

/** Only an approval of this console: the form must not send anybody elsewhere. */
function nextOf(text: string | undefined): string | undefined {
  return text !== undefined && idForm.test(text) ? text : undefined;
}

/**
 * The console as one fetch handler: sign-in, and pages on the approvals service. It decides nothing by itself: who may
 * decide, on what, and whether it is too late is the service's answer, and only a POST from its own pages asks it.
 * @module
 */
import { ConfigurationError, type ApprovalsService } from '@countersign/core';
import { Hono } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { approvalRoutes } from './approval-routes.ts';
import { assets } from './assets.ts';
import { entryRoutes } from './entry-routes.ts';
import { guard } from './guard.ts';
import { layout } from './layout.ts';
import { problemPage } from './plain-pages.ts';
import { problemOf } from './problem.ts';
import { requireSession, type ConsoleEnvironment, type Parts } from './parts.ts';
import { createDepartures } from './departures.ts';
import { createSessions, type SessionLimits } from './sessions.ts';
import type { SignIn } from './sign-in.ts';
import { waysOf } from './ways.ts';
import { createWatch } from './watch.ts';

export interface ConsoleOptions {
  readonly service: Pick<ApprovalsService, 'as'>;
  /** How people sign in; several are offered side by side. */
  readonly signIn: SignIn | readonly SignIn[];
  /**
   * Where browsers reach the console, with its path: `https://ops.example/approvals`. https, or http on this machine.
   * A proxy in front must pass `Host` and `Origin` on as they came.
   */
  readonly url: string;
  /** Default: 30 minutes idle, 8 hours in all. */
  readonly sessions?: Partial<SessionLimits>;
  readonly now?: () => number;
}

export interface Console {
  readonly url: string;
  /** Answers every request below `url`. Mount it in any server of the Fetch API, without cutting its path off. */
  fetch(request: Request): Promise<Response>;
}

const defaultLimits: SessionLimits = { idleMs: 30 * 60_000, absoluteMs: 8 * 3_600_000 };
const maxFormBytes = 16_384;
/** The service takes arguments of 4 MiB; in a form each byte may take three. */
const maxEditBytes = 3 * 4_194_304 + maxFormBytes;

/** @throws ConfigurationError for an address on which a session would not be safe */
export function createConsole(options: ConsoleOptions): Console {
  const { service, now = Date.now } = options;
  const ways = waysOf(options.signIn);
  const url = readUrl(options.url, ways.loopbackOnly);
  const base = url.pathname.replace(/\/+$/, '');
  const sessions = createSessions({ ...defaultLimits, ...options.sessions }, now);
  const departures = createDepartures(now);
  const parts: Parts = { service, ways, url, base, sessions, departures, now, watch: createWatch(service) };

  const root = new Hono<ConsoleEnvironment>();
  root.use('*', guard(url));
  root.onError((error, context) => {
    const { status, title, why } = problemOf(error);
    return context.html(layout({ base, title, main: problemPage(base, title, why) }), status);
  });
  root.notFound((context) =>
    context.html(
      layout({ base, title: 'Not found', main: problemPage(base, 'Not found', 'There is no such page.') }),
      404,
    ),
  );
  const app = base === '' ? root : root.basePath(base);
  app.use('*', async (context, next) => {
    const maxSize = context.req.path.endsWith('/arguments') ? maxEditBytes : maxFormBytes;
    const onError = (): Response => new Response('too long\n', { status: 413 });
    return bodyLimit({ maxSize, onError })(context, next);
  });
  for (const [path, { type, body }] of Object.entries(assets)) {
    app.get(path, (context) => context.body(body, 200, { 'content-type': type }));
  }
  entryRoutes(app, parts);
  app.use('*', requireSession(parts));
  approvalRoutes(app, parts);
  return { url: url.href, fetch: async (request) => root.fetch(request) };
}

function readUrl(text: string, loopbackOnly: boolean): URL {
  const url = URL.parse(text);
  if (url === null || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new ConfigurationError('the url of a console is an address and a path, without user, query and fragment');
  }
  const loopback = isLoopback(url.hostname);
  if (!loopback && loopbackOnly) {
    throw new ConfigurationError(`this sign-in is for this machine only, and ${url.host} can be reached from others`);
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && loopback)) return url;
  throw new ConfigurationError(`a console on ${url.protocol}//${url.host} would send sessions in the clear: use https`);
}

/** RFC 6761 §6.3, RFC 1122 §3.2.1.3, RFC 4291 §2.5.3. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

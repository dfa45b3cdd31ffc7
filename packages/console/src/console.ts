/**
 * The console as one fetch handler: sign-in, and pages on the approvals service. It decides nothing by itself: who may
 * decide, on what, and whether it is too late is the service's answer, and only a POST from its own pages asks it.
 * @module
 */
import { ConfigurationError, type Approvals, type Policy } from '@countersign/core';
import { createRateLimit, isLoopback, type RateLimit, tellListener } from '@countersign/core/channel';
import { Hono } from 'hono';
import { approvalRoutes } from './approval-routes.ts';
import { assets } from './assets.ts';
import { entryRoutes } from './entry-routes.ts';
import { guard } from './guard.ts';
import { layout } from './layout.ts';
import { oversightRoutes } from './oversight-routes.ts';
import { problemPage } from './plain-pages.ts';
import { problemOf } from './problem.ts';
import { requireSession, type ConsoleEnvironment, type Parts } from './parts.ts';
import { createDepartures } from './departures.ts';
import { createSessions, type SessionLimits } from './sessions.ts';
import { createSignInLimit, type SignInLimit } from './sign-in-limit.ts';
import type { SignIn } from './sign-in.ts';
import { waysOf } from './ways.ts';
import { createWatch } from './watch.ts';

export interface ConsoleOptions {
  readonly service: Pick<Approvals, 'as'> & Partial<Pick<Approvals, 'recordRefused'>>;
  /** How people sign in; several are offered side by side. */
  readonly signIn: SignIn | readonly SignIn[];
  /** What the policy page shows, each to people of its own tenants. Default: no such page. */
  readonly policy?: Policy | readonly Policy[];
  /**
   * Where browsers reach the console, with its path: `https://ops.example/approvals`. https, or http on this machine.
   * A proxy in front must pass `Host` and `Origin` on as they came.
   */
  readonly url: string;
  /** Whose ledger gets the sign-ins that were refused. Without it none does. */
  readonly tenant?: string;
  /** Of tries to sign in, for each address. Default: 20 a minute in this process. */
  readonly signInLimit?: RateLimit;
  /**
   * Who sends a request, to count tries apart: of a header only if a proxy of yours sets it. Default: all tries are counted
   * together; `serveConsole` takes the address of the connection.
   */
  readonly addressOf?: (request: Request) => string | undefined;
  /** Default: 30 minutes idle, 8 hours in all. */
  readonly sessions?: Partial<SessionLimits>;
  /**
   * Told why a page failed (a status from 500 on) and what a way to sign in threw, which nobody else is; not waited for.
   * Default: nobody.
   */
  readonly onFailure?: (error: unknown) => unknown;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number;
}

export interface Console {
  readonly url: string;
  /** Answers every request below `url`. Mount it in any server of the Fetch API, without cutting its path off. */
  fetch(request: Request): Promise<Response>;
}

const defaultLimits: SessionLimits = { idleMs: 30 * 60_000, absoluteMs: 8 * 3_600_000 };

/** @throws ConfigurationError for an address on which a session would not be safe */
export function createConsole(options: ConsoleOptions): Console {
  const { service, now = Date.now } = options;
  const ways = waysOf(options.signIn);
  const url = readUrl(options.url, ways.loopbackOnly);
  const base = url.pathname.replace(/\/+$/, '');
  const policies = [options.policy ?? []].flat();
  const sessions = createSessions({ ...defaultLimits, ...options.sessions }, now);
  const departures = createDepartures(now);
  const limit = limitOf(options);
  const watch = createWatch(service);
  // As many as the API takes.
  const reads = createRateLimit({ points: 600, perMs: 60_000 });
  const decisions = createRateLimit({ points: 60, perMs: 60_000 });
  const limits = { limit, reads, decisions };
  const { onFailure } = options;
  const parts: Parts = { service, ways, url, base, sessions, departures, ...limits, now, watch, policies, onFailure };

  // The inbox is at the url with and without a slash at its end.
  const root = new Hono<ConsoleEnvironment>({ strict: false });
  root.use('*', guard(url));
  root.onError((error, context) => {
    const { status, title, why, headers } = problemOf(error);
    if (status >= 500) tellListener(onFailure, error);
    return context.html(layout({ base, title, main: problemPage(base, title, why) }), status, headers);
  });
  root.notFound((context) =>
    context.html(
      layout({ base, title: 'Not found', main: problemPage(base, 'Not found', 'There is no such page.') }),
      404,
    ),
  );
  const app = base === '' ? root : root.basePath(base);
  for (const [path, { type, body }] of Object.entries(assets)) {
    app.get(path, (context) => context.body(body, 200, { 'content-type': type }));
  }
  entryRoutes(app, parts);
  app.use('*', requireSession(parts));
  approvalRoutes(app, parts);
  oversightRoutes(app, parts);
  return { url: url.href, fetch: async (request) => root.fetch(request) };
}

function limitOf({ service, tenant, signInLimit, addressOf }: ConsoleOptions): SignInLimit {
  if (tenant !== undefined && service.recordRefused === undefined) {
    throw new ConfigurationError('refused sign-ins are to be recorded, and this service has no recordRefused');
  }
  return createSignInLimit({
    tenant,
    limit: signInLimit ?? createRateLimit({ points: 20, perMs: 60_000 }),
    addressOf: addressOf ?? (() => undefined),
    // A method of its service, and not taken off it.
    recordRefused: (refused) => service.recordRefused?.(refused) ?? Promise.resolve(),
  });
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

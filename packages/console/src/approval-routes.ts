/**
 * The pages of a signed-in approver.
 * @module
 */
import type { ApprovalView, ApproverSession } from '@countersign/core';
import type { Hono } from 'hono';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import { approvalPage, isShownWhole, type ApprovalPage } from './approval-page.ts';
import { sessionIdOf } from './cookies.ts';
import { isApproved } from './describe.ts';
import { historyPage, inboxPage } from './list-pages.ts';
import { approvalIdIn, type ConsoleEnvironment, type Parts } from './parts.ts';
import { Problem, problemOf } from './problem.ts';
import { render, type Asked } from './render.ts';

const inboxLength = 200;
const missedLength = 20;
const missedMs = 24 * 3_600_000;
const historyLength = 25;
const maxHistoryLooks = 20;
const maxCompared = 200;
/** Of those, until one can be read. */
const maxOpened = 5;
/** A stream ends after this time; the browser opens another one, if its session still holds. */
const streamMs = 5 * 60_000;
const streamStepMs = 15_000;
/** Of one session: a person with that many tabs does without news in the next. */
const maxStreams = 20;

export function approvalRoutes(app: Hono<ConsoleEnvironment>, parts: Parts): void {
  app.get('/', (context) => inbox(context, parts));
  app.get('/history', (context) => history(context, parts));
  const streams = createStreams();
  app.get('/events', (context) => events(context, parts, streams));
  app.get('/approvals/:id', async (context) => {
    const approval = await context.var.approvals.show(context.req.param('id'));
    return show(context, parts, approval, 200);
  });
  app.post('/approvals/:id/decision', async (context) => {
    const { verdict, digest, reason } = context.var.form;
    if (verdict !== 'approve' && verdict !== 'reject') throw new Problem(400, 'Refused', 'Approve or reject it.');
    const given = reason === undefined || reason.trim() === '' ? {} : { reason };
    return act(context, parts, { reason }, async (approvals, id) => {
      if (verdict === 'approve' && !isShownWhole(await approvals.show(id))) {
        throw new Problem(409, 'Refused', 'Not all of it is shown here, so it cannot be approved here.');
      }
      return approvals.decide({ id, verdict, digest: digest ?? '', ...given });
    });
  });
  app.post('/approvals/:id/arguments', async (context) => {
    const { arguments: text = '', digest = '' } = context.var.form;
    return act(context, parts, { arguments: text }, (approvals, id) => approvals.edit({ id, digest, arguments: text }));
  });
}

async function inbox(context: Asked, parts: Parts) {
  const { approvals: session } = context.var;
  const found = await session.list({ state: 'pending', limit: inboxLength + 1 });
  const ended = await session.list({ state: 'expired', limit: missedLength, newestFirst: true });
  const now = parts.now();
  const approvals = found.slice(0, inboxLength).filter(({ state }) => state === 'pending');
  // Also those whose time has come and that nobody has marked yet.
  const missed = [...found, ...ended]
    .filter((each) => each.state === 'expired' && each.expiresAt > now - missedMs && !isApproved(each))
    .toSorted((left, right) => right.expiresAt - left.expiresAt)
    .slice(0, missedLength);
  const { approver } = context.var.session;
  const more = found.length > inboxLength;
  const main = inboxPage({ base: parts.base, approver, approvals, missed, now, more });
  return render(context, parts, { title: 'Inbox', current: 'inbox', main });
}

async function history(context: Asked, parts: Parts) {
  const { approvals: ended, next } = await endedBefore(context.var.approvals, context.req.query('before'));
  const { approver } = context.var.session;
  const main = historyPage({ base: parts.base, approver, approvals: ended, now: parts.now(), before: next });
  return render(context, parts, { title: 'History', current: 'history', main });
}

/** What is no longer pending, newest first, looking past what is. */
async function endedBefore(
  session: ApproverSession,
  from: string | undefined,
): Promise<{ readonly approvals: readonly ApprovalView[]; readonly next: string | undefined }> {
  const found: ApprovalView[] = [];
  let before = from;
  for (let looks = 0; looks < maxHistoryLooks; looks += 1) {
    const query = { newestFirst: true, limit: historyLength, ...(before === undefined ? {} : { before }) };
    // Nothing is opened where nothing has ended: what waits may be long, and many.
    const outlines = await session.outlines(query);
    if (outlines.length === historyLength && outlines.every(({ state }) => state === 'pending')) {
      before = outlines.at(-1)?.id;
      continue;
    }
    const page = await session.list(query);
    for (const approval of page) {
      if (found.length === historyLength) return { approvals: found, next: before };
      before = approval.id;
      if (approval.state !== 'pending') found.push(approval);
    }
    if (page.length < historyLength) return { approvals: found, next: undefined };
  }
  return { approvals: found, next: before };
}

type Typed = NonNullable<ApprovalPage['typed']>;

async function act(
  context: Asked,
  parts: Parts,
  typed: Typed,
  action: (approvals: ApproverSession, id: string) => Promise<ApprovalView>,
) {
  const id = context.req.param('id') ?? '';
  try {
    await action(context.var.approvals, id);
  } catch (error) {
    const { status, why } = problemOf(error);
    if (status === 404 || status >= 500) throw error;
    // What it looks like now: somebody may have been faster.
    const approval = await context.var.approvals.show(id);
    return show(context, parts, approval, 409, { problem: why, typed });
  }
  return context.redirect(`${parts.base}/approvals/${id}`, 303);
}

async function show(
  context: Asked,
  parts: Parts,
  approval: ApprovalView,
  status: 200 | 409,
  tried: Pick<ApprovalPage, 'problem' | 'typed'> = {},
) {
  const previous = await approvedBefore(context.var.approvals, approval);
  const { session, approvals } = context.var;
  const { readsLedger } = approvals;
  const main = approvalPage({
    ...{ base: parts.base, session, approval, previous, now: parts.now(), readsLedger },
    ...tried,
  });
  const title = `${approval.tool}: ${approval.state}`;
  return render(context, parts, { title, main, request: approval.id }, status);
}

async function approvedBefore(session: ApproverSession, approval: ApprovalView): Promise<ApprovalView | undefined> {
  const { id, tool, source, agent } = approval;
  const earlier = await session.outlines({ state: 'approved', before: id, newestFirst: true, limit: maxCompared });
  const same = earlier.filter((each) => each.tool === tool && each.source === source && each.agent === agent);
  for (const each of same.slice(0, maxOpened)) {
    const found = await session.show(each.id).catch(() => undefined);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Server-sent events (HTML standard §9.2): says that something changed, and nothing of what. */
function events(context: Asked, parts: Parts, streams: Streams) {
  // Nobody reads the stream of a HEAD, and so nothing would ever end it.
  if (context.req.method === 'HEAD') return context.body(null, 200, { 'content-type': 'text/event-stream' });
  const close = streams.open(context.var.session.formToken);
  if (close === undefined) throw new Problem(429, 'Too many at once', 'This session follows from too many pages.');
  return streamSSE(context, async (stream) => {
    // Also one that waits for somebody to read it.
    const end = setTimeout(() => stream.abort(), streamMs).unref();
    stream.onAbort(close);
    try {
      await follow(context, parts, stream);
    } finally {
      clearTimeout(end);
      close();
    }
  });
}

async function follow(context: Asked, parts: Parts, stream: SSEStreamingApi): Promise<void> {
  const until = performance.now() + streamMs;
  let seen: string | undefined;
  while (!stream.aborted && performance.now() < until) {
    const session = await parts.sessions.find(sessionIdOf(context, parts), false);
    if (session === undefined) return stream.writeSSE({ event: 'signed-out', data: '' });
    const { approver, only = approvalIdIn(context.req.query('request')) } = session;
    const print = await parts.watch.next({ approver, only }, seen, streamStepMs);
    const event = print === seen ? 'still' : seen === undefined ? 'ready' : 'changed';
    seen = print;
    await stream.writeSSE({ event, data: '' });
  }
}

interface Streams {
  /** Answers how to close it, once; `undefined` when this session has enough of them. */
  open(session: string): (() => void) | undefined;
}

function createStreams(): Streams {
  const open = new Map<string, Set<symbol>>();
  return {
    open(session) {
      const own = open.get(session) ?? new Set();
      if (own.size >= maxStreams) return undefined;
      const stream = Symbol('stream');
      open.set(session, own.add(stream));
      return () => {
        own.delete(stream);
        if (own.size === 0 && open.get(session) === own) open.delete(session);
      };
    },
  };
}

/**
 * The approvals service at the other end of HTTP, behind the same interface. What it answers is checked: it may be
 * another program, or lie.
 * @module
 */
import {
  ApprovalConflict,
  ApprovalNotFound,
  ApproverError,
  type ApprovalQuery,
  type ApprovalsService,
  type ApprovalView,
} from '@countersign/core';
import { isLoopback } from '@countersign/core/channel';
import { CommandFailure } from './exit-codes.ts';

const timeoutMs = 15_000;
const maxAnswerBytes = 16 * 1024 * 1024;
const pageLength = 100;
const maxListed = 10_000;

export interface ApprovalPage {
  readonly approvals: readonly ApprovalView[];
  /** Whether there are more than were asked for. */
  readonly more: boolean;
}

export interface ApprovalsClient extends Pick<ApprovalsService, 'show' | 'decide' | 'edit'> {
  /** All of them, however many pages they are, up to 10,000. */
  list(credential: string, query?: ApprovalQuery): Promise<readonly ApprovalView[]>;
  /** The first `limit` of them. */
  first(credential: string, query: ApprovalQuery & { readonly limit: number }): Promise<ApprovalPage>;
}

/** @throws CommandFailure for an address to which a token should not be sent */
export function approvalsClient(address: string): ApprovalsClient {
  const base = baseOf(address);
  const at = (id: string, rest = ''): URL => new URL(`approvals/${encodeURIComponent(id)}${rest}`, base);

  async function first(credential: string, query: ApprovalQuery & { readonly limit: number }): Promise<ApprovalPage> {
    const found = new Map<string, ApprovalView>();
    let next = query.newestFirst === true ? query.before : query.after;
    for (;;) {
      const limit = Math.min(pageLength, query.limit - found.size);
      const page = await ask(pageOf(base, { ...query, limit }, next), credential);
      const { approvals, next: following } = objectOf(page);
      if (!Array.isArray(approvals)) throw strange();
      const views = approvals.slice(0, limit).map((approval) => viewOf(approval));
      const known = found.size;
      for (const view of views) found.set(view.id, view);
      // Whoever sends the same again would keep us asking for ever.
      if (found.size !== known + views.length) throw strange();
      const more = following !== undefined || approvals.length > limit;
      if (!more || found.size >= query.limit) return { approvals: [...found.values()], more };
      next = views.at(-1)?.id;
      if (next === undefined || next !== following) throw strange();
    }
  }

  return {
    first,
    list: async (credential, query = {}) => (await first(credential, { limit: maxListed, ...query })).approvals,
    show: async (credential, id) => viewOf(await ask(at(id), credential), id),
    async decide(credential, { id, ...decision }) {
      return viewOf(await ask(at(id, '/decision'), credential, decision), id);
    },
    async edit(credential, { id, ...edit }) {
      return viewOf(await ask(at(id, '/arguments'), credential, edit), id);
    },
  };
}

function pageOf(base: URL, query: ApprovalQuery & { readonly limit: number }, next: string | undefined): URL {
  const { state, run, newestFirst, before, after, limit } = query;
  const bounds = newestFirst === true ? { before: next, after } : { before, after: next };
  const url = new URL('approvals', base);
  const given = { state, run, ...bounds, order: newestFirst === true ? 'newest' : undefined, limit: String(limit) };
  for (const [name, value] of Object.entries(given)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}

function baseOf(address: string): URL {
  const url = URL.parse(address.endsWith('/') ? address : `${address}/`);
  // Not repeated: a mistyped address may hold a password.
  if (url === null) throw new CommandFailure('usage', 'the address is no URL');
  if (url.username !== '' || url.password !== '') {
    throw new CommandFailure('usage', 'the address must hold no user name and no password: a token is sent');
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname))) return url;
  throw new CommandFailure(
    'usage',
    `${url.protocol}//${url.host}: use https, or http on this machine only; a token is sent`,
  );
}

async function ask(url: URL, token: string, body?: object): Promise<unknown> {
  if (!/^[A-Za-z0-9._~+/-]{1,512}=*$/.test(token)) throw new CommandFailure('refused', 'the token is no bearer token');
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
  };
  const signal = AbortSignal.timeout(timeoutMs);
  let response: Response;
  let text: string;
  try {
    // A redirect would carry the token elsewhere.
    response = await fetch(url, {
      headers,
      signal,
      redirect: 'error',
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    text = await textOf(response);
  } catch (error) {
    if (error instanceof CommandFailure) throw error;
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
    throw new CommandFailure('unreachable', `the approvals service at ${url.origin} did not answer: ${cause}`);
  }
  if (response.ok) return parse(text);
  throw errorOf(response.status, text);
}

async function textOf(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of response.body ?? []) {
    length += chunk.length;
    if (length > maxAnswerBytes)
      throw new CommandFailure('unreachable', `the answer is longer than ${maxAnswerBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw strange();
  }
}

function errorOf(status: number, text: string): Error {
  let detail = `HTTP status ${status}`;
  try {
    const problem = objectOf(JSON.parse(text));
    if (typeof problem['detail'] === 'string') detail = problem['detail'].slice(0, 500);
  } catch {
    // The status says enough.
  }
  if (status === 401 || status === 403) return new ApproverError(detail);
  if (status === 404) return new ApprovalNotFound(detail);
  if (status === 409) return new ApprovalConflict(detail);
  return new CommandFailure(status >= 500 ? 'unreachable' : 'refused', `the approvals service answered: ${detail}`);
}

function strange(): CommandFailure {
  return new CommandFailure('unreachable', 'what answered is not an approvals service');
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw strange();
  return value as Readonly<Record<string, unknown>>;
}

const texts = [
  'id',
  'state',
  'requester',
  'agent',
  'run',
  'slot',
  'tool',
  'source',
  'capability',
  'risk',
  'arguments',
  'digest',
] as const;

const states: ReadonlySet<unknown> = new Set(['pending', 'approved', 'rejected', 'expired', 'cancelled']);

/** @param id the approval that was asked for: another one must not be taken for it */
function viewOf(value: unknown, id?: string): ApprovalView {
  const view = objectOf(value);
  const complete =
    texts.every((name) => typeof view[name] === 'string') &&
    states.has(view['state']) &&
    typeof view['expiresAt'] === 'number' &&
    Number.isFinite(new Date(view['expiresAt']).getTime()) &&
    Array.isArray(view['delegation']) &&
    view['delegation'].every((agent) => typeof agent === 'string') &&
    Array.isArray(view['votes']) &&
    isRule(view['rule']);
  if (!complete || (id !== undefined && view['id'] !== id)) throw strange();
  return view as unknown as ApprovalView;
}

function isRule(value: unknown): boolean {
  const { quorum, groups, escalation } = objectOf(value);
  const isStep = (step: unknown): boolean => {
    const { afterMs, groups: further } = objectOf(step);
    return typeof afterMs === 'number' && areTexts(further);
  };
  return typeof quorum === 'number' && areTexts(groups) && Array.isArray(escalation) && escalation.every(isStep);
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((text) => typeof text === 'string');
}

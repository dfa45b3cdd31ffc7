/**
 * The approvals service over HTTP, for clients that present a bearer token (RFC 6750). What there is to ask stands in
 * `http-routes.ts`; the same document is served at `GET /openapi.json` and ships as `@countersign/core/openapi.json`.
 *
 * GET and HEAD change nothing. Errors are `application/problem+json` (RFC 9457).
 * @module
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { ApproverError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Approvals } from './approvals.ts';
import type { ApproverSession } from './approver-session.ts';
import { createInputReader, singleHeader, type InputReader } from './http-input.ts';
import {
  defaultLimits,
  giveBackTo,
  networkOf,
  requireProxies,
  takeFrom,
  TooManyRequests,
  type HttpLimits,
} from './http-limits.ts';
import { documentPath, openApiDocument } from './http-openapi.ts';
import type { Route } from './http-routes.ts';
import { problemOf } from './problem.ts';
import { RequestRefused } from './signed-request.ts';
import { tellListener } from '../tell-listener.ts';

export interface ApprovalsHttpOptions {
  /** Whose ledger keeps what was refused before anybody was authenticated. */
  readonly tenant: string;
  /**
   * How many proxies stand in front that each append to `X-Forwarded-For`. Default 0: the address is that of the
   * connection, and the header counts for nothing. With one too many, clients choose their address themselves.
   */
  readonly trustedProxies?: number;
  /**
   * In a minute an approver may read 600 times and decide or edit 60 times, and an address may fail to authenticate 30
   * times. Each process counts for itself; give limits that share their counts where several answer.
   */
  readonly limits?: Partial<HttpLimits>;
  /** For one whole body. Default 10,000 ms. */
  readonly bodyTimeoutMs?: number;
  /** Told why something was answered with a status from 500 on, which nobody else is; not waited for. Default: nobody. */
  readonly onFailure?: (error: unknown) => unknown;
}

type Service = Pick<Approvals, 'authenticate' | 'recordRefused'>;

interface Parts {
  readonly service: Service;
  readonly tenant: string;
  readonly limits: HttpLimits;
  readonly trustedProxies: number;
  readonly input: InputReader;
  readonly document: string;
  readonly onFailure: ApprovalsHttpOptions['onFailure'];
}

/** Of one request: what its answer needs, whether it succeeds or not. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  session?: ApproverSession;
  route?: Route;
  id?: string;
}

const channel = 'http';

/** A listener for `node:http`. Terminate TLS in front of it, or listen on loopback only. */
export function approvalsHttp(service: Service, options: ApprovalsHttpOptions): RequestListener {
  const parts: Parts = {
    service,
    tenant: requireId('tenant', options.tenant),
    limits: { ...defaultLimits(), ...options.limits },
    trustedProxies: requireProxies(options.trustedProxies ?? 0),
    input: createInputReader(options.bodyTimeoutMs ?? 10_000),
    document: JSON.stringify(openApiDocument()),
    onFailure: options.onFailure,
  };
  const lines = new WeakMap<object, Line>();
  return (request, response) => {
    const { socket } = request;
    const line = lines.get(socket) ?? { last: Promise.resolve(), open: 0 };
    lines.set(socket, line);
    if (line.open >= maxOpen) return void socket.destroy();
    line.open += 1;
    line.last = line.last.then(async () => {
      // RFC 9112, section 9.6: what was sent ahead after the last request of a connection is not taken.
      if (!ended.has(socket) && !socket.destroyed) await take(parts, { request, response });
      line.open -= 1;
    });
  };
}

/** Requests of one connection, which are answered in order. */
interface Line {
  last: Promise<void>;
  /** Not answered yet. */
  open: number;
}

/** Whoever sends more ahead waits for no answer: the connection ends before they heap up. */
const maxOpen = 32;

/** Never rejects. */
async function take(parts: Parts, exchange: Exchange): Promise<void> {
  await answer(parts, exchange)
    .catch((error: unknown) => refuse(parts, exchange, error))
    .catch(() => exchange.response.destroy());
}

/** Connections whose last answer was given. */
const ended = new WeakSet<object>();

async function answer(parts: Parts, exchange: Exchange): Promise<void> {
  const { request, response } = exchange;
  const { pathname, searchParams } = targetOf(request);
  if (pathname === documentPath) return answerDocument(parts, exchange);
  const found = parts.input.find(pathname);
  const methods = [...found.routes.keys()];
  if (request.method === 'OPTIONS') return sendOptions(exchange, methods);
  const route = found.routes.get(request.method === 'HEAD' ? 'GET' : (request.method ?? ''));
  if (route === undefined) throw notAllowed(response, methods);
  exchange.route = route;
  exchange.id = found.id;
  const session = await authenticate(parts, request);
  exchange.session = session;
  // Ids of one person may differ in the case of their letters.
  const key = `${session.approver.tenant}/${session.approver.id.toLowerCase()}`;
  setHeaders(response, await takeFrom(parts.limits, route.limit, key));
  const query = parts.input.query(route, searchParams);
  const body = await parts.input.body(route, request);
  // A body may take seconds, in which a token is withdrawn. It was right a moment ago: that it is not now is no guess.
  const acting = route.body === undefined ? session : await sessionOf(parts.service, request);
  const result = await route.act(acting, { id: found.id, query, body });
  send(exchange, 200, 'application/json', JSON.stringify(result));
}

/** RFC 9112, section 3.2: a path, or an absolute URL whose host counts for nothing here. */
function targetOf(request: IncomingMessage): URL {
  const target = request.url ?? '';
  const url = URL.parse(target.startsWith('/') ? `http://localhost${target}` : target);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new RequestRefused(400, 'the path is not valid');
  return url;
}

function answerDocument(parts: Parts, exchange: Exchange): void {
  const { method } = exchange.request;
  if (method === 'OPTIONS') return sendOptions(exchange, ['GET']);
  if (method !== 'GET' && method !== 'HEAD') throw notAllowed(exchange.response, ['GET']);
  send(exchange, 200, 'application/json', parts.document);
}

function allowOf(methods: readonly string[]): string {
  return [...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
}

/** No header of CORS: a page of another site is to get no answer. */
function sendOptions(exchange: Exchange, methods: readonly string[]): void {
  finish(exchange, 204, { allow: allowOf(methods) });
}

function notAllowed(response: ServerResponse, methods: readonly string[]): RequestRefused {
  response.setHeader('allow', allowOf(methods));
  return new RequestRefused(405, `use ${methods.join(' or ')}`, 'method');
}

/**
 * Counts an attempt as failed before it is known, so that many at once cannot all be let through.
 * @throws RequestRefused 400, 401, 429
 */
async function authenticate(parts: Parts, request: IncomingMessage): Promise<ApproverSession> {
  const { service, limits, trustedProxies } = parts;
  const network = networkOf(request, trustedProxies);
  await takeFrom(limits, 'failures', network);
  try {
    const session = await sessionOf(service, request);
    await giveBackTo(limits, 'failures', network);
    return session;
  } catch (error) {
    if (!(error instanceof RequestRefused)) await giveBackTo(limits, 'failures', network);
    throw error;
  }
}

/** @throws RequestRefused 400, 401 */
async function sessionOf(service: Service, request: IncomingMessage): Promise<ApproverSession> {
  const token = bearer(request);
  try {
    return await service.authenticate(token);
  } catch (error) {
    if (error instanceof ApproverError && error.reason === 'unauthenticated') {
      throw new RequestRefused(401, error.message, 'unauthenticated');
    }
    throw new Error('nobody can be authenticated now', { cause: error });
  }
}

function bearer(request: IncomingMessage): string {
  const match = /^Bearer +([A-Za-z0-9._~+/-]{1,512}=*)$/i.exec(singleHeader(request, 'authorization') ?? '');
  if (match?.[1] === undefined) throw new RequestRefused(401, 'present a bearer token', 'unauthenticated');
  return match[1];
}

async function refuse(parts: Parts, exchange: Exchange, error: unknown): Promise<void> {
  const { response, route } = exchange;
  if (error instanceof RequestRefused && (error.status === 401 || error.status === 429 || route?.body !== undefined)) {
    const tenant = exchange.session?.approver.tenant ?? parts.tenant;
    const approval = exchange.id === undefined ? {} : { approval: exchange.id };
    await parts.service.recordRefused({ tenant, channel, reason: error.reason, ...approval });
  }
  if (response.headersSent) return void response.destroy();
  if (error instanceof TooManyRequests) setHeaders(response, error.headers);
  const problem = problemOf(error);
  if (problem.status >= 500) tellListener(parts.onFailure, error);
  if (problem.status === 401) {
    const invalid = exchange.request.headers.authorization === undefined ? '' : ' error="invalid_token"';
    response.setHeader('www-authenticate', `Bearer${invalid}`);
  }
  send(exchange, problem.status, 'application/problem+json', JSON.stringify(problem));
}

function setHeaders(response: ServerResponse, headers: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}

function send(exchange: Exchange, status: number, type: string, body: string): void {
  finish(exchange, status, { 'content-type': type, 'content-length': String(Buffer.byteLength(body)) }, body);
}

function finish(
  { request, response }: Exchange,
  status: number,
  headers: Readonly<Record<string, string>>,
  body?: string,
): void {
  // What was not read of a request is not waited for.
  if (!request.complete) response.setHeader('connection', 'close');
  if (!request.complete || /\bclose\b/i.test(request.headers.connection ?? '')) ended.add(request.socket);
  response.writeHead(status, { ...headers, 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  response.end(body);
}

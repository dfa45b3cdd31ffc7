/**
 * The approvals service over HTTP, for clients that present a bearer token (RFC 6750):
 *
 *     GET  /approvals?state=pending    → { "approvals": [ApprovalView] }
 *     GET  /approvals/{id}             → ApprovalView
 *     POST /approvals/{id}/decision    { "verdict", "digest", "reason"? } → ApprovalView
 *     POST /approvals/{id}/arguments   { "arguments", "digest" } → ApprovalView; `arguments` is JSON text
 *
 * GET changes nothing. Errors are `application/problem+json` (RFC 9457).
 * @module
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { ApprovalState } from '../call.ts';
import { CountersignError } from '../errors.ts';
import type { ApprovalsService } from './approvals-service.ts';
import { statusOfError } from './problem.ts';
import { RequestRefused } from './signed-request.ts';

const maxDecisionBytes = 16_384;
/** Edited arguments may be as long as a model's. */
const maxEditBytes = 4_194_304;
const bodyTimeoutMs = 10_000;
const pathForm = /^\/approvals(?:\/([^/]{1,200})(\/decision|\/arguments)?)?$/;
const states: ReadonlySet<string> = new Set(['pending', 'approved', 'rejected', 'expired', 'cancelled']);

/** A listener for `node:http`. Terminate TLS in front of it, or listen on loopback only. */
export function approvalsHttp(service: Omit<ApprovalsService, 'as'>): RequestListener {
  return (request, response) => {
    answer(service, request)
      .then((body) => send(response, 200, 'application/json', body))
      .catch((error: unknown) => sendProblem(response, error));
  };
}

async function answer(service: Omit<ApprovalsService, 'as'>, request: IncomingMessage): Promise<unknown> {
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  if (url === null) throw new RequestRefused(400, 'the path is not valid');
  const path = pathForm.exec(url.pathname);
  if (path === null) throw new RequestRefused(404, 'no such resource');
  const credential = bearer(request);
  const [, id, action] = path;
  if (action !== undefined && id !== undefined) {
    if (request.method !== 'POST') throw new RequestRefused(405, 'a decision is made with POST');
    const body = await readObject(request, action === '/decision' ? maxDecisionBytes : maxEditBytes);
    return action === '/decision'
      ? service.decide(credential, { id: decoded(id), ...decisionOf(body) })
      : service.edit(credential, { id: decoded(id), ...editOf(body) });
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') throw new RequestRefused(405, 'use GET');
  if (id !== undefined) return service.show(credential, decoded(id));
  const state = url.searchParams.get('state');
  if (state !== null && !states.has(state)) throw new RequestRefused(400, 'unknown state');
  return { approvals: await service.list(credential, state === null ? {} : { state: state as ApprovalState }) };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new RequestRefused(400, 'the path is not valid');
  }
}

function bearer(request: IncomingMessage): string {
  const match = /^Bearer ([A-Za-z0-9._~+/-]{1,512}=*)$/.exec(request.headers.authorization ?? '');
  if (match?.[1] === undefined) throw new RequestRefused(401, 'present a bearer token');
  return match[1];
}

interface Decision {
  readonly verdict: 'approve' | 'reject';
  readonly digest: string;
  readonly reason?: string;
}

type Body = Readonly<Record<string, unknown>>;

async function readObject(request: IncomingMessage, maxBytes: number): Promise<Body> {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    throw new RequestRefused(415, 'send application/json');
  const body: unknown = parse(await readBody(request, maxBytes));
  if (typeof body !== 'object' || body === null) throw new RequestRefused(400, 'send a JSON object');
  return body as Body;
}

function editOf({ arguments: text, digest }: Body): { readonly arguments: string; readonly digest: string } {
  if (typeof text !== 'string') throw new RequestRefused(400, '"arguments" must be JSON text');
  if (typeof digest !== 'string') throw new RequestRefused(400, '"digest" must be the digest that was shown');
  return { arguments: text, digest };
}

function decisionOf({ verdict, digest, reason }: Body): Decision {
  if (verdict !== 'approve' && verdict !== 'reject')
    throw new RequestRefused(400, '"verdict" must be "approve" or "reject"');
  if (typeof digest !== 'string') throw new RequestRefused(400, '"digest" must be the digest that was shown');
  if (reason !== undefined && typeof reason !== 'string') throw new RequestRefused(400, '"reason" must be text');
  return reason === undefined ? { verdict, digest } : { verdict, digest, reason };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RequestRefused(400, 'send a JSON object');
  }
}

async function readBody(request: IncomingMessage, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  request.setTimeout(bodyTimeoutMs, () => request.destroy());
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBytes) throw new RequestRefused(413, `send at most ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, type: string, body: unknown): void {
  response.writeHead(status, {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(JSON.stringify(body));
}

/** What went wrong, without internals: an unexpected error says only that there was one. */
function sendProblem(response: ServerResponse, error: unknown): void {
  if (response.headersSent) return void response.destroy();
  const status = statusOfError(error);
  if (status === 401) response.setHeader('www-authenticate', 'Bearer');
  const code = error instanceof CountersignError ? { code: error.code } : {};
  const detail = status < 500 && error instanceof Error ? error.message : 'the approvals service could not answer';
  send(response, status, 'application/problem+json', { status, ...code, detail });
}

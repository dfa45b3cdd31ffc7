/**
 * Takes decisions from a service that has authenticated the person, and signs what it says.
 * @module
 */
import type { Approvals, Approver, DecideInput } from '@countersign/core';
import {
  askDirectory,
  boundedReplayGuard,
  isFresh,
  memoryReplayGuard,
  problemResponse,
  readBody,
  RequestRefused,
  statusOfError,
  tellListener,
  type ReplayGuard,
} from '@countersign/core/channel';
import { isSignedBy, signersOf } from './secret.ts';

export interface WebhookCallbackOptions {
  readonly approvals: Pick<Approvals, 'as' | 'recordRefused'>;
  /** Whose ledger keeps what was refused before it was known who decides. */
  readonly tenant: string;
  /**
   * `whsec_…`, not the one that the channel signs with; several while they are rotated. Whoever has one decides for everybody
   * of the tenant that `approverFor` knows.
   */
  readonly secret: string | readonly string[];
  /** Who decides when the service says that `person` does. `undefined` refuses. */
  readonly approverFor: (person: string) => Approver | undefined | Promise<Approver | undefined>;
  /** Default: in the memory of this process. */
  readonly replays?: ReplayGuard;
  /** What it is called in records. Default `webhook`. */
  readonly name?: string;
  /** Told why something was answered with a status from 500 on, which nobody else is; not waited for. Default: nobody. */
  readonly onFailure?: (error: unknown) => unknown;
}

const maxBytes = 16_384;
const bodyTimeoutMs = 10_000;

/**
 * A handler for `POST`: `{ type: 'approval.decision', data: { approval, digest, verdict, person, reason? } }`.
 * Answers 200 `{ approval, state }`, or a problem (RFC 9457): 401 signature or time, 403 person, 404, 405, 408 a body that
 * took 10 s, 409 replayed, edited, decided or expired, 413 over 16 KiB, 422, and from 500 on what failed here.
 * @throws ConfigurationError when the secret is none
 */
export function webhookCallback(options: WebhookCallbackOptions): (request: Request) => Promise<Response> {
  const signers = signersOf(options.secret);
  const { approvals, tenant, name: channel = 'webhook' } = options;
  const replays = boundedReplayGuard(options.replays ?? memoryReplayGuard());

  async function verified(request: Request): Promise<{ readonly id: string; readonly body: string }> {
    if (request.method !== 'POST') throw new RequestRefused(405, 'a decision is made with POST', 'method');
    const header = (name: string): string => request.headers.get(`webhook-${name}`) ?? '';
    const id = header('id');
    if (!/^[\w-]{1,128}$/.test(id)) throw new RequestRefused(401, 'a webhook-id has letters, digits, - and _');
    if (!isFresh(header('timestamp'), Date.now()))
      throw new RequestRefused(401, 'the time is not within 5 minutes', 'stale');
    const raw = await readBody(request, maxBytes, bodyTimeoutMs);
    const body = raw.toString('utf8');
    const signed = { 'webhook-id': id, 'webhook-timestamp': header('timestamp') };
    const headers = { ...signed, 'webhook-signature': header('signature') };
    if (!signers.some((signer) => isSignedBy(signer, raw, headers))) {
      throw new RequestRefused(401, 'the signature does not match', 'signature');
    }
    return { id, body };
  }

  async function decide(body: string): Promise<Response> {
    const { person, ...input } = decisionOf(body);
    const approver = await askDirectory(() => options.approverFor(person));
    if (approver?.tenant !== tenant)
      throw new RequestRefused(403, 'nobody here is known under this name', 'unknown_person');
    const { id, state } = await approvals.as(approver).decide(input);
    return Response.json({ approval: id, state }, { headers: { 'cache-control': 'no-store' } });
  }

  return async (request) => {
    try {
      const { id, body } = await verified(request);
      if (!(await replays.take(id))) throw new RequestRefused(409, 'this webhook-id was taken before', 'replayed');
      try {
        return await decide(body);
      } catch (error) {
        if (statusOfError(error) >= 500) await replays.giveBack(id);
        throw error;
      }
    } catch (error) {
      if (error instanceof RequestRefused) await approvals.recordRefused({ tenant, channel, reason: error.reason });
      if (statusOfError(error) >= 500) tellListener(options.onFailure, error);
      return problemResponse(error);
    }
  };
}

function decisionOf(body: string): DecideInput & { readonly person: string } {
  const { type, data } = memberOf(parse(body));
  const { approval: id, digest, verdict, person, reason } = memberOf(data);
  if (type !== 'approval.decision') throw new RequestRefused(422, 'the type is approval.decision');
  if (typeof id !== 'string' || typeof digest !== 'string' || typeof person !== 'string' || person === '') {
    throw new RequestRefused(422, 'approval, digest and person are text');
  }
  if (verdict !== 'approve' && verdict !== 'reject') throw new RequestRefused(422, 'a verdict is approve or reject');
  if (reason !== undefined && typeof reason !== 'string') throw new RequestRefused(422, 'a reason is text');
  return { id, digest, verdict, person, ...(reason === undefined ? {} : { reason }) };
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new RequestRefused(422, 'send JSON');
  }
}

function memberOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

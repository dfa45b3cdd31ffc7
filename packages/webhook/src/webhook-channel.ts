/**
 * Tells a web service about requests (Standard Webhooks 1.0: `webhook-id`, `webhook-timestamp`, `webhook-signature`).
 * @module
 */
import { createHash } from 'node:crypto';
import { ConfigurationError, type ApprovalChannel, type ApprovalNotice } from '@countersign/core';
import { visible, within } from '@countersign/core/channel';
import { checkedAddress, dangerouslyPostToLoopback, systemResolve, type Resolve } from './checked-address.ts';
import { post } from './post.ts';
import { signersOf } from './secret.ts';

export interface WebhookChannelOptions {
  /** https, without a user or password in it. */
  readonly url: string;
  /** `whsec_…`. Several while they are rotated: each signs. */
  readonly secret: string | readonly string[];
  /** Default `webhook`. */
  readonly name?: string;
  /** For DNS, connection and answer together. Default 8 000 ms, below the notifier's own 10 000. */
  readonly timeoutMs?: number;
  /** Default: the system's resolver. */
  readonly resolve?: Resolve;
  readonly [dangerouslyPostToLoopback]?: true;
}

/**
 * Sends `{ type: 'approval.opened' | 'approval.closed', timestamp, data }`. The same news has the same `webhook-id`, so
 * that whoever gets it twice can tell. Everything but a 2xx rejects; the notifier sends it again.
 * @throws ConfigurationError
 */
export function webhookChannel(options: WebhookChannelOptions): ApprovalChannel {
  const url = URL.parse(options.url);
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ConfigurationError('the URL of a webhook is absolute and names no user');
  }
  const signers = signersOf(options.secret);
  const { name = 'webhook', timeoutMs = 8_000, resolve = systemResolve } = options;
  const allowLoopback = options[dangerouslyPostToLoopback] === true;

  async function send(type: string, notice: ApprovalNotice): Promise<void> {
    const id = messageId([name, type, notice.id, notice.state, notice.digest, ...notice.groups]);
    const time = new Date();
    const text = (_key: string, value: unknown): unknown => (typeof value === 'string' ? visible(value) : value);
    const body = JSON.stringify({ type, timestamp: time.toISOString(), data: dataOf(notice) }, text);
    const headers = {
      'content-type': 'application/json',
      'user-agent': 'countersign-webhook',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(time.getTime() / 1000)),
      'webhook-signature': signers.map((signer) => signer.sign(id, time, body)).join(' '),
    };
    const signal = AbortSignal.timeout(timeoutMs);
    const address = await within(checkedAddress(url as URL, resolve, allowLoopback), timeoutMs);
    const status = await post({ url: url as URL, address, headers, body, signal });
    if (status < 200 || status > 299) throw new Error(`the webhook answered ${status}`);
  }

  return {
    name,
    async opened(notice) {
      await send('approval.opened', notice);
      return undefined;
    },
    closed: (notice) => send('approval.closed', notice),
  };
}

/** Without a dot, which separates what is signed. */
function messageId(parts: readonly string[]): string {
  return `msg_${createHash('sha256').update(JSON.stringify(parts)).digest('base64url')}`;
}

/** Member by member: what a notice gains one day is not sent by itself. */
function dataOf(notice: ApprovalNotice): ApprovalNotice {
  const { id, tenant, state, tool, source, capability, risk, mode, agent, requester, summary } = notice;
  const { groups, quorum, digest, createdAt, expiresAt } = notice;
  const votes = notice.votes.map(({ approver, verdict }) => ({ approver, verdict }));
  return {
    ...{ id, tenant, state, tool, source, capability, risk, mode, agent, requester, summary },
    ...{ groups, quorum, digest, votes, createdAt, expiresAt },
  };
}

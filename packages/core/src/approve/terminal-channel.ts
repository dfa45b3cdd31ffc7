/**
 * Tells whoever watches a terminal or a log. It only tells: decisions are made with `askInTerminal` or the command line.
 * @module
 */
import { hash } from 'node:crypto';
import { within } from '../within-time.ts';
import type { ApprovalChannel, ApprovalNotice } from './approve.ts';
import { visible } from './visible.ts';

export interface TerminalChannelOptions {
  /** E.g. `process.stderr`, or the stream of a log. Its errors fail messages, and end no process any more. */
  readonly output: NodeJS.WritableStream;
  /** Default `terminal`. */
  readonly name?: string;
  /** For the stream to take one message. Default 8 000 ms, below the notifier's own 10 000. */
  readonly timeoutMs?: number;
}

const maxRemembered = 10_000;

/** Writes a block of lines for a request, and one line for its end. Each rejects when the stream does not take it. */
export function terminalChannel(options: TerminalChannelOptions): ApprovalChannel {
  const { output, name = 'terminal', timeoutMs = 8_000 } = options;
  const ended = new Set<string>();
  return {
    name,
    async opened(notice, reference) {
      const news = newsOf(notice);
      // The log has it already.
      if (reference === news) return news;
      await write(output, requestLines(notice), timeoutMs);
      return news;
    },
    async closed(notice) {
      const end = `${notice.id} ${notice.state}`;
      if (ended.has(end)) return;
      await write(output, `${endLine(notice)}\n`, timeoutMs);
      const [oldest] = ended;
      if (ended.size >= maxRemembered && oldest !== undefined) ended.delete(oldest);
      ended.add(end);
    },
  };
}

/** What a second telling may say that the first did not: other arguments, or more groups that may decide. */
function newsOf({ digest, groups }: ApprovalNotice): string {
  return hash('sha256', JSON.stringify([digest, ...groups]), 'base64url');
}

function requestLines(notice: ApprovalNotice): string {
  const { groups, quorum } = notice;
  const who = groups.length === 0 ? 'any approver' : `one of ${groups.join(', ')}`;
  const rows: readonly (readonly [string, string])[] = [
    ['request', notice.id],
    ['tool', `${notice.tool} (${notice.source})`],
    ['capability', `${notice.capability}, risk ${notice.risk}`],
    ['for user', notice.requester],
    ['agent', notice.agent],
    ['arguments', notice.summary],
    ['decided by', quorum === 1 ? who : `${quorum} people, each ${who}`],
    ['expires', new Date(notice.expiresAt).toISOString()],
    ['digest', notice.digest],
  ];
  return `\n${rows.map(([row, value]) => `  ${row.padEnd(10)} ${visible(value)}`).join('\n')}\n`;
}

function endLine({ id, state, votes }: ApprovalNotice): string {
  const verdict = state === 'approved' ? 'approve' : 'reject';
  const people = votes.filter((vote) => vote.verdict === verdict).map(({ approver }) => approver);
  const by = (state === 'approved' || state === 'rejected') && people.length > 0 ? ` by ${people.join(', ')}` : '';
  return visible(`request ${id}: ${state}${by}`);
}

/** Resolves when the stream took the text. */
async function write(output: NodeJS.WritableStream, text: string, timeoutMs: number): Promise<void> {
  // What went wrong is told by the callback; without a listener it would end the process as well.
  if (!output.listeners('error').includes(ignored)) output.on('error', ignored);
  const taken = new Promise<void>((resolve, reject) => {
    output.write(text, (error) => (error === null || error === undefined ? resolve() : reject(error)));
  });
  await within(taken, timeoutMs);
}

function ignored(): void {
  return undefined;
}

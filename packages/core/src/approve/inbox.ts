/**
 * What became of the calls that were filed and not waited for: how the agent that went on learns of it.
 * @module
 */
import type { Outcome, ReasonCode } from '../call.ts';
import { plainCodec } from '../execute/codec.ts';
import { replayOutcome } from '../execute/outcome.ts';
import { requireId } from '../identify/principal.ts';
import { messageFor, unknownMessage } from '../messages.ts';
import type { SubjectKey } from '../record/sealing.ts';
import type { Runtime } from '../runtime.ts';
import type { Store, StoredApproval, StoredCall } from '../store/store.ts';
import { findTool, type RunnableTools } from './run-approved.ts';

export interface InboxInput {
  readonly tenant: string;
  readonly user: string;
  readonly run: string;
  /** The tools that ran, where their results are not plain JSON. */
  readonly tools?: RunnableTools;
}

export interface InboxEntry {
  readonly tool: string;
  readonly callKey: string;
  /** When it ended, in milliseconds since the epoch; of an `unknown` outcome, when it began. */
  readonly settledAt: number;
  /**
   * `completed` or `failed` once it ran; `denied` with `approval_rejected`, `approval_expired` or `approval_cancelled`;
   * `unknown` when it began and has not ended: its process died, or it runs elsewhere now and will be reported anew.
   */
  readonly outcome: Outcome;
}

const page = 100;
/** Of the newest requests of one run. */
const maxPages = 100;

/** Oldest first. What still waits for people, or for a worker, is not in it. */
export async function readInbox(
  runtime: Runtime,
  { tenant, user, run, tools = {} }: InboxInput,
): Promise<readonly InboxEntry[]> {
  requireId('tenant', tenant);
  requireId('user', user);
  requireId('run', run);
  await runtime.ready();
  const { store } = runtime;
  const key = await runtime.sealer.subject(tenant, user);
  // Approvals first: what settles in between is then found settled, and in neither case missing.
  const approvals = await asynchronousApprovals(store, tenant, run);
  const settled = await store.settledAsynchronous(tenant, run);
  const ran = new Set(settled.map((call) => call.key));
  const mine = ({ subject }: { readonly subject: string }): boolean => subject === key.pseudonym;
  const unrun = approvals.filter(({ call }) => mine(call) && !ran.has(call.key));
  return [
    ...settled.filter(mine).map((call) => settledEntry(key, call, tools)),
    ...unrun.flatMap((approval) => unrunEntry(runtime, approval) ?? []),
  ].toSorted((left, right) => left.settledAt - right.settledAt);
}

async function asynchronousApprovals(store: Store, tenant: string, run: string): Promise<readonly StoredApproval[]> {
  const found: StoredApproval[] = [];
  for (let pages = 0; pages < maxPages; pages += 1) {
    const last = found.at(-1);
    const before = last === undefined ? {} : { before: last.id };
    const filter = { run, mode: 'asynchronous', newestFirst: true, limit: page, ...before } as const;
    const more = await store.approvals(tenant, filter);
    found.push(...more);
    if (more.length < page) break;
  }
  return found;
}

function settledEntry(key: SubjectKey, call: StoredCall, tools: RunnableTools): InboxEntry {
  const codec = findTool(tools, call.tool)?.codec ?? plainCodec;
  const { outcome = { status: 'failed' }, settledAt = 0 } = call;
  return { tool: call.tool.name, callKey: call.key, settledAt, outcome: replayOutcome(key, call, outcome, codec) };
}

function unrunEntry({ clock, live, settleWaitMs }: Runtime, approval: StoredApproval): InboxEntry | undefined {
  const { call, state, consumedAt, expiresAt } = approval;
  const now = clock.now();
  const entry = (settledAt: number, outcome: Outcome): InboxEntry => ({
    tool: call.tool.name,
    callKey: call.key,
    settledAt,
    outcome,
  });
  const denial = (reason: ReasonCode): Outcome => ({
    ...{ status: 'denied', reason, message: messageFor(reason), callKey: call.key },
  });
  if (consumedAt !== undefined) {
    if (live.has(call.key) || now - consumedAt < settleWaitMs) return undefined;
    return entry(consumedAt, { status: 'unknown', message: unknownMessage, callKey: call.key });
  }
  const lastVote = Math.max(approval.createdAt, ...approval.votes.map(({ time }) => time));
  if (state === 'rejected') return entry(lastVote, denial('approval_rejected'));
  if (state === 'cancelled') return entry(lastVote, denial('approval_cancelled'));
  // Also one that was approved, and that no worker ran in time.
  if (state === 'expired' || expiresAt <= now) return entry(expiresAt, denial('approval_expired'));
  return undefined;
}

/**
 * How much approvals ask of people, and how people answer: prompts per hour, how often they approve, how long they take, and
 * how often faster than anybody reads (rubber-stamping).
 *
 * Counted are the requests that were opened in a window, with the votes that the store holds; signatures are not verified
 * for it. Everything but the time of edits stands in the store in the clear.
 * @module
 */
import type { StoredApproval, Store, Vote } from '../store/store.ts';
import { ConfigurationError } from '../errors.ts';
import type { Sealer } from '../record/sealing.ts';
import { readableRule } from './approval-rule.ts';
import { findEdits, type Edits } from './find-edits.ts';
import { samePerson } from '../store/same-person.ts';

export interface LoadQuery {
  /** Length of the window in milliseconds: from a minute to 366 days. */
  readonly windowMs: number;
  /** End of the window, exclusive, in milliseconds since the epoch. Default: now. */
  readonly until?: number;
}

/** Milliseconds. `median` is the middle, or the mean of both; `p95` the smallest that 95 of 100 do not exceed. */
export interface Delays {
  readonly count: number;
  readonly median: number;
  readonly p95: number;
}

/** How requests ended. `expired`: without the answer that was needed. `pending`: they still wait. */
export interface RequestCounts {
  readonly requests: number;
  readonly approved: number;
  readonly rejected: number;
  readonly expired: number;
  readonly cancelled: number;
  readonly pending: number;
}

export interface VoteCounts {
  readonly votes: number;
  /** Votes to approve. */
  readonly approvals: number;
  /** Votes less than `quickMs` after their request could first have been seen as it was then. */
  readonly quick: number;
  /** Votes whose time lies before their request's, because a clock was set back: in no delay, and not quick. */
  readonly backwards: number;
  /** From the request to each vote; absent without votes. */
  readonly delay?: Delays;
}

export interface ToolLoad extends RequestCounts, VoteCounts {
  readonly tool: string;
  readonly source: string;
  /** From the request to its decision. */
  readonly toDecision?: Delays;
}

export interface ApproverLoad extends VoteCounts {
  readonly approver: string;
}

/** Requests that were opened from `from` on, in milliseconds since the epoch, for the `stepMs` of the load. */
export interface LoadBucket extends RequestCounts {
  readonly from: number;
}

export interface ApprovalLoad extends RequestCounts, VoteCounts {
  readonly tenant: string;
  /** The window, in milliseconds since the epoch: `since` belongs to it, `until` does not. */
  readonly since: number;
  readonly until: number;
  /** Whether every request of the window was counted; otherwise the newest 10,000, of the tenant's newest 50,000. */
  readonly complete: boolean;
  /** Requests per hour of the window. */
  readonly perHour: number;
  /** Below this a vote is quick. */
  readonly quickMs: number;
  /** Edited requests for which the ledger could not be searched for the time of the edit. */
  readonly unreadEdits: number;
  readonly toDecision?: Delays;
  /** How long each of the `buckets` is. */
  readonly stepMs: number;
  readonly buckets: readonly LoadBucket[];
  /** Most votes first; at most 200. */
  readonly approvers: readonly ApproverLoad[];
  /** Most requests first; at most 200. */
  readonly tools: readonly ToolLoad[];
}

export interface LoadParts {
  readonly store: Pick<Store, 'approvals'>;
  /** Where the records are read. */
  readonly ledger: Pick<Store, 'records' | 'heads' | 'writers'>;
  readonly sealer: Sealer;
}

const quickMs = 2_000;
const hour = 3_600_000;
const minWindow = 60_000;
const maxWindow = 366 * 24 * hour;
const page = 500;
const maxApprovals = 10_000;
/** Also of those that were opened after the window. */
const maxLooked = 50_000;
const maxRows = 200;
const maxBuckets = 31;
const steps = [60_000, 5 * 60_000, 15 * 60_000, hour, 6 * hour, 24 * hour, 7 * 24 * hour, 31 * 24 * hour];

/** @throws ConfigurationError for a window that is none */
export async function measureLoad(
  parts: LoadParts,
  tenant: string,
  query: LoadQuery,
  now: number,
): Promise<ApprovalLoad> {
  const { windowMs, until = now } = query;
  if (!(windowMs >= minWindow && windowMs <= maxWindow) || !Number.isFinite(until)) {
    throw new ConfigurationError('a window is from a minute to 366 days long, and ends at a time');
  }
  const since = until - windowMs;
  const { approvals, complete } = await openedBetween(parts.store, tenant, since, until);
  const edits = await findEdits(parts, tenant, approvals, quickMs);
  const counted = approvals.map((approval) => countable(approval, edits, now));
  const stepMs = steps.find((step) => windowMs / step <= maxBuckets) ?? maxWindow;
  return {
    ...{ tenant, since, until, complete, quickMs, stepMs },
    perHour: approvals.length / (windowMs / hour),
    unreadEdits: edits.unread,
    ...totals(counted),
    buckets: bucketsOf(counted, since, until, stepMs),
    approvers: approversOf(counted),
    tools: toolsOf(counted),
  };
}

/** Newest first, page by page, as far back as the window goes. */
async function openedBetween(
  store: LoadParts['store'],
  tenant: string,
  since: number,
  until: number,
): Promise<{ readonly approvals: readonly StoredApproval[]; readonly complete: boolean }> {
  const approvals: StoredApproval[] = [];
  let before: string | undefined;
  for (let looked = 0; looked < maxLooked; looked += page) {
    const found = await store.approvals(tenant, {
      newestFirst: true,
      limit: page,
      ...(before === undefined ? {} : { before }),
    });
    for (const approval of found) {
      if (approval.createdAt < since) return { approvals, complete: true };
      if (approval.createdAt >= until) continue;
      if (approvals.length >= maxApprovals) return { approvals, complete: false };
      approvals.push(approval);
    }
    before = found.at(-1)?.id;
    if (found.length < page) return { approvals, complete: true };
  }
  return { approvals, complete: false };
}

type End = Exclude<keyof RequestCounts, 'requests'>;

interface CountedVote {
  readonly approver: string;
  readonly verdict: Vote['verdict'];
  readonly delay: number;
  readonly quick: boolean;
}

interface Counted {
  readonly approval: StoredApproval;
  readonly end: End;
  /** From the request to the vote that decided it. */
  readonly delay: number | undefined;
  readonly votes: readonly CountedVote[];
}

function countable(approval: StoredApproval, edits: Edits, now: number): Counted {
  const { createdAt, id } = approval;
  const votes = approval.votes
    .filter(({ verdict }) => verdict === 'approve' || verdict === 'reject')
    .toSorted((left, right) => left.time - right.time);
  const { end, decidedAt } = endOf(approval, votes, now);
  return {
    approval,
    end,
    delay: decidedAt === undefined ? undefined : decidedAt - createdAt,
    votes: votes.map(({ approver, verdict, time }) => {
      // Whoever changed the arguments has read them.
      const edited = edits.of(id).filter((edit) => edit.time <= time && !samePerson(edit.approver, approver));
      const seen = Math.max(createdAt, ...edited.map((edit) => edit.time));
      return { approver, verdict, delay: time - createdAt, quick: time >= createdAt && time - seen < quickMs };
    }),
  };
}

/** By the votes, because one that was approved and never ran ends as `expired` too. */
function endOf(
  approval: StoredApproval,
  votes: readonly Vote[],
  now: number,
): { readonly end: End; readonly decidedAt?: number } {
  const rejection = votes.find(({ verdict }) => verdict === 'reject');
  if (rejection !== undefined) return { end: 'rejected', decidedAt: rejection.time };
  const quorum = readableRule(approval.rule)?.quorum ?? Number.POSITIVE_INFINITY;
  const last = votes[quorum - 1];
  if (last !== undefined) return { end: 'approved', decidedAt: last.time };
  const { state, expiresAt } = approval;
  if (state === 'pending') return { end: expiresAt <= now ? 'expired' : 'pending' };
  // A state without the votes for it: somebody wrote into the store.
  return { end: state === 'approved' || state === 'rejected' ? 'pending' : state };
}

function totals(counted: readonly Counted[]): RequestCounts & VoteCounts & { readonly toDecision?: Delays } {
  const decision = delaysOf(counted.flatMap(({ delay }) => (delay === undefined ? [] : [delay])));
  return {
    ...countRequests(counted),
    ...countVotes(counted.flatMap(({ votes }) => votes)),
    ...(decision === undefined ? {} : { toDecision: decision }),
  };
}

function countRequests(counted: readonly Counted[]): RequestCounts {
  const of = (end: End): number => counted.filter((each) => each.end === end).length;
  return {
    requests: counted.length,
    approved: of('approved'),
    rejected: of('rejected'),
    expired: of('expired'),
    cancelled: of('cancelled'),
    pending: of('pending'),
  };
}

function countVotes(votes: readonly CountedVote[]): VoteCounts {
  const delay = delaysOf(votes.map((vote) => vote.delay));
  return {
    votes: votes.length,
    approvals: votes.filter(({ verdict }) => verdict === 'approve').length,
    quick: votes.filter(({ quick }) => quick).length,
    backwards: votes.filter((vote) => vote.delay < 0).length,
    ...(delay === undefined ? {} : { delay }),
  };
}

function delaysOf(values: readonly number[]): Delays | undefined {
  const sorted = values.filter((value) => value >= 0).toSorted((left, right) => left - right);
  const count = sorted.length;
  const at = (place: number): number => sorted[place] ?? 0;
  if (count === 0) return undefined;
  const median = (at(Math.floor((count - 1) / 2)) + at(Math.floor(count / 2))) / 2;
  return { count, median, p95: at(Math.ceil(count * 0.95) - 1) };
}

function bucketsOf(counted: readonly Counted[], since: number, until: number, stepMs: number): readonly LoadBucket[] {
  const length = Math.ceil((until - since) / stepMs);
  const grouped = Map.groupBy(counted, ({ approval }) => Math.floor((approval.createdAt - since) / stepMs));
  return Array.from({ length }, (_, index) => ({
    from: since + index * stepMs,
    ...countRequests(grouped.get(index) ?? []),
  }));
}

const byText = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

function approversOf(counted: readonly Counted[]): readonly ApproverLoad[] {
  const grouped = Map.groupBy(
    counted.flatMap(({ votes }) => votes),
    ({ approver }) => approver.toLowerCase(),
  );
  return [...grouped.values()]
    .map((votes) => ({ approver: votes[0]?.approver ?? '', ...countVotes(votes) }))
    .toSorted((left, right) => right.votes - left.votes || byText(left.approver, right.approver))
    .slice(0, maxRows);
}

function toolsOf(counted: readonly Counted[]): readonly ToolLoad[] {
  const grouped = Map.groupBy(counted, ({ approval: { call } }) => JSON.stringify([call.tool.name, call.tool.source]));
  return [...grouped.values()]
    .map((each) => ({
      tool: each[0]?.approval.call.tool.name ?? '',
      source: each[0]?.approval.call.tool.source ?? '',
      ...totals(each),
    }))
    .toSorted((left, right) => right.requests - left.requests || byText(left.tool, right.tool))
    .slice(0, maxRows);
}

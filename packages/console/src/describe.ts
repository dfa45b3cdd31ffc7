/**
 * What the pages say about a request, in words.
 * @module
 */
import { isEligible, isWithinHours, type ApprovalView, type Approver, type WorkingHours } from '@countersign/core';
import { samePerson } from '@countersign/core/channel';

/** Why this approver cannot decide on it now, or `undefined`. The service checks the same again. */
export function whyNot(approval: ApprovalView, approver: Approver, now: number): string | undefined {
  const { rule, votes, requester, state, createdAt, digest } = approval;
  if (digest === '') return 'It cannot be shown in full, so it cannot be decided.';
  if (state !== 'pending') return describeEnd(approval, now);
  if (samePerson(requester, approver.id)) return 'You asked for this call yourself: somebody else has to decide.';
  const mine = votes.find((vote) => samePerson(vote.approver, approver.id));
  if (mine !== undefined) return `You have voted to ${mine.verdict} it. ${missingVotes(approval)}`;
  if (!isEligible(rule, approver.groups ?? [], now - createdAt)) {
    return `You are in none of the groups that may decide now (${groupsNow(approval, now).join(', ')}).`;
  }
  if (!isWithinHours(rule.hours, now)) return `Decisions are taken ${describeHours(rule.hours)} only.`;
  return undefined;
}

/** Whether as many agreed as the rule wants, whatever became of it. */
export function isApproved({ rule, votes }: ApprovalView): boolean {
  return votes.filter(({ verdict }) => verdict === 'approve').length >= rule.quorum;
}

export function missingVotes({ rule, votes }: ApprovalView): string {
  const missing = rule.quorum - votes.filter(({ verdict }) => verdict === 'approve').length;
  return missing === 1 ? 'One more approval is needed.' : `${missing} more approvals are needed.`;
}

/** How it ended. */
export function describeEnd({ state, votes, expiresAt, consumed }: ApprovalView, now: number): string {
  const verdict = state === 'rejected' ? 'reject' : 'approve';
  const who = votes.filter((vote) => vote.verdict === verdict).map(({ approver }) => approver);
  const by = who.length === 0 ? '' : ` by ${who.join(' and ')}`;
  switch (state) {
    case 'approved':
      return `Approved${by}. ${consumed ? 'The call was let through.' : 'The call has not run yet.'}`;
    case 'rejected':
      return `Rejected${by}. The call does not run.`;
    case 'expired':
      return `Expired ${describeAge(now - expiresAt)}: nobody decided in time, or the approved call did not run in time.`;
    case 'cancelled':
      return 'Cancelled: the agent no longer waits for it.';
    case 'pending':
      return 'It waits for a decision.';
    default:
      return `In a state that this console does not know: ${String(state satisfies never)}`;
  }
}

export function describeHours(hours: WorkingHours | undefined): string {
  return hours === undefined ? 'at any time' : `${describeDays(hours.days)} ${hours.from}–${hours.to} (${hours.zone})`;
}

const week = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** Three and more in a row as a span. */
function describeDays(days: WorkingHours['days']): string {
  const places = week.flatMap((day, index) => (days.includes(day) ? [index] : []));
  const [first = 0, last = first] = [places[0], places.at(-1)];
  const name = (place: number): string => (week[place] ?? '').replace(/^./, (letter) => letter.toUpperCase());
  const row = places.length > 2 && last - first === places.length - 1;
  return row ? `${name(first)}–${name(last)}` : places.map(name).join(', ');
}

const units = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** How long something took, in the largest fitting unit. */
export function describeDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return ms < 3_600_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

/** @param ms milliseconds, positive: ago */
export function describeAge(ms: number): string {
  return ms < 0 ? `in ${describeSpan(-ms)}` : ms < 60_000 ? 'just now' : `${describeSpan(ms)} ago`;
}

function describeSpan(ms: number): string {
  const [name, size] = units.find(([, each]) => ms >= each) ?? ['minute', 60_000];
  const count = Math.max(1, Math.floor(ms / size));
  return `${count} ${name}${count === 1 ? '' : 's'}`;
}

/** The groups that may decide now; empty: every approver. */
function groupsNow({ rule, createdAt }: ApprovalView, now: number): readonly string[] {
  if (rule.groups.length === 0) return [];
  const reached = rule.escalation.filter(({ afterMs }) => now - createdAt >= afterMs);
  return [...new Set([...rule.groups, ...reached.flatMap(({ groups }) => groups)])];
}

export function chainOf({ delegation, agent }: ApprovalView): string {
  return [...delegation, agent].join(' → ');
}

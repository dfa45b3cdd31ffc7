/**
 * What became of each call, from its records.
 * @module
 */
import type { Risk } from '../call.ts';
import type { OpenedRecord } from './open-record.ts';

/**
 * `permitted` checked, and not run so far · `waiting` for a person · `approved` and not run so far · `unknown` its body was let
 * in and no outcome is recorded: it runs, or its process ended · `released`, `suspended` given back: it may run again.
 */
export type CallProgress =
  | 'permitted'
  | 'denied'
  | 'waiting'
  | 'approved'
  | 'rejected'
  | 'expired'
  | 'cancelled'
  | 'unknown'
  | 'released'
  | 'suspended'
  | 'completed'
  | 'failed';

export interface TimelineCall {
  /** The call key. */
  readonly key: string;
  readonly state: CallProgress;
  readonly tool?: string;
  readonly agent?: string;
  readonly capability?: string;
  readonly risk?: Risk;
  readonly approval?: string;
  readonly durationMs?: number;
}

type Told = Pick<
  OpenedRecord,
  'kind' | 'event' | 'verdict' | 'call' | 'tool' | 'agent' | 'capability' | 'risk' | 'approval' | 'durationMs'
>;

const verdicts: Readonly<Record<string, CallProgress>> = { allow: 'permitted', deny: 'denied', review: 'waiting' };

const transitions: Readonly<Record<string, CallProgress>> = {
  opened: 'waiting',
  voted: 'waiting',
  edited: 'waiting',
  approved: 'approved',
  rejected: 'rejected',
  expired: 'expired',
  cancelled: 'cancelled',
};

const outcomes: Readonly<Record<string, CallProgress>> = {
  completed: 'completed',
  failed: 'failed',
  released: 'released',
  suspended: 'suspended',
};

/** What a body did is not undone by what was decided afterwards, such as the refusal of a replay. */
const settled: ReadonlySet<CallProgress | undefined> = new Set(['completed', 'failed']);

const ended: ReadonlySet<CallProgress | undefined> = new Set(['rejected', 'expired', 'cancelled']);

/** In the order in which the calls were first seen. `records`: those of one run, in order. */
export function callStates(records: readonly Told[]): readonly TimelineCall[] {
  const calls = new Map<string, TimelineCall>();
  for (const record of records) {
    if (record.call === undefined) continue;
    const before = calls.get(record.call);
    const state = progressOf(record, before?.state) ?? before?.state ?? 'permitted';
    const { tool, agent, capability, risk, approval, durationMs } = record;
    const told = Object.entries({ tool, agent, capability, risk, approval, durationMs });
    const known = Object.fromEntries(told.filter(([, value]) => value !== undefined));
    calls.set(record.call, { ...before, ...known, key: record.call, state });
  }
  return [...calls.values()];
}

function progressOf({ kind, event, verdict }: Told, before: CallProgress | undefined): CallProgress | undefined {
  if (kind === 'outcome') return outcomes[event];
  if (settled.has(before)) return before;
  if (kind === 'claim') return 'unknown';
  if (before === 'unknown') return before;
  if (kind === 'approval') return transitions[event];
  if (kind !== 'decision') return before;
  const decided = verdicts[verdict ?? event];
  // A call is decided on anew whenever it is asked for; a person's answer stands, unless an approval no longer suffices.
  if (before === 'approved') return decided === 'denied' ? decided : before;
  return ended.has(before) ? before : decided;
}

/**
 * Counts over the ledger: who decided what, how long calls took. Read from what stands in the clear; no key is needed.
 * @module
 */
import type { RecordBody } from './record-body.ts';

export interface Durations {
  readonly count: number;
  /** Milliseconds. */
  readonly median: number;
  readonly p95: number;
  readonly max: number;
}

export interface LedgerStats {
  readonly records: number;
  /** Milliseconds since the epoch; `undefined` without records. */
  readonly first: number | undefined;
  readonly last: number | undefined;
  readonly kinds: Readonly<Record<string, number>>;
  /** By verdict: `allow`, `deny`, `review`. */
  readonly decisions: Readonly<Record<string, number>>;
  /** Why calls were denied, by reason. */
  readonly denials: Readonly<Record<string, number>>;
  readonly tools: Readonly<Record<string, number>>;
  readonly agents: Readonly<Record<string, number>>;
  /** By transition: `requested`, `approved`, `rejected`, `expired` … */
  readonly approvals: Readonly<Record<string, number>>;
  /** By outcome of calls that ran. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** Of bodies that ran, for which an outcome states a duration. */
  readonly durations: Durations;
}

/** Names that stand alone; the others are counted together. */
const maxNames = 1000;
const others = '(others)';
/** Beyond this many, durations are sampled. */
const maxDurations = 100_000;

export interface StatsCounter {
  readonly add: (body: RecordBody) => void;
  readonly result: () => LedgerStats;
}

export function createStatsCounter(random: () => number = Math.random): StatsCounter {
  const counts = {
    kinds: new Map<string, number>(),
    decisions: new Map<string, number>(),
    denials: new Map<string, number>(),
    tools: new Map<string, number>(),
    agents: new Map<string, number>(),
    approvals: new Map<string, number>(),
    outcomes: new Map<string, number>(),
  };
  const durations: number[] = [];
  let timed = 0;
  let records = 0;
  let first: number | undefined;
  let last: number | undefined;

  function addDuration(value: number): void {
    timed += 1;
    if (durations.length < maxDurations) durations.push(value);
    else {
      const place = Math.floor(random() * timed);
      if (place < maxDurations) durations[place] = value;
    }
  }

  return {
    add(body) {
      records += 1;
      first = Math.min(first ?? body.time, body.time);
      last = Math.max(last ?? body.time, body.time);
      count(counts.kinds, body.kind);
      if (body.kind === 'decision') {
        count(counts.decisions, body.verdict ?? body.event);
        count(counts.tools, body.tool);
        count(counts.agents, body.agent);
        if (body.verdict === 'deny') count(counts.denials, body.code ?? 'unknown');
      }
      if (body.kind === 'approval') count(counts.approvals, body.event);
      if (body.kind === 'outcome') {
        count(counts.outcomes, body.event);
        if (body.durationMs !== undefined) addDuration(body.durationMs);
      }
    },
    result: () => ({ records, first, last, ...plain(counts), durations: summary(durations, timed) }),
  };
}

function count(counts: Map<string, number>, name: string | undefined): void {
  if (name === undefined) return;
  const shown = counts.has(name) || counts.size < maxNames ? name : others;
  counts.set(shown, (counts.get(shown) ?? 0) + 1);
}

type Plain<Counts> = { [Name in keyof Counts]: Readonly<Record<string, number>> };

function plain<Counts extends Record<string, Map<string, number>>>(counts: Counts): Plain<Counts> {
  const sorted = Object.entries(counts).map(([name, map]) => [
    name,
    Object.fromEntries([...map].toSorted(([, left], [, right]) => right - left)),
  ]);
  return Object.fromEntries(sorted) as Plain<Counts>;
}

function summary(values: readonly number[], count: number): Durations {
  const sorted = values.toSorted((left, right) => left - right);
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { count, median: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? 0 };
}

/**
 * What an operation reads, so that it can be locked and loaded in one go before the operation runs.
 *
 * A list here is only a forecast: an operation that reads anything else is stopped, and runs again with that loaded too.
 * @module
 */
import type { CallFacts, ClaimInput, ObserveInput, PutEntryInput, Store } from '@countersign/core/store-kit';
import { epochLock, lockKey } from './locks.ts';

/** The parts of a load statement: see `load.ts`. */
export type Part =
  | 'calls'
  | 'approvalsOfCalls'
  | 'alike'
  | 'editsAlike'
  | 'pendingOfRuns'
  | 'pendingOfSubjects'
  | 'approvals'
  | 'leases'
  | 'subjects'
  | 'entries'
  | 'heads'
  | 'prunable'
  | 'epoch'
  | 'time';

/**
 * In which order locks are taken. Gates are few and come last: almost everybody shares them, and whoever takes one alone
 * waits for all who hold it.
 */
export interface Lock {
  readonly key: bigint;
  readonly gate?: 'shared' | 'exclusive';
}

export interface Need {
  /** Two needs with one key are the same, but for a lock. */
  readonly key: string;
  readonly locks: readonly Lock[];
  readonly parts: Readonly<Partial<Record<Part, unknown>>>;
}

export type Forecast = readonly Need[];

/** Keys say everything, since a need of one tenant is never compared with that of another. */
const key = (...names: readonly (string | number)[]): string => JSON.stringify(names);

type Slot = Pick<CallFacts, 'tenant' | 'run' | 'slot'>;

/** Calls and the number of pending approvals of a run are locked together: a run is rarely in two processes. */
const runLock = (tenant: string, run: string): Lock => ({ key: lockKey('run', tenant, run) });
const holdsGate = (tenant: string, gate: 'shared' | 'exclusive'): Lock => ({ key: lockKey('holds', tenant), gate });

export const needs = {
  slot: ({ tenant, run, slot }: Slot): Need => ({
    key: key('slot', run, slot),
    locks: [runLock(tenant, run)],
    parts: { calls: { run, slot }, approvalsOfCalls: { run, slot } },
  }),
  alike: ({ tenant, run, argumentsDigest }: Pick<CallFacts, 'tenant' | 'run' | 'argumentsDigest'>): Need => ({
    key: key('alike', run, argumentsDigest),
    locks: [runLock(tenant, run)],
    parts: { alike: { run, digest: argumentsDigest }, editsAlike: { run, digest: argumentsDigest } },
  }),
  pending: ({ tenant, run, subject }: Pick<CallFacts, 'tenant' | 'run' | 'subject'>): Need => ({
    key: key('pending', run, subject),
    locks: [runLock(tenant, run), { key: lockKey('pending', tenant, subject) }],
    parts: { pendingOfRuns: run, pendingOfSubjects: subject },
  }),
  approval: (tenant: string, id: string): Need => ({
    key: key('approval', id),
    locks: [{ key: lockKey('approval', tenant, id) }],
    parts: { approvals: id },
  }),
  lease: (tenant: string, id: string): Need => ({
    key: key('lease', id),
    locks: [{ key: lockKey('lease', tenant, id) }],
    parts: { leases: id },
  }),
  subject: (tenant: string, subject: string): Need => ({
    key: key('subject', subject),
    locks: [{ key: lockKey('subject', tenant, subject) }],
    parts: { subjects: subject },
  }),
  /** To be replaced. A hold stops every claim that has not begun to commit. */
  entry: (tenant: string, kind: string, id: string): Need => ({
    key: key('entry', kind, id),
    locks: kind === 'hold' ? [holdsGate(tenant, 'exclusive')] : [{ key: lockKey('entry', tenant, kind, id) }],
    parts: { entries: { kind, id } },
  }),
  /** To be looked at by a claim. */
  hold: (tenant: string, id: string): Need => ({
    key: key('hold', id),
    locks: [holdsGate(tenant, 'shared')],
    parts: { entries: { kind: 'hold', id } },
  }),
  epoch: (): Need => ({ key: key('epoch'), locks: [{ key: epochLock, gate: 'shared' }], parts: { epoch: true } }),
  nextEpoch: (): Need => ({
    key: key('nextEpoch'),
    locks: [{ key: epochLock, gate: 'exclusive' }],
    parts: { epoch: true },
  }),
  time: (): Need => ({ key: key('time'), locks: [], parts: { time: true } }),
  head: (writer: string): Need => ({ key: key('head', writer), locks: [], parts: { heads: writer } }),
  prunable: (tenant: string, writer: string, through: number): Need => ({
    key: key('prunable', writer, through),
    locks: [{ key: lockKey('chain', tenant, writer) }],
    parts: { prunable: { writer, through } },
  }),
} as const;

export const foresee = {
  observe: ({ call, approval }: ObserveInput): Forecast =>
    approval === undefined ? [needs.slot(call)] : [needs.slot(call), needs.pending(call), needs.epoch()],
  claim({ call, approval, idempotent }: ClaimInput): Forecast {
    const { tenant, subject, agent, delegation } = call;
    const held = ['tenant', `subject:${subject}`, ...[...delegation, agent].map((each) => `agent:${each}`)];
    return [
      needs.slot(call),
      ...held.map((id) => needs.hold(tenant, id)),
      ...(approval === undefined
        ? [...(idempotent ? [] : [needs.alike(call)])]
        : [needs.approval(tenant, approval.id), needs.time(), needs.epoch()]),
    ];
  },
  end: ({ call, closedLeases, approval }: EndOfCall): Forecast => [
    needs.slot(call),
    ...closedLeases.map((id) => needs.lease(call.tenant, id)),
    ...(approval === undefined ? [] : [needs.approval(call.tenant, approval)]),
  ],
  vote: ({ tenant, approval }: { readonly tenant: string; readonly approval: string }): Forecast => [
    needs.approval(tenant, approval),
    needs.time(),
    needs.epoch(),
  ],
  transition: ({ tenant, approval }: Parameters<Store['transition']>[0]): Forecast => [
    needs.approval(tenant, approval),
  ],
  lease: ({ tenant, id }: { readonly tenant: string; readonly id: string }): Forecast => [needs.lease(tenant, id)],
  putEntry: ({ tenant, kind, id }: Pick<PutEntryInput, 'tenant' | 'kind' | 'id'>): Forecast => [
    needs.entry(tenant, kind, id),
  ],
} as const;

interface EndOfCall {
  readonly call: CallFacts;
  readonly closedLeases: readonly string[];
  readonly approval?: string;
}

/** What must hold after any run, whatever happened in it: checked from the ledger and from the world. */
import type { OpenedRecord, Verification } from '@countersign/core';
import type { World } from './world.ts';

export interface Evidence {
  readonly world: Pick<World, 'effects' | 'told' | 'credentials' | 'issued'>;
  readonly records: readonly OpenedRecord[];
  readonly verification: Verification;
  /** Leases that the store still holds open after the sweeper. */
  readonly openLeases: readonly string[];
}

type Check = (evidence: Evidence) => readonly string[];

/** Each answers one line for every breach. */
const invariants: Readonly<Record<string, Check>> = {
  'the ledger verifies': ({ verification }) => (verification.ok ? [] : [JSON.stringify(verification).slice(0, 500)]),

  'no record has another one’s id': ({ records }) => repeated(records.map(({ id }) => id)),

  'no effect lacks its intent': ({ world, records }) => {
    const claimed = new Set(records.filter(isClaim).map(({ call }) => call));
    return world.effects.filter(({ callKey }) => !claimed.has(callKey)).map(({ callId }) => callId);
  },

  'no call has two effects': ({ world }) => repeated(world.effects.map(({ callKey }) => callKey)),

  'no grant lets two calls run': ({ world, records }) => {
    const approvalOf = new Map(records.filter(isClaim).map(({ call, approval }) => [call, approval]));
    return repeated(world.effects.flatMap(({ callKey }) => approvalOf.get(callKey) ?? []));
  },

  'nothing above low risk runs that two people did not approve': ({ world, records }) => {
    const votes = Map.groupBy(
      records.filter(({ kind }) => kind === 'approval'),
      ({ approval }) => approval,
    );
    const claims = new Map(records.filter(isClaim).map((record) => [record.call, record]));
    return world.effects
      .filter(({ tool }) => tool === 'medium' || tool === 'high')
      .filter(({ tool, callKey }) => {
        const events = votes.get(claims.get(callKey)?.approval) ?? [];
        const agreed = new Set(
          events.filter(({ event }) => event === 'approved' || event === 'voted').map((vote) => vote.approver),
        );
        return agreed.size < (tool === 'high' ? 2 : 1) || !events.some(({ event }) => event === 'approved');
      })
      .map(({ callId }) => callId);
  },

  'nothing rejected, expired or cancelled runs': ({ world, records }) => {
    const ended = new Set(
      records
        .filter(({ kind, event }) => kind === 'approval' && ['rejected', 'expired', 'cancelled'].includes(event))
        .map(({ call }) => call),
    );
    return world.effects.filter(({ callKey }) => ended.has(callKey)).map(({ callId }) => callId);
  },

  'whoever was told that a call completed can point to its one effect': ({ world }) => {
    const done = new Set(world.effects.map(({ callKey }) => callKey));
    return world.told
      .filter(({ status, callKey }) => status === 'completed' && !done.has(callKey ?? ''))
      .map(({ callId }) => callId);
  },

  'every claim follows a decision': ({ records }) => {
    const decided = new Set(
      records.filter(({ kind, verdict }) => kind === 'decision' && verdict !== 'deny').map(({ call }) => call),
    );
    return records
      .filter(isClaim)
      .filter(({ call }) => !decided.has(call))
      .map(({ id }) => id);
  },

  'in one chain a claim comes before its outcome, and has one': ({ records }) => {
    const claims = new Map(records.filter(isClaim).map((claim) => [claim.id, claim]));
    const outcomes = records.filter(({ kind, parent }) => kind === 'outcome' && parent !== undefined);
    const early = outcomes.filter(({ parent, writer, seq }) => {
      const claim = claims.get(parent ?? '');
      return claim === undefined || (claim.writer === writer && claim.seq >= seq);
    });
    return [...early.map(({ id }) => id), ...repeated(outcomes.map(({ parent }) => parent ?? ''))];
  },

  'no credential outlives its call and the sweeper': ({ world, openLeases }) => [...world.credentials, ...openLeases],
};

export interface Breach {
  readonly invariant: string;
  readonly examples: readonly string[];
}

export function findBreaches(evidence: Evidence): readonly Breach[] {
  return Object.entries(invariants).flatMap(([invariant, check]) => {
    const examples = check(evidence);
    return examples.length === 0 ? [] : [{ invariant, examples: examples.slice(0, 10) }];
  });
}

export const invariantNames: readonly string[] = Object.keys(invariants);

function isClaim({ kind, event }: OpenedRecord): boolean {
  return kind === 'claim' && event === 'claimed';
}

function repeated(values: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return values.filter((value) => seen.has(value) || !seen.add(value));
}

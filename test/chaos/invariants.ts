/** What must hold after any run: from the store, the ledger, the effects, and what the channels and people say. */
import type { ApprovalView, OpenedRecord, Verification } from '@countersign/core';
import type { StoredApproval } from '../../packages/core/src/store/store.ts';
import type { Effect } from '../faults/world.ts';
import { eligible } from './parts.ts';
import type { Intent, WronglyAccepted } from './people.ts';

export interface ChaosEvidence {
  readonly count: number;
  readonly approvals: readonly {
    readonly stored: StoredApproval;
    readonly view: ApprovalView;
    readonly verified: boolean;
  }[];
  readonly effects: readonly Effect[];
  readonly records: readonly OpenedRecord[];
  readonly verification: Verification;
  /** What whoever asks again for a call is told, by call key. */
  readonly reported: ReadonlyMap<string, string>;
  readonly intents: readonly Intent[];
  readonly wronglyAccepted: readonly WronglyAccepted[];
  /** What the inbox of the run says of each asynchronous call, by call key. */
  readonly inbox: ReadonlyMap<string, string>;
  /** By channel: the requests of whose end it was told. */
  readonly ends: Readonly<Record<string, ReadonlySet<string>>>;
}

type Check = (evidence: ChaosEvidence) => readonly string[];

const invariants: Readonly<Record<string, Check>> = {
  'every call was asked for, once': ({ approvals, count }) => {
    const numbers = approvals.map(({ view }) => String(numberOf(view)));
    return numbers.length === count ? repeated(numbers) : [`${numbers.length} requests for ${count} calls`];
  },

  'no call runs without valid votes of two distinct people in charge, on what ran': ({ approvals, effects }) => {
    const byCall = new Map(approvals.map((each) => [each.stored.call.key, each]));
    return effects
      .filter(({ callKey, arguments: given }) => {
        const found = byCall.get(callKey);
        if (found === undefined || !found.verified || found.view.arguments !== given) return true;
        const agreed = new Set(found.view.votes.filter(isYes).map(({ approver }) => approver.toLowerCase()));
        return agreed.size < 2 || [...agreed].some((person) => !isEligible(person)) || found.view.state !== 'approved';
      })
      .map(({ callId }) => callId);
  },

  'no vote stands that nobody meant': ({ approvals, intents }) => {
    const meant = new Set(intents.map((each) => `${each.approval} ${each.person.toLowerCase()} ${each.verdict}`));
    return approvals.flatMap(({ view }) =>
      view.votes
        .filter(({ approver, verdict }) => !meant.has(`${view.id} ${approver.toLowerCase()} ${verdict}`))
        .map(({ approver }) => `${view.id} ${approver}`),
    );
  },

  'nobody votes twice, and nobody who must not': ({ approvals }) =>
    approvals.flatMap(({ view }) => {
      const voters = view.votes.map(({ approver }) => approver.toLowerCase());
      return [...repeated(voters), ...voters.filter((person) => !isEligible(person))].map((who) => `${view.id} ${who}`);
    }),

  'nothing is accepted that must be refused': ({ wronglyAccepted }) =>
    wronglyAccepted.map(({ approval, person, way, why }) => `${approval} ${person} ${way}: ${why}`),

  'no call runs twice': ({ effects }) => repeated(effects.map(({ callKey }) => callKey)),

  'each call ends: completed, failed or unknown when it was approved, without effect when not': (evidence) => {
    const { approvals, effects, reported } = evidence;
    const ran = new Set(effects.map(({ callKey }) => callKey));
    return approvals
      .filter(({ stored: { call, state } }) => {
        const status = reported.get(call.key) ?? 'nothing';
        if (state === 'approved') return !endings.has(status) || (status === 'completed' && !ran.has(call.key));
        return !['rejected', 'expired', 'cancelled'].includes(state) || ran.has(call.key) || endings.has(status);
      })
      .map(({ view, stored }) => `${view.id} ${view.state} is reported ${reported.get(stored.call.key) ?? 'nothing'}`);
  },

  'the inbox of a run says what became of each call that was not waited for': ({ approvals, reported, inbox }) =>
    approvals
      .filter(({ stored }) => stored.mode === 'asynchronous')
      .filter(({ stored: { call, state } }) => {
        const said = inbox.get(call.key) ?? 'nothing';
        return state === 'approved' ? said !== reported.get(call.key) : said !== `approval_${state}`;
      })
      .map(({ view, stored }) => `${view.id} ${view.state}: ${inbox.get(stored.call.key) ?? 'nothing'}`),

  'every channel is told how each request ended': ({ approvals, ends }) =>
    Object.entries(ends).flatMap(([channel, told]) =>
      approvals.filter(({ view }) => !told.has(view.id)).map(({ view }) => `${channel} ${view.id} ${view.state}`),
    ),

  'each transition has its record, once': ({ approvals, records }) => {
    const of = Map.groupBy(
      records.filter(({ kind }) => kind === 'approval' || kind === 'claim'),
      ({ approval }) => approval ?? '',
    );
    return approvals.flatMap(({ stored, view }) => {
      const events = of.get(view.id) ?? [];
      const number = (...names: string[]): number => events.filter(({ event }) => names.includes(event)).length;
      const expected: readonly (readonly [what: string, is: number, shall: number])[] = [
        ['opened', number('opened'), 1],
        ['votes', number('voted', 'approved', 'rejected'), view.votes.length],
        ['end', number(view.state), 1],
        [
          'other ends',
          number(...['approved', 'rejected', 'expired', 'cancelled'].filter((end) => end !== view.state)),
          0,
        ],
        ['edited', number('edited'), stored.edit === undefined ? 0 : 1],
        // A claim that was given back, because its process was stopped before the body, may be made again.
        ['claimed', number('claimed') - number('released'), view.consumed ? 1 : 0],
      ];
      return expected
        .filter(([, is, shall]) => is !== shall)
        .map(([what, is, shall]) => `${view.id} ${view.state} ${what}: ${is} for ${shall}`);
    });
  },

  'the ledger verifies, and no record has the id of another': ({ verification, records }) => [
    ...(verification.ok ? [] : [JSON.stringify(verification).slice(0, 500)]),
    ...repeated(records.map(({ id }) => id)),
  ],
};

const endings: ReadonlySet<string> = new Set(['completed', 'failed', 'unknown']);

export interface Breach {
  readonly invariant: string;
  readonly examples: readonly string[];
  readonly number: number;
}

export function findChaosBreaches(evidence: ChaosEvidence): readonly Breach[] {
  return Object.entries(invariants).flatMap(([invariant, check]) => {
    const examples = check(evidence);
    return examples.length === 0 ? [] : [{ invariant, examples: examples.slice(0, 5), number: examples.length }];
  });
}

export const chaosInvariantNames: readonly string[] = Object.keys(invariants);

export function numberOf({ arguments: text }: Pick<ApprovalView, 'arguments'>): number {
  return (JSON.parse(text) as { number: number }).number;
}

function isYes({ verdict }: ApprovalView['votes'][number]): boolean {
  return verdict === 'approve';
}

function isEligible(person: string): boolean {
  return eligible.some((each) => each === person);
}

function repeated(values: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  return values.filter((value) => seen.has(value) || !seen.add(value));
}

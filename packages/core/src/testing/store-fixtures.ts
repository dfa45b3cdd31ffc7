/**
 * Values for the store contract, and how it asserts.
 * @module
 */
import { StoreError } from '../errors.ts';
import type { RecordDraft } from '../record/record.ts';
import type { CallFacts, ClaimInput, NewApproval, ObserveInput, Vote, VoteInput } from '../store/store.ts';

/** Objects compare by their members in any order; a member that is `undefined` counts as absent. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? Object.fromEntries(Object.entries(member).toSorted(([left], [right]) => (left < right ? -1 : 1)))
      : member,
  );
}

export function expectSame(actual: unknown, expected: unknown, what: string): void {
  if (canonical(actual) === canonical(expected)) return;
  throw new Error(`${what}: expected ${canonical(expected)}, got ${canonical(actual)}`);
}

/** The named members only. */
export function expectMembers(actual: unknown, expected: Readonly<Record<string, unknown>>, what: string): void {
  const members = Object.keys(expected).map((name) => [name, (actual as Record<string, unknown> | undefined)?.[name]]);
  expectSame(Object.fromEntries(members), expected, what);
}

export async function expectStoreError(operation: Promise<unknown>, what: string): Promise<void> {
  try {
    await operation;
  } catch (error) {
    if (error instanceof StoreError) return;
    throw new Error(`${what}: expected a StoreError, got ${String(error)}`, { cause: error });
  }
  throw new Error(`${what}: expected a StoreError, but it succeeded`);
}

export const tenant = 'acme';

let created = 0;

/** A call of its own slot and key; `facts` overrides. */
export function newCall(facts: Partial<CallFacts> = {}): CallFacts {
  created += 1;
  return {
    tenant,
    run: 'run-1',
    subject: 'alice-subject',
    agent: 'support',
    delegation: ['planner'],
    tool: { name: 'refund', source: 'local', schemaDigest: 'schema' },
    slot: `slot-${created}`,
    key: `key-${created}`,
    argumentsDigest: `arguments-${created}`,
    ...facts,
  };
}

export function newDraft(draft: Partial<RecordDraft> = {}): RecordDraft {
  created += 1;
  return {
    id: `rec_${created}`,
    tenant,
    time: 1000,
    kind: 'claim',
    event: 'claimed',
    call: undefined,
    body: JSON.stringify({ v: 1, id: `rec_${created}`, text: 'ü \u2028 "quoted" \\ 😀' }),
    ...draft,
  };
}

export function decisionDraft(call: CallFacts, decision = 'v1:allow'): RecordDraft {
  return newDraft({ tenant: call.tenant, kind: 'decision', event: 'decided', call: call.key, decision });
}

export function claimInput(call: CallFacts, input: Partial<ClaimInput> = {}): ClaimInput {
  return {
    call,
    origin: 'model',
    now: 1000,
    claim: 'attempt',
    durability: 'process',
    idempotent: false,
    live: new Set(),
    leases: [],
    records: [newDraft({ tenant: call.tenant, call: call.key })],
    ...input,
  };
}

export function newApproval(approval: Partial<NewApproval> = {}): NewApproval {
  created += 1;
  return {
    id: `apr-${created}`,
    digest: `digest-${created}`,
    ruleDigest: 'rule',
    policyVersion: 'v1',
    capability: 'payments:refund:create',
    risk: 'medium',
    mode: 'asynchronous',
    createdAt: 1000,
    expiresAt: 5000,
    rule: '{}',
    sealedArguments: 'sealed',
    ...approval,
  };
}

export function reviewInput(
  call: CallFacts,
  approval: NewApproval | undefined,
  input: Partial<ObserveInput> = {},
): ObserveInput {
  return {
    call,
    origin: 'model',
    verdict: 'review',
    now: approval?.createdAt ?? 1000,
    ...(approval === undefined ? {} : { approval }),
    maxPendingPerRun: 100,
    maxPendingPerUser: 100,
    records: [
      decisionDraft(call, 'v1:review'),
      newDraft({ tenant: call.tenant, kind: 'approval', event: 'opened', call: call.key }),
    ],
    ...input,
  };
}

export function voteInput(
  call: CallFacts,
  approval: NewApproval,
  {
    verdict = 'approve',
    approver = 'carol',
    ...input
  }: Partial<VoteInput> & Partial<Pick<Vote, 'verdict' | 'approver'>> = {},
): VoteInput {
  return {
    vote: {
      tenant: call.tenant,
      approval: approval.id,
      approver,
      verdict,
      time: 2000,
      signature: 'signature',
      keyId: 'key',
    },
    digest: approval.digest,
    subject: `${approver}-subject`,
    quorum: 1,
    now: 2000,
    records: [newDraft({ tenant: call.tenant, kind: 'approval', event: verdict, call: call.key, time: 2000 })],
    undecidedRecords: [newDraft({ tenant: call.tenant, kind: 'approval', event: 'voted', call: call.key, time: 2000 })],
    ...input,
  };
}

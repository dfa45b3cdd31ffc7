/**
 * Calls that wait for a person, for the store contract.
 * @module
 */
import type { CallFacts, ClaimInput, ClaimResult, NewApproval, Store } from '../store/store.ts';
import { claimInput, expectMembers, newApproval, newCall, reviewInput, tenant, voteInput } from './store-fixtures.ts';

export interface Filed {
  readonly call: CallFacts;
  readonly approval: NewApproval;
  readonly claim: (input?: Partial<ClaimInput>) => Promise<ClaimResult>;
}

/** A call with its approval, opened. */
export async function file(
  store: Store,
  given: Partial<NewApproval> = {},
  facts: Partial<CallFacts> = {},
): Promise<Filed> {
  const call = newCall(facts);
  const approval = newApproval(given);
  expectMembers(await store.observe(reviewInput(call, approval)), { status: 'observed', opened: true }, 'opening');
  const { id, digest } = approval;
  const claim = (input: Partial<ClaimInput> = {}) =>
    store.claim(claimInput(call, { now: 3000, approval: { id, digest }, ...input }));
  return { call, approval, claim };
}

export async function fileApproved(
  store: Store,
  given: Partial<NewApproval> = {},
  facts: Partial<CallFacts> = {},
): Promise<Filed> {
  const filed = await file(store, given, facts);
  expectMembers(await store.vote(voteInput(filed.call, filed.approval)), { status: 'recorded' }, 'vote');
  return filed;
}

/** An approver wrote other arguments: the digest of the approval is `another` from then on. */
export async function editFiled(store: Store, { id, digest }: NewApproval): Promise<void> {
  const edit = { argumentsDigest: 'edited', sealedArguments: 'sealed edit' };
  await store.edit({
    ...{ tenant, approval: id, expected: digest, subject: 'carol-subject', digest: 'another', edit, now: 1500 },
    records: [],
  });
}

export const refused = (code: string): { readonly status: 'refused'; readonly code: string } => ({
  status: 'refused',
  code,
});
export const claimed: ClaimResult = { status: 'claimed' };
export const countRecords = async (store: Store): Promise<number> => (await store.records(tenant, {})).length;

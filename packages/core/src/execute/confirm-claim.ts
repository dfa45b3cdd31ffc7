/**
 * A claim may wait for the store's lock while the policy or the user's standing changes. What waited is decided once
 * more before anything else happens.
 * @module
 */
import { decideAgain } from '../authorize/authorize-call.ts';
import { giveBack } from '../lease/lease-for-call.ts';
import type { Claimed } from './claim.ts';

/** A decision this much older than its claim is asked for again, in milliseconds. */
const staleMs = 20;

/** @throws Stop when the call is not permitted any more: the claim was then given back. */
export async function confirmClaim(claimed: Claimed): Promise<Claimed> {
  if (claimed.waitedMs < staleMs) return claimed;
  try {
    await decideAgain(claimed.context, claimed.call, claimed.decision, claimed.approval);
    return claimed;
  } catch (error) {
    const unasked = claimed.plans.map(({ id }) => id);
    await giveBack(claimed, 'released', unasked, []);
    throw error;
  }
}

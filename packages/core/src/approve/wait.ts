/**
 * Waiting in process for a decision. The store is the truth; the signal only shortens the wait.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store, StoredApproval } from '../store/store.ts';

const firstPollMs = 20;
const longestPollMs = 500;

/**
 * Answers the approval once it is no longer pending, or as it is when `timeoutMs` have passed or `signal` aborts.
 * Polls, because the decision usually comes from another process.
 */
export async function waitForDecision(
  store: Store,
  approval: StoredApproval,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<StoredApproval> {
  // Anything else would make every sleep fail, and the wait a spin.
  const aborts = signal instanceof AbortSignal ? signal : undefined;
  const until = performance.now() + timeoutMs;
  let current = approval;
  for (let pause = firstPollMs; current.state === 'pending'; pause = Math.min(pause * 1.5, longestPollMs)) {
    const left = until - performance.now();
    if (left <= 0 || aborts?.aborted === true) break;
    // An abort ends the sleep early; the loop then sees it.
    await sleep(Math.min(pause, left), undefined, aborts === undefined ? {} : { signal: aborts }).catch(
      () => undefined,
    );
    current = (await store.approval(approval.call.tenant, approval.id)) ?? current;
  }
  return current;
}

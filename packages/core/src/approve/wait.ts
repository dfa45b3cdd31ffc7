/**
 * Waiting in process for a decision. The store is the truth; the signal only shortens the wait.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Store, StoredApproval } from '../store/store.ts';

const firstPollMs = 20;
const longestPollMs = 500;
const wakePauseMs = 5;

/**
 * Answers the approval once it is no longer pending, or as it is when `timeoutMs` have passed or `signal` aborts.
 * Polls, because the decision usually comes from another process, and the store cannot always say that it came.
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
    await sleepOrChange(store, approval, Math.min(pause, left), aborts);
    current = (await store.approval(approval.call.tenant, approval.id)) ?? current;
  }
  return current;
}

/** Ends early when the store says that the approval changed, or at an abort, which the loop then sees. */
async function sleepOrChange(
  store: Store,
  { call, id }: StoredApproval,
  pauseMs: number,
  aborts: AbortSignal | undefined,
): Promise<void> {
  const over = new AbortController();
  const signal = aborts === undefined ? over.signal : AbortSignal.any([over.signal, aborts]);
  const slept = sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  const changed = changeOf(store, call.tenant, id, signal);
  await Promise.race([slept, ...(changed === undefined ? [] : [changed])]);
  over.abort();
}

/** A store that fails at this is one that cannot tell. The pause after it keeps one that always says so from a spin. */
function changeOf(store: Store, tenant: string, id: string, signal: AbortSignal): Promise<void> | undefined {
  try {
    return store
      .approvalChanged?.(tenant, id, signal)
      .catch(() => new Promise<void>(() => undefined))
      .then(() => sleep(wakePauseMs));
  } catch {
    return undefined;
  }
}

/**
 * A store whose operations on the way of a call end in bounded time. What answers too late may have happened all the
 * same: each operation is safe to repeat, and whoever files or claims takes back what came too late.
 * @module
 */
import { StoreError } from '../errors.ts';
import { within } from '../within-time.ts';
import type { Store } from './store.ts';

/** Everything that a call waits for, but what opens an approval or claims. Reading the ledger and maintenance take the time they need. */
const operations = [
  'settle',
  'release',
  'call',
  'settledAsynchronous',
  'approval',
  'approvals',
  'edit',
  'transition',
  'leaseIssued',
  'leaseClosed',
  'append',
  'subjectKey',
  'entry',
  'entries',
  'putEntry',
] as const satisfies readonly (keyof Store)[];

export function boundedStore(store: Store, timeoutMs: number): Store {
  const bounded = operations.map((name) => {
    const operation = store[name] as (...input: unknown[]) => Promise<unknown>;
    return [name, (...input: unknown[]) => inTime(operation.apply(store, input), timeoutMs)];
  });
  return { ...store, ...(Object.fromEntries(bounded) as Pick<Store, (typeof operations)[number]>) };
}

/** @throws StoreError when the store did not answer in time */
export async function inTime<Value>(answer: Promise<Value>, timeoutMs: number): Promise<Value> {
  return within(answer, timeoutMs, () => new StoreError(`the store did not answer within ${timeoutMs} ms`));
}

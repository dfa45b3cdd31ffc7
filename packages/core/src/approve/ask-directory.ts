import { within } from '../within-time.ts';
import type { Approver } from './approve.ts';

const timeoutMs = 5_000;

/**
 * Who the application's own directory says it is. Rejects when the directory throws, or does not answer within 5 s: then
 * it is nobody, and no request waits for ever.
 */
export async function askDirectory(
  ask: () => Approver | undefined | PromiseLike<Approver | undefined>,
): Promise<Approver | undefined> {
  return within(
    (async () => ask())(),
    timeoutMs,
    () => new Error(`the directory of approvers did not answer within ${timeoutMs} ms`),
  );
}

import { within } from '../within-time.ts';

const timeoutMs = 5_000;

/**
 * Who the application's own directory says it is, or who there are. Rejects when the directory throws, or does not answer
 * within 5 s: then it is nobody, and no request waits for ever.
 */
export async function askDirectory<Answer>(ask: () => Answer | PromiseLike<Answer>): Promise<Answer> {
  return within(
    (async () => ask())(),
    timeoutMs,
    () => new Error(`the directory of approvers did not answer within ${timeoutMs} ms`),
  );
}

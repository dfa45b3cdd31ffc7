/**
 * Bounds the time that somebody else's promise may take.
 * @module
 */

/** Rejects when `promise` has not settled after `timeoutMs`. What comes later is ignored here. */
export async function within<Value>(
  promise: PromiseLike<Value>,
  timeoutMs: number,
  late: () => Error = () => new Error(`no answer within ${timeoutMs} ms`),
): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), timeoutMs);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

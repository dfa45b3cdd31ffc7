/**
 * What was thrown, in words. Anything may be thrown, and reading it may throw again: nothing here ever does.
 * @module
 */
import { CountersignError } from './errors.ts';

/** Longest text of an error that is kept or shown, in UTF-16 units. */
export const maxErrorText = 4000;

/**
 * The error's own message in full; `undefined` when it has none that can be read. Whoever shows it scrubs it and then
 * cuts it: cut first, a secret at the edge would be found no more.
 */
export function messageOf(error: unknown): string | undefined {
  try {
    if (!(error instanceof Error)) return undefined;
    const { message } = error as { readonly message: unknown };
    return typeof message === 'string' && message !== '' ? message : undefined;
  } catch {
    return undefined;
  }
}

/**
 * For operators and the ledger. Only our own errors are quoted, as their messages hold no secret; of others the name
 * and the code are kept, since a vendor's message may carry a request with its headers.
 */
export function describeError(error: unknown): string {
  try {
    if (error instanceof CountersignError) return `${error.name}: ${error.message}`.slice(0, maxErrorText);
    if (!(error instanceof Error)) return `threw a ${typeof error}`;
    const { name, code } = error as { readonly name: unknown; readonly code?: unknown };
    const known = typeof code === 'string' && /^[A-Z0-9_]{1,40}$/.test(code) ? ` (${code})` : '';
    return `${typeof name === 'string' && /^[A-Za-z]{1,40}$/.test(name) ? name : 'Error'}${known}`;
  } catch {
    return 'threw something unreadable';
  }
}

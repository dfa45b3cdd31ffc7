/**
 * Errors as people read them.
 * @module
 */
import { CountersignError, type ErrorCode } from '@countersign/core';

type Status = 400 | 401 | 403 | 404 | 408 | 409 | 413 | 422 | 429 | 500 | 503;

/** A page that cannot be shown, or a form that cannot be taken. */
export class Problem extends Error {
  readonly status: Status;
  readonly title: string;
  /** Until it is worth another try. */
  readonly retryAfterMs: number | undefined;
  constructor(status: Status, title: string, why: string, retryAfterMs?: number) {
    super(why);
    this.name = 'Problem';
    this.status = status;
    this.title = title;
    this.retryAfterMs = retryAfterMs;
  }
}

const known: Readonly<Partial<Record<ErrorCode, readonly [Status, string]>>> = {
  ERR_APPROVER: [403, 'Not for you'],
  ERR_APPROVAL_NOT_FOUND: [404, 'Not found'],
  ERR_IDENTIFIER: [404, 'Not found'],
  ERR_APPROVAL_CONFLICT: [409, 'Not possible'],
  ERR_ARGUMENTS: [422, 'Not possible'],
  ERR_KEY: [409, 'It cannot be shown'],
  ERR_STORE: [503, 'The store does not answer'],
};

export interface ShownProblem {
  readonly status: Status;
  readonly title: string;
  readonly why: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** RFC 9110, section 10.2.3. */
export function retryAfter(ms: number): Readonly<Record<string, string>> {
  return { 'retry-after': String(Math.max(1, Math.ceil(ms / 1_000))) };
}

/** What went wrong, without internals: an unexpected error says only that there was one. */
export function problemOf(error: unknown): ShownProblem {
  if (error instanceof Problem) {
    const { status, title, message: why, retryAfterMs } = error;
    return { status, title, why, headers: retryAfterMs === undefined ? {} : retryAfter(retryAfterMs) };
  }
  const [status, title] = (error instanceof CountersignError ? known[error.code] : undefined) ?? [500, 'It failed'];
  const why = status < 500 && error instanceof Error ? error.message : 'Nothing was decided. Try again later.';
  return { status, title, why, headers: {} };
}

/**
 * What a refusal of GitHub means. Of an error of Octokit only its status is kept: it carries the request with its token
 * and the response.
 * @module
 */
import { LeaseError } from '@countersign/core';

const meanings: Readonly<Record<number, string>> = {
  401: 'not accepted; check the id and private key of the App, or the token, and the clock of this machine',
  403: 'not permitted; the App may be suspended, or over its rate limit',
  404: 'there is no such installation of this App; check its id',
  422: 'the installation does not have these repositories or permissions; install the App on them, or ask for less',
  429: 'too many requests; try again later',
};

/** `what` names the service. */
export function failureOf(what: string, action: string, error: unknown): LeaseError {
  const status = statusOf(error);
  if (status === undefined)
    return new LeaseError(`${what}: ${action} failed: no answer from GitHub in time; check network and base URL`);
  const meaning = meanings[status] ?? (status >= 500 ? 'an error inside GitHub; try again' : 'not understood');
  return new LeaseError(`${what}: ${action} failed, GitHub answered ${status}: ${meaning}`);
}

/** Octokit says 500 where there was no answer at all; then there is no response. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { status, response } = error as { readonly status?: unknown; readonly response?: unknown };
  return typeof status === 'number' && response !== undefined ? status : undefined;
}

/**
 * Errors as `application/problem+json` (RFC 9457).
 * @module
 */
import { CountersignError, type ErrorCode } from '../errors.ts';
import { RequestRefused } from './signed-request.ts';

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_APPROVER: 403,
  ERR_APPROVAL_NOT_FOUND: 404,
  ERR_APPROVAL_CONFLICT: 409,
  ERR_ARGUMENTS: 422,
  ERR_STORE: 503,
};

/** The HTTP status for an error of the approvals service; 500 for whatever is not known. */
export function statusOfError(error: unknown): number {
  if (error instanceof RequestRefused) return error.status;
  return error instanceof CountersignError ? (statuses[error.code] ?? 500) : 500;
}

/** What went wrong, without internals: from 500 on it says only that something did. */
export function problemResponse(error: unknown): Response {
  const status = statusOfError(error);
  const code = error instanceof CountersignError ? { code: error.code } : {};
  const detail = status < 500 && error instanceof Error ? error.message : 'the approvals service could not answer';
  return new Response(JSON.stringify({ status, ...code, detail }), {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
  });
}

/**
 * Errors as `application/problem+json` (RFC 9457).
 * @module
 */
import { ApprovalConflict, ApproverError, CountersignError, KeyError, type ErrorCode } from '../errors.ts';
import { RequestRefused } from './signed-request.ts';

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  ERR_APPROVER: 403,
  ERR_APPROVAL_NOT_FOUND: 404,
  ERR_APPROVAL_CONFLICT: 409,
  ERR_ARGUMENTS: 422,
  ERR_STORE: 503,
};

/** Reason phrases of RFC 9110 and RFC 6585, as `about:blank` asks for them. */
const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  409: 'Conflict',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** An RFC 9457 problem of type `about:blank`. */
export interface Problem {
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code?: ErrorCode;
  /** The word that stands in the ledger too. */
  readonly reason?: string;
}

export function titleOf(status: number): string {
  return titles[status] ?? 'Refused';
}

/** The HTTP status for an error of the approvals service; 500 for whatever is not known. */
export function statusOfError(error: unknown): number {
  if (error instanceof RequestRefused) return error.status;
  if (error instanceof ApproverError && error.reason === 'unauthenticated') return 401;
  // Its user was erased: that will not change.
  if (error instanceof KeyError && error.erased) return 409;
  return error instanceof CountersignError ? (statuses[error.code] ?? 500) : 500;
}

/** What went wrong, without internals: from 500 on it says only that something did. */
export function problemOf(error: unknown): Problem {
  const status = statusOfError(error);
  const detail = status < 500 && error instanceof Error ? error.message : 'the approvals service could not answer';
  return {
    title: titleOf(status),
    status,
    detail,
    ...(error instanceof CountersignError ? { code: error.code } : {}),
    ...(status < 500 ? reasonOf(error) : {}),
  };
}

function reasonOf(error: unknown): Pick<Problem, 'reason'> {
  const isKnown =
    error instanceof RequestRefused || error instanceof ApproverError || error instanceof ApprovalConflict;
  return isKnown ? { reason: error.reason } : {};
}

export function problemResponse(error: unknown): Response {
  const problem = problemOf(error);
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
    },
  });
}

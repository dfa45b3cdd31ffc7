/**
 * What went wrong at an authorization server, in words that name the service and a remedy, and hold no secret: of what a
 * server said only a standard error code is quoted.
 * @module
 */
import { CountersignError, KeyError, LeaseError } from '@countersign/core';
import { ResponseBodyError, AuthorizationResponseError } from 'oauth4webapi';
import { TransportError } from './transport.ts';

const codeForm = /^[a-z][a-z_]{0,60}$/;
const libraryCode = /^OAUTH_[A-Z_]{1,60}$/;

const remedies: Readonly<Record<string, string>> = {
  invalid_client: 'check the client id and its secret at the service',
  unauthorized_client: 'allow this grant for the client at the service',
  unsupported_grant_type: 'the server does not offer this grant; use another lease mode',
  invalid_scope: 'correct the scopes in the policy, or allow them for the client',
  invalid_target: 'correct the resource, or register it at the server',
  access_denied: 'ask the user to consent',
};

/** The error code of RFC 6749 §5.2 when the server refused; `undefined` for every other failure. */
export function refusalOf(error: unknown): string | undefined {
  if (!(error instanceof ResponseBodyError) && !(error instanceof AuthorizationResponseError)) return undefined;
  return codeForm.test(error.error) ? error.error : 'unknown_error';
}

/** `step` is what was tried, e.g. `refresh`. */
export function failure(service: string, step: string, error: unknown): LeaseError {
  if (error instanceof LeaseError) return error;
  return new LeaseError(`service ${service}, ${step}: ${reason(error)}`);
}

function reason(error: unknown): string {
  const refusal = refusalOf(error);
  if (refusal !== undefined) {
    const status = error instanceof ResponseBodyError ? ` with status ${error.status}` : '';
    return `the server refused (${refusal}${status}); remedy: ${remedies[refusal] ?? 'see the server’s own log'}`;
  }
  if (error instanceof KeyError && error.erased) return 'the user was erased; remedy: none, nothing is left to use';
  if (error instanceof CountersignError) return `${error.name}: ${error.message}`;
  if (error instanceof TransportError) return `${error.message}; remedy: correct the addresses of the service`;
  if (!(error instanceof Error)) return 'failed';
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return 'no answer in time; remedy: try again later';
  // Refusals of the network come wrapped, and a transport error within the fetch of the library may too.
  if (error.cause instanceof TransportError) return reason(error.cause);
  const code =
    'code' in error && typeof error.code === 'string' && libraryCode.test(error.code) ? error.code : undefined;
  if (code !== undefined) return `the answer is not what the standard asks for (${code}); remedy: check the server`;
  return 'the server could not be reached; remedy: try again later';
}

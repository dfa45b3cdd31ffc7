/**
 * What a refusal of AWS means. Of an error of the SDK only its name and status are kept: it carries the request and the
 * response, and messages of AWS quote what was sent.
 * @module
 */
import { LeaseError } from '@countersign/core';

/** By the code of the error, without the `Exception` that some services add to it. */
const meanings: Readonly<Record<string, string>> = {
  AccessDenied: 'not permitted; allow it in the policies of this process and of the role or secret',
  ExpiredToken: 'the credentials of this process have expired; renew them',
  InvalidClientTokenId: 'the credentials of this process are not known; check them and their region',
  UnrecognizedClient: 'the credentials of this process are not known; check them and their region',
  SignatureDoesNotMatch: 'the signature was refused; check the secret key and the clock of this machine',
  InvalidSignature: 'the signature was refused; check the secret key and the clock of this machine',
  RequestExpired: 'the request was too old when it arrived; check the clock of this machine',
  RequestTimeTooSkewed: 'the request was too old or too new; check the clock of this machine',
  CredentialsProviderError: 'this process has no credentials for AWS; give it a role or a profile',
  PackedPolicyTooLarge: 'the session policy is too large for AWS; ask for fewer actions and resources',
  MalformedPolicyDocument: 'AWS does not understand the session policy; check actions and conditions of the template',
  RegionDisabled: 'STS is not enabled in this region; enable it or use another',
  ResourceNotFound: 'there is no such secret or version; check its name and region',
  DecryptionFailure: 'the key of the secret could not be used; check its policy and state',
  InvalidRequest: 'the secret is not in a state for this; it may be deleted, or without a rotation function',
  Throttling: 'too many requests; raise the quota or try again',
  TimeoutError: 'no answer in time; check network and endpoint',
  AbortError: 'no answer in time; check network and endpoint',
};

/** `what` names the service. */
export function failureOf(what: string, action: string, error: unknown): LeaseError {
  const { name, code, status } = nameOf(error);
  const known = name.replace(/Exception$/, '');
  const meaning = Object.hasOwn(meanings, known) ? meanings[known] : undefined;
  const transport = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE'].includes(code)
    ? `no connection (${code}); check network and endpoint`
    : undefined;
  const inside = status >= 500 ? 'an error inside AWS; try again' : 'not understood; look it up in the trail of AWS';
  return new LeaseError(
    `${what}: ${action} failed, ${name}${status > 0 ? ` (${status})` : ''}: ${meaning ?? transport ?? inside}`,
  );
}

function nameOf(error: unknown): { readonly name: string; readonly code: string; readonly status: number } {
  const { name, code, $metadata } = (typeof error === 'object' && error !== null ? error : {}) as {
    readonly name?: unknown;
    readonly code?: unknown;
    readonly $metadata?: { readonly httpStatusCode?: unknown };
  };
  const status = $metadata?.httpStatusCode;
  return {
    name: typeof name === 'string' && /^[A-Za-z]{1,60}$/.test(name) ? name : 'Error',
    code: typeof code === 'string' ? code : '',
    status: typeof status === 'number' ? status : 0,
  };
}

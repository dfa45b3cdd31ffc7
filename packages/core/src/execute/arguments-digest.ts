/**
 * The digest of a call's arguments, for a service that compares it with the one in a token.
 * @module
 */
import { prepareArguments } from './arguments.ts';
import { digestArguments } from './digest.ts';

/**
 * SHA-256 over the canonical form (RFC 8785) of the arguments, base64url: what `LeaseRequest.argumentsDigest` and the
 * tokens of `tokenMinter` carry. Throws `ArgumentsError` for what is not plain data.
 */
export function argumentsDigest(args: unknown): string {
  return digestArguments(prepareArguments(args).canonical);
}

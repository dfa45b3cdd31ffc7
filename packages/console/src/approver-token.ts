/**
 * Sign-in with the bearer token that the approver also uses at the command line.
 * @module
 */
import type { ApproverDirectory } from '@countersign/core';
import type { TypedSignIn } from './sign-in.ts';

/**
 * The token is presented to the directory again at every request: who is removed there is out at once, and groups are
 * those of now. In between it is kept sealed, under a key that only the browser's cookie yields.
 */
export function approverToken(directory: ApproverDirectory): TypedSignIn {
  return {
    kind: 'typed',
    label: 'Approver token',
    hint: 'The one that you use with the countersign command.',
    loopbackOnly: false,
    async verify(presented) {
      const secret = presented.trim();
      const refresh = async (token: string) => directory.authenticate(token);
      const approver = await refresh(secret);
      return approver && { approver, secret, refresh };
    },
  };
}

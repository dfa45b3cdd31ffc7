/**
 * Sign-in with the bearer token that the approver also uses at the command line.
 * @module
 */
import type { ApproverDirectory } from '@countersign/core';
import type { SignIn } from './sign-in.ts';

/**
 * The token is kept in memory as long as the session, and presented to the directory again at every request: who is
 * removed there is out at once, and groups are those of now.
 */
export function approverToken(directory: ApproverDirectory): SignIn {
  return {
    label: 'Approver token',
    hint: 'The one that you use with the countersign command.',
    loopbackOnly: false,
    async verify(presented) {
      const token = presented.trim();
      const refresh = async () => directory.authenticate(token);
      const approver = await refresh();
      return approver && { approver, refresh };
    },
  };
}

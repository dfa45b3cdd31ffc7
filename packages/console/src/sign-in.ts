/**
 * Sign-in: how a person shows who they are. One interface; the drivers are files beside it.
 * @module
 */
import type { Approver } from '@countersign/core';

export interface SignedIn {
  readonly approver: Approver;
  /**
   * The approver as of now, asked at every request. `undefined` or a throw ends the session. Without it, what sign-in
   * said stays true until the session ends.
   */
  refresh?(): Approver | undefined | Promise<Approver | undefined>;
}

export interface SignIn {
  /** Label of the one field of the sign-in form. */
  readonly label: string;
  readonly hint: string;
  /** Whether it proves who sits at this machine, and nothing to anybody further away. */
  readonly loopbackOnly: boolean;
  /** @param presented what was typed; a throw or `undefined` refuses */
  verify(presented: string): SignedIn | undefined | Promise<SignedIn | undefined>;
  /** Makes another code, where there are codes. It is told to the person elsewhere, never in the answer. */
  renew?(): void;
}

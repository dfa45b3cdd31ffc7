/**
 * Sign-in: how a person shows who they are. Two kinds, typed and redirect; the drivers are files beside it.
 * @module
 */
import type { Approver } from '@countersign/core';

/** Whoever signed in, and for how long that is believed. */
export interface SignedIn {
  readonly approver: Approver;
  /**
   * Id of the one approval that the session may see and decide on, as with a link that was sent for it. The console
   * enforces it. Default: what the approver may see.
   */
  readonly only?: string;
  /** When the session ends at the latest, in milliseconds since the epoch. The console's own limits hold beside it. */
  readonly until?: number;
  /** What `refresh` needs and memory should not show: kept sealed under a key that only the browser's cookie yields. */
  readonly secret?: string;
  /** Where the browser is sent after it signed out, such as the provider's own sign-out. */
  readonly afterSignOut?: string;
  /**
   * The approver as of now, asked at every request. `undefined` or a throw ends the session. Without it, what sign-in
   * said stays true until the session ends.
   * @param secret as given at sign-in; empty when there was none
   */
  refresh?(secret: string): Approver | undefined | Promise<Approver | undefined>;
}

/** Something that is typed into a form of the console: a token, a code. */
export interface TypedSignIn {
  readonly kind: 'typed';
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

/** A journey of the browser to a provider and back, begun. */
export interface Departure {
  /** Where the browser goes. */
  readonly location: string;
  /** What `finish` needs to recognise the answer. It stays on the server, for one browser, once, for ten minutes. */
  readonly kept: string;
}

/** A provider that the browser is sent to, and comes back from. */
export interface RedirectSignIn {
  readonly kind: 'redirect';
  /** Unique among the console's; part of the address to come back to: `<url>/sign-in/<name>/callback`. */
  readonly name: string;
  /** What the button says. */
  readonly label: string;
  readonly loopbackOnly: boolean;
  /**
   * @param redirectUri where the provider sends the browser back to: exactly this address
   * @throws when the provider cannot be asked now
   */
  begin(redirectUri: string): Departure | Promise<Departure>;
  /**
   * @param answer the address at which the browser came back
   * @param kept of the departure that this very browser began
   * @returns `undefined` refuses, and so does a throw
   */
  finish(answer: URL, kept: string): SignedIn | undefined | Promise<SignedIn | undefined>;
}

export type SignIn = TypedSignIn | RedirectSignIn;

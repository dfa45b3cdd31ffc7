/**
 * The web console for approvals.
 * @module
 */
export { createConsole } from './console.ts';
export type { Console, ConsoleOptions } from './console.ts';
export { serveConsole } from './serve-console.ts';
export type { ServeConsoleOptions, ServedConsole } from './serve-console.ts';
export { approverToken } from './approver-token.ts';
export { oneTimeCode } from './one-time-code.ts';
export type { OneTimeCodeOptions } from './one-time-code.ts';
export { oidcSignIn } from './oidc-sign-in.ts';
export type { OidcPerson, OidcSignInOptions } from './oidc-sign-in.ts';
export type { SessionLimits } from './sessions.ts';
export type { Departure, RedirectSignIn, SignedIn, SignIn, TypedSignIn } from './sign-in.ts';

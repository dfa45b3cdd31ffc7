/**
 * The ways to sign in that a console offers, checked once.
 * @module
 */
import { ConfigurationError } from '@countersign/core';
import type { RedirectSignIn, SignIn, TypedSignIn } from './sign-in.ts';

export interface Ways {
  readonly typed: readonly TypedSignIn[];
  readonly redirect: readonly RedirectSignIn[];
  /** Whether one of them is for this machine only: then the whole console is. */
  readonly loopbackOnly: boolean;
}

/** @throws ConfigurationError for no way, an unknown kind, or two of one name */
export function waysOf(signIn: SignIn | readonly SignIn[]): Ways {
  const all: readonly SignIn[] = [signIn].flat();
  if (all.length === 0) throw new ConfigurationError('a console needs a way to sign in');
  for (const { kind } of all) {
    if (kind !== 'typed' && kind !== 'redirect') {
      throw new ConfigurationError(`a sign-in is typed or a redirect, got ${String(kind)}`);
    }
  }
  const redirect = all.filter((each) => each.kind === 'redirect');
  for (const { name } of redirect) {
    if (!/^[a-z0-9][a-z0-9-]{0,31}$/.test(name)) {
      throw new ConfigurationError(`the name of a sign-in has letters a-z, digits and "-" only, got ${name}`);
    }
  }
  if (new Set(redirect.map(({ name }) => name)).size < redirect.length) {
    throw new ConfigurationError('two sign-ins of a console have the same name');
  }
  return {
    redirect,
    typed: all.filter((each) => each.kind === 'typed'),
    // Unless it says otherwise.
    loopbackOnly: all.some((each) => each.loopbackOnly !== false),
  };
}

/**
 * Sign-in for development: a code printed in the terminal that started the console. Whoever can read that terminal is
 * the approver.
 * @module
 */
import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { Approver } from '@countersign/core';
import { codeOf, groupedCode, typedCode } from '@countersign/core/channel';
import type { TypedSignIn } from './sign-in.ts';

export interface OneTimeCodeOptions {
  /** Who signs in with the code. */
  readonly approver: Approver;
  /** Shows a new code to the person, e.g. in the terminal. Called at once, and whenever another one is asked for. */
  readonly print: (code: string) => void;
  /** How long a code is good for, in milliseconds. Default 5 minutes. */
  readonly lifeMs?: number;
  readonly now?: () => number;
}

const maxAttempts = 5;
const renewMs = 10_000;
/** 80 bits. */
const codeLength = 16;

export function oneTimeCode({ approver, print, lifeMs = 300_000, now = Date.now }: OneTimeCodeOptions): TypedSignIn {
  let code: { readonly text: string; readonly madeAt: number; attempts: number } | undefined;
  let renewedAt: number | undefined;
  const renew = (): void => {
    const time = now();
    // Whoever asks over and over must not flood the terminal, nor replace a code that is being typed.
    if (renewedAt !== undefined && Math.abs(time - renewedAt) < renewMs) return;
    renewedAt = time;
    const text = codeOf(randomBytes(codeLength));
    code = { text, madeAt: time, attempts: 0 };
    print(groupedCode(text));
  };
  renew();
  return {
    kind: 'typed',
    label: 'One-time code',
    hint: 'It stands in the terminal that started the console.',
    loopbackOnly: true,
    renew,
    verify(presented) {
      if (code === undefined) return undefined;
      const age = now() - code.madeAt;
      code.attempts += 1;
      const given = Buffer.from(typedCode(presented));
      const known = Buffer.from(code.text);
      const right = age >= 0 && age < lifeMs && given.length === known.length && timingSafeEqual(given, known);
      if (right || code.attempts >= maxAttempts || age >= lifeMs) code = undefined;
      return right ? { approver } : undefined;
    },
  };
}

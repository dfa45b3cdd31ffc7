/**
 * Literal secrets in environment variables: every process that is started here gets them, agents and their tools too.
 * @module
 */
import { findLiteralSecrets, namesSecret } from '@countersign/core';
import type { Finding } from './finding.ts';

/** Names that only sound like secrets. */
const harmless = /^(?:XDG|TERM|SHELL)_SESSION_ID$|_(?:SOCK|FILE|PATH|DIR|URL|HOST)$/;
const minLength = 8;

export function checkEnvironment(environment: Readonly<Record<string, string | undefined>>): readonly Finding[] {
  return Object.entries(environment).flatMap(([name, value = '']) => {
    const named = namesSecret(name) && !harmless.test(name) && value.length >= minLength && !/^[./~]/.test(value);
    if (!named && findLiteralSecrets(value).length === 0) return [];
    return [
      { check: 'environment' as const, place: name, message: 'a literal secret: every process started here has it' },
    ];
  });
}

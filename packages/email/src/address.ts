/**
 * One mailbox, and nothing that could be read as another one, as several, or as a command.
 * @module
 */
import { ConfigurationError } from '@countersign/core';

/** Dot-string of RFC 5321 §4.1.2 without `!` and `%`, which relays once read as a route. Quoted local parts are refused. */
const local = /^(?!-)[A-Za-z0-9#$&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9#$&'*+/=?^_`{|}~-]+)*$/;
const label = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?';
const domain = new RegExp(`^${label}(?:\\.${label})*$`);
/** RFC 5321 §4.5.3.1: of a path without its brackets, and of a local part. */
const maxAddress = 254;
const maxLocal = 64;

export function isAddress(text: unknown): text is string {
  if (typeof text !== 'string' || text.length > maxAddress) return false;
  const at = text.lastIndexOf('@');
  return at <= maxLocal && local.test(text.slice(0, Math.max(at, 0))) && domain.test(text.slice(at + 1));
}

/** @throws ConfigurationError, which does not repeat the text: it may hold anything */
export function requireAddress(what: string, text: unknown): string {
  if (isAddress(text)) return text;
  throw new ConfigurationError(`${what} is one plain e-mail address, without a name, quotes or comments`);
}

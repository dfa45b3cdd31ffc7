/**
 * Takes leased secrets out of results and errors before anybody sees them.
 *
 * Found: each value as it is, and as base64 or base64url at any byte alignment, hexadecimal, percent and form
 * encoding, JSON, unicode and HTML escapes, printed and serialised bytes. Not found: anything else a tool body
 * makes of a secret (compressed, encrypted, split, wrapped at 76 columns), and what a private field, a stream, a
 * promise or a function holds. A body that wants to leak can; this is against accidents.
 * @module
 */
import { LeaseError } from '../errors.ts';
import { createFind } from './find-secrets.ts';
import type { Find } from './find-secrets.ts';
import { createValueScrubber } from './scrub-value.ts';
import type { Secret } from './secret.ts';

/** Shorter secrets would be found in ordinary text, and guessed. In characters. */
const minSecretLength = 8;
/** Room for a private key or a certificate; a larger one would cost every result. In characters. */
const maxSecretLength = 65_536;
/** Parts of a structured credential that are shorter than this name things (regions, users) rather than protect them. */
const minPartLength = 16;

export interface Scrubber {
  /** The text with every secret replaced by `[secret:<service>]`; the same string when there is none. */
  text(value: string): string;
  /**
   * A copy with every secret replaced, deep; the very same reference when there is none. What cannot be looked into
   * (a throwing getter, too deep, too large) is replaced by a note.
   */
  value(value: unknown): unknown;
  /** The same for bytes as they pass, also where a secret lies across two chunks. */
  bytes(): TransformStream<Uint8Array, Uint8Array>;
}

/** A scrubber for these leases. Throws `LeaseError` when a secret is too short or too long to be scrubbed. */
export function createScrubber(leases: readonly { readonly service: string; readonly secret: Secret }[]): Scrubber {
  const secrets = leases.flatMap(({ service, secret }) => {
    const value = secret.reveal();
    requireScrubbable(service, value);
    return [value, ...parts(value)].map((part) => ({ value: part, label: `[secret:${service}]` }));
  });
  let find: Find | undefined;
  const text = (value: string): string => {
    if (value.length < minSecretLength || secrets.length === 0) return value;
    find ??= createFind(secrets);
    return replaceAll(value, find);
  };
  return {
    text,
    value: secrets.length === 0 ? (value) => value : createValueScrubber(text),
    bytes: () => scrubStream((find ??= createFind(secrets))),
  };
}

/** Characters beside an encoded secret that go with it. */
const edgeLength = 8;

/** Bytes are read as one character each: no secret is lost to a character that was cut in two. */
function scrubStream(find: Find): TransformStream<Uint8Array, Uint8Array> {
  let held = '';
  return new TransformStream({
    transform(chunk, controller) {
      held += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('latin1');
      const open = held.length - find.longest - edgeLength;
      if (open <= 0) return;
      // What begins before and ends after waits for the rest.
      const across = find(held).find(({ start, end }) => start < open && end > open);
      const ready = across?.start ?? open;
      controller.enqueue(Buffer.from(replaceAll(held.slice(0, ready), find), 'latin1'));
      held = held.slice(ready);
    },
    flush(controller) {
      if (held !== '') controller.enqueue(Buffer.from(replaceAll(held, find), 'latin1'));
    },
  });
}

/** Refuses a secret that could not be taken out of a text without harm. */
export function requireScrubbable(service: string, value: string): void {
  if (value.length >= minSecretLength && value.length <= maxSecretLength) return;
  throw new LeaseError(
    `secret for service ${service}: expected ${minSecretLength} to ${maxSecretLength} characters, got ${value.length}`,
  );
}

/** The strings in a credential that is a JSON object (for example a key id with its key): bodies use them one by one. */
function parts(value: string): string[] {
  if (!value.startsWith('{')) return [];
  try {
    const found: string[] = [];
    JSON.parse(value, (_key, member: unknown) => {
      if (typeof member === 'string' && member.length >= minPartLength) found.push(member);
      return member;
    });
    return found;
  } catch {
    return [];
  }
}

function replaceAll(text: string, find: Find): string {
  const matches = find(text);
  if (matches.length === 0) return text;
  const pieces: string[] = [];
  let from = 0;
  for (const { start, end, label } of matches) {
    pieces.push(text.slice(from, start), label);
    from = end;
  }
  pieces.push(text.slice(from));
  return pieces.join('');
}

/**
 * A change of arguments that somebody typed without seeing them in whole: JSON Merge Patch (RFC 7396).
 * @module
 */
import { parseJsonText } from '@countersign/core/channel';

type Members = Readonly<Record<string, unknown>>;

/** What a summary shows in place of a value, or of the rest of one. */
const placeholders = /\[(?:redacted|truncated|unreadable|object|erased|digest [\w-]+|\d+ more)\]|… \(\d+ characters\)/i;
/** Slack may escape what was typed; whether it did cannot be told from the text. */
const entities = /&(?:amp|lt|gt);/;

/** What is wrong with a change, in words for who typed it. */
export class PatchError extends Error {
  /** The request that it would change. */
  readonly approval: string;
  constructor(message: string, approval: string) {
    super(message);
    this.approval = approval;
  }
}

/** @throws PatchError for anything but a JSON object, and for one that would put a placeholder in a value's place */
export function readPatch(text: string, approval: string): Members {
  const wrong = (message: string): PatchError => new PatchError(message, approval);
  let patch: unknown;
  try {
    patch = parseJsonText(text);
  } catch {
    throw wrong('This is no JSON object, or it names a member twice.');
  }
  if (!isObject(patch)) throw wrong('Type a JSON object with the members to change.');
  if (Object.keys(patch).length === 0) throw wrong('This changes nothing.');
  // Once more from the value: an escape sequence may spell a placeholder too.
  if ([text, JSON.stringify(patch)].some((each) => placeholders.test(each))) {
    throw wrong('A placeholder such as [redacted] is not a value: leave out what you do not change.');
  }
  if (entities.test(text)) throw wrong('Slack may have changed the characters & < > here: use the console.');
  return patch;
}

/** @param target text of a JSON object */
export function applyPatch(target: string, patch: Members): string {
  return JSON.stringify(merged(JSON.parse(target), patch));
}

function merged(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const members = new Map(Object.entries(isObject(target) ? target : {}));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) members.delete(name);
    else members.set(name, merged(members.get(name), value));
  }
  // Defines members instead of assigning them: one named __proto__ stays one.
  return Object.fromEntries(members);
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

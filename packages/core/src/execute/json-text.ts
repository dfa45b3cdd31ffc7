/**
 * Reads the JSON text of a model's arguments and refuses duplicate members, which parsers resolve differently
 * (RFC 8259 §4): what a person approved must not depend on whose parser runs.
 * @module
 */
import { ArgumentsError } from '../errors.ts';

const maxTextLength = 1_000_000;
/** Braces, brackets, commas, colons and texts. */
const maxTokens = 300_000;
const structural = /[{}[\],:]|"[^"\\]*(?:\\.[^"\\]*)*"/gs;

/** @throws ArgumentsError when the text is not JSON, too long, or names a member twice. */
export function parseJsonText(text: string): unknown {
  if (text.length > maxTextLength) throw new ArgumentsError(`arguments are longer than ${maxTextLength} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ArgumentsError('arguments are not valid JSON', { cause });
  }
  refuseDuplicateMembers(text);
  return value;
}

/** Works on text that `JSON.parse` accepted, so that only objects, their member names and nesting need watching. */
export function refuseDuplicateMembers(text: string): void {
  const objects: (Set<string> | undefined)[] = [];
  let expectName = false;
  let tokens = 0;
  for (const [token] of text.matchAll(structural)) {
    if (++tokens > maxTokens) throw new ArgumentsError('arguments hold too many members');
    const members = objects.at(-1);
    if (token === '{' || token === '[') {
      objects.push(token === '{' ? new Set() : undefined);
      expectName = token === '{';
    } else if (token === '}' || token === ']') {
      objects.pop();
      expectName = false;
    } else if (token === ',') {
      expectName = members !== undefined;
    } else if (token === ':') {
      expectName = false;
    } else if (expectName && members !== undefined) {
      const name = JSON.parse(token) as string;
      if (members.has(name))
        throw new ArgumentsError(`arguments name the member ${JSON.stringify(name.slice(0, 80))} twice`);
      members.add(name);
    }
  }
}

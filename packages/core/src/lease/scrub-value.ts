/**
 * Scrubs the strings and bytes in any value: objects, arrays, maps, sets, errors with their causes, typed arrays.
 * @module
 */
import { types } from 'node:util';
import { Secret } from './secret.ts';

const maxDepth = 100;
const maxObjects = 200_000;

/** What one object held when it was looked at. Copies are made from this, so that nothing is read twice. */
interface Seen {
  readonly keys: PropertyKey[];
  readonly values: unknown[];
  /** Items of a set; keys and values of a map, in turn. */
  readonly items: unknown[];
  /** Whether a secret is in it or below it. */
  dirty: boolean;
  /** What stands in for an object that cannot be copied member by member. */
  replacement?: unknown;
}

type Text = (value: string) => string;

/** Answers `value` itself when `text` changes nothing in it, and else a copy of what had to change. */
export function createValueScrubber(text: Text): (value: unknown) => unknown {
  return (value) => {
    if (typeof value === 'string' || isNumeric(value)) return copy(value, text, new Map(), new Map());
    const seen = new Map<object, Seen>();
    look(value, text, seen, 0);
    if (!spreadDirt(seen)) return value;
    return copy(value, text, seen, new Map());
  };
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Reads an object graph once, and marks what holds a secret. Cycles are left to {@link spreadDirt}. */
function look(value: unknown, text: Text, seen: Map<object, Seen>, depth: number): boolean {
  if (typeof value === 'string') return text(value) !== value;
  if (isNumeric(value)) return text(String(value)) !== String(value);
  if (!isObject(value)) return false;
  const known = seen.get(value);
  if (known !== undefined) return known.dirty;
  const found: Seen = { keys: [], values: [], items: [], dirty: false };
  seen.set(value, found);
  try {
    if (depth > maxDepth) replace(found, '[too deep]');
    else if (seen.size > maxObjects) replace(found, '[too large]');
    else if (!lookAtWhole(value, text, found)) lookAtMembers(value, text, seen, found, depth);
  } catch {
    replace(found, '[unreadable]');
  }
  return found.dirty;
}

function replace(found: Seen, replacement: unknown): void {
  found.replacement = replacement;
  found.dirty = true;
}

/** Objects whose content is one text or one run of bytes. Answers whether this was one. */
function lookAtWhole(value: object, text: Text, found: Seen): boolean {
  if (value instanceof Secret) {
    replace(found, String(value));
    return true;
  }
  if (types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value)) {
    const bytes = ArrayBuffer.isView(value)
      ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
      : Buffer.from(value);
    const decoded = bytes.toString('latin1');
    if (text(decoded) !== decoded) replace(found, Buffer.from('[secret]'));
    return true;
  }
  // A buffer that was serialised and parsed again.
  if (Array.isArray(value) && value.length > 0 && value.every(isByte)) {
    const written = value.join(',');
    if (text(written) !== written) {
      replace(found, ['[secret]']);
      return true;
    }
  }
  if (
    types.isStringObject(value) ||
    types.isRegExp(value) ||
    value instanceof URL ||
    value instanceof URLSearchParams
  ) {
    const written = String(value);
    const scrubbed = text(written);
    if (scrubbed !== written) replace(found, scrubbed);
    return true;
  }
  return false;
}

function isByte(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= 255;
}

function lookAtMembers(value: object, text: Text, seen: Map<object, Seen>, found: Seen, depth: number): void {
  readMembers(value, found);
  if (types.isMap(value)) for (const [key, item] of Map.prototype.entries.call(value)) found.items.push(key, item);
  if (types.isSet(value)) for (const item of Set.prototype.values.call(value)) found.items.push(item);
  for (const key of found.keys) if (typeof key === 'string' && text(key) !== key) found.dirty = true;
  for (const member of found.values) if (look(member, text, seen, depth + 1)) found.dirty = true;
  for (const item of found.items) if (look(item, text, seen, depth + 1)) found.dirty = true;
  if (!found.dirty) lookAtJson(value, text, found);
}

/** Own members. A getter is called once if it is enumerable, as a serialiser would; those of the class are not. */
function readMembers(value: object, found: Seen): void {
  const isError = isErrorObject(value);
  for (const key of Reflect.ownKeys(value)) {
    if (isError && (key === 'stack' || key === 'message')) continue;
    const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
    if (descriptor === undefined || (descriptor.get !== undefined && descriptor.enumerable !== true)) continue;
    found.keys.push(key);
    found.values.push(descriptor.get === undefined ? descriptor.value : Reflect.get(value, key));
  }
  if (!isError) return;
  found.keys.push('message', 'stack');
  found.values.push(value.message, value.stack);
  if (value instanceof DOMException) {
    found.keys.push('name');
    found.values.push(value.name);
  }
}

function isErrorObject(value: object): value is Error {
  return types.isNativeError(value) || value instanceof Error;
}

/** An instance of a class may keep a secret in private and give it away when it is serialised. */
function lookAtJson(value: object, text: Text, found: Seen): void {
  if (types.isDate(value) || !('toJSON' in value) || typeof value.toJSON !== 'function') return;
  let json: string | undefined;
  try {
    json = JSON.stringify(value);
  } catch {
    return;
  }
  if (json !== undefined && text(json) !== json) replace(found, text(json));
}

/** Marks everything from which a marked object can be reached. Answers whether anything is marked. */
function spreadDirt(seen: ReadonlyMap<object, Seen>): boolean {
  const dirty = [...seen.values()].filter((found) => found.dirty);
  if (dirty.length === 0) return false;
  const holders = new Map<Seen, Seen[]>();
  for (const holder of seen.values()) {
    for (const member of [...holder.values, ...holder.items]) {
      const found = isObject(member) ? seen.get(member) : undefined;
      if (found === undefined) continue;
      const known = holders.get(found);
      if (known === undefined) holders.set(found, [holder]);
      else known.push(holder);
    }
  }
  for (let found = dirty.pop(); found !== undefined; found = dirty.pop()) {
    for (const holder of holders.get(found) ?? []) {
      if (holder.dirty) continue;
      holder.dirty = true;
      dirty.push(holder);
    }
  }
  return true;
}

function copy(value: unknown, text: Text, seen: ReadonlyMap<object, Seen>, copies: Map<object, unknown>): unknown {
  if (typeof value === 'string') return text(value);
  if (isNumeric(value)) return text(String(value)) === String(value) ? value : text(String(value));
  const found = isObject(value) ? seen.get(value) : undefined;
  if (!isObject(value) || found === undefined || !found.dirty) return value;
  if (found.replacement !== undefined) return found.replacement;
  if (copies.has(value)) return copies.get(value);
  const target = emptyCopy(value);
  copies.set(value, target);
  for (const [index, key] of found.keys.entries()) {
    if (key === 'length' && Array.isArray(target)) continue;
    Object.defineProperty(target, typeof key === 'string' ? text(key) : key, {
      value: copy(found.values[index], text, seen, copies),
      enumerable: Object.prototype.propertyIsEnumerable.call(value, key),
      configurable: true,
      writable: true,
    });
  }
  const items = found.items.map((item) => copy(item, text, seen, copies));
  if (target instanceof Set) for (const item of items) target.add(item);
  if (target instanceof Map) for (let at = 0; at < items.length; at += 2) target.set(items[at], items[at + 1]);
  return target;
}

/** An object of the same kind without its members. A class instance keeps its methods and loses private fields. */
function emptyCopy(value: object): object {
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (Array.isArray(value)) return Object.assign([], { length: value.length });
  if (types.isMap(value)) return Object.setPrototypeOf(new Map(), prototype) as object;
  if (types.isSet(value)) return Object.setPrototypeOf(new Set(), prototype) as object;
  if (isErrorObject(value)) return Object.setPrototypeOf(new Error(), prototype) as object;
  return Object.create(prototype) as object;
}

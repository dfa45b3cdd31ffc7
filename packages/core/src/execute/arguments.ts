/**
 * Turns arguments from a framework into what is digested, decided on and run: a private copy of plain data.
 *
 * Accepted: JSON values, and from parsing schemas `Date`, `URL` and `undefined`. Everything else is refused: functions,
 * symbols, bigint, `toJSON`, accessors, other prototypes, cycles (by depth), non-finite numbers, lone surrogates and
 * prototype keys. Each property of the source is read once, so that a proxy or getter cannot show two faces.
 * @module
 */
import canonicalize from 'canonicalize';
import { ArgumentsError } from '../errors.ts';

export interface ArgumentLimits {
  readonly maxDepth: number;
  /** Upper bound of the number of values. */
  readonly maxValues: number;
  /** Upper bound of the sum of the lengths of all texts and member names, in UTF-16 units. */
  readonly maxText: number;
}

const defaultArgumentLimits: ArgumentLimits = { maxDepth: 64, maxValues: 50_000, maxText: 1_000_000 };

export interface PreparedArguments {
  /** RFC 8785 text of the arguments; values that JSON has no form for are tagged. */
  readonly canonical: string;
  /** What policies see: JSON, dates and URLs as text, `undefined` left out. Never handed to a tool. */
  readonly view: unknown;
  /** A fresh copy for one execution; the body may change it. */
  readonly copy: () => unknown;
}

/** Member name that marks a tagged value. Plain data may not use it. */
const tag = '\u0000countersign';
const surrogate = /[\uD800-\uDFFF]/;

interface Walk {
  readonly limits: ArgumentLimits;
  values: number;
  text: number;
  tagged: boolean;
}

/** @throws ArgumentsError with the path of the first value that is not plain data. */
export function prepareArguments(source: unknown, limits: ArgumentLimits = defaultArgumentLimits): PreparedArguments {
  const walk: Walk = { limits, values: 0, text: 0, tagged: false };
  let encoded: unknown;
  try {
    encoded = encode(source, walk, 0, '');
  } catch (cause) {
    if (cause instanceof ArgumentsError) throw cause;
    throw new ArgumentsError('arguments could not be read', { cause });
  }
  const canonical = canonicalize(encoded);
  if (canonical === undefined) throw new ArgumentsError('arguments are not a JSON value');
  return walk.tagged
    ? { canonical, view: decode(encoded, viewOf), copy: () => decode(encoded, reviveTag) }
    : { canonical, view: encoded, copy: () => decode(encoded, reviveTag) };
}

/** The arguments back from their canonical text, as stored with an approval. */
export function restoreArguments(canonical: string): unknown {
  return decode(JSON.parse(canonical), reviveTag);
}

function encode(value: unknown, walk: Walk, depth: number, path: string): unknown {
  if (depth > walk.limits.maxDepth)
    throw new ArgumentsError(`arguments are nested deeper than ${walk.limits.maxDepth} levels`);
  if (++walk.values > walk.limits.maxValues)
    throw new ArgumentsError(`arguments hold more than ${walk.limits.maxValues} values`);
  switch (typeof value) {
    case 'string':
      return checkText(value, walk, path);
    case 'number':
      if (!Number.isFinite(value)) throw refused(path, `the number ${value}`);
      // RFC 8785 writes both zeros alike: what is digested must be what runs.
      return value === 0 ? 0 : value;
    case 'boolean':
      return value;
    case 'undefined':
      walk.tagged = true;
      return { [tag]: 'undefined' };
    case 'object':
      return value === null ? null : encodeObject(value, walk, depth, path);
    default:
      throw refused(path, `a ${typeof value}`);
  }
}

function encodeObject(value: object, walk: Walk, depth: number, path: string): unknown {
  if (Array.isArray(value)) return encodeArray(value, walk, depth, path);
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return encodeTagged(value, walk, path);
  const copy: Record<string, unknown> = {};
  for (const key of Reflect.ownKeys(value)) {
    if (typeof key === 'symbol') throw refused(path, 'a symbol member');
    if (key === '__proto__' || key === tag) throw refused(path, `the member ${JSON.stringify(key)}`);
    const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
    if (descriptor === undefined || !('value' in descriptor)) throw refused(`${path}/${key}`, 'an accessor');
    if (descriptor.enumerable !== true) throw refused(`${path}/${key}`, 'a hidden member');
    const member: unknown = descriptor.value;
    if (key === 'constructor' && typeof member === 'object' && member !== null && 'prototype' in member) {
      throw refused(path, 'the member "constructor.prototype"');
    }
    copy[checkText(key, walk, path)] = encode(member, walk, depth + 1, `${path}/${key}`);
  }
  return copy;
}

function encodeArray(value: readonly unknown[], walk: Walk, depth: number, path: string): unknown {
  const { length } = value;
  if (length > walk.limits.maxValues)
    throw new ArgumentsError(`arguments hold more than ${walk.limits.maxValues} values`);
  const keys = Reflect.ownKeys(value);
  if (keys.length !== length + 1) throw refused(path, 'an array with holes or extra members');
  const copy: unknown[] = [];
  for (let index = 0; index < length; index += 1) {
    const descriptor = Reflect.getOwnPropertyDescriptor(value, String(index));
    if (descriptor === undefined || !('value' in descriptor))
      throw refused(`${path}/${index}`, 'an accessor or a hole');
    copy.push(encode(descriptor.value, walk, depth + 1, `${path}/${index}`));
  }
  return copy;
}

/** Dates and URLs, taken through their own prototypes' methods so that an overridden member is not asked. */
function encodeTagged(value: object, walk: Walk, path: string): unknown {
  if (value instanceof Date && Reflect.ownKeys(value).length === 0) {
    const time = Date.prototype.getTime.call(value);
    if (!Number.isFinite(time)) throw refused(path, 'an invalid date');
    walk.tagged = true;
    return { [tag]: 'date', value: new Date(time).toISOString() };
  }
  if (value instanceof URL && Object.getPrototypeOf(value) === URL.prototype) {
    walk.tagged = true;
    return { [tag]: 'url', value: checkText(URL.prototype.toString.call(value), walk, path) };
  }
  throw refused(path, 'an object that is not plain data');
}

function checkText(text: string, walk: Walk, path: string): string {
  walk.text += text.length;
  if (walk.text > walk.limits.maxText)
    throw new ArgumentsError(`arguments hold more than ${walk.limits.maxText} characters`);
  if (surrogate.test(text) && !text.isWellFormed()) throw refused(path, 'text with a lone surrogate');
  return text;
}

function refused(path: string, what: string): ArgumentsError {
  return new ArgumentsError(
    `arguments must be plain JSON data, got ${what} at ${path === '' ? '/' : path.slice(0, 200)}`,
  );
}

const left: unique symbol = Symbol('left out');
type Revive = (kind: unknown, value: unknown) => unknown;

function reviveTag(kind: unknown, value: unknown): unknown {
  if (kind === 'date' && typeof value === 'string') return new Date(value);
  if (kind === 'url' && typeof value === 'string') return new URL(value);
  return undefined;
}

function viewOf(kind: unknown, value: unknown): unknown {
  return kind === 'undefined' ? left : value;
}

function decode(value: unknown, revive: Revive): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    return value.map((item) => {
      const decoded = decode(item, revive);
      return decoded === left ? null : decoded;
    });
  }
  const source = value as Record<string, unknown>;
  if (Object.hasOwn(source, tag)) return revive(source[tag], source['value']);
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(source)) {
    const decoded = decode(source[key], revive);
    if (decoded !== left) copy[key] = decoded;
  }
  return copy;
}

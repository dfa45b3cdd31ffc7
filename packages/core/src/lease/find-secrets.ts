/**
 * Finds every occurrence of a set of secrets, and of their listed encodings, in a text: one pass that looks at every
 * sixth character or so, whatever the number of secrets (after Wu and Manber, "A fast algorithm for multi-pattern
 * searching", 1994).
 * @module
 */

/** A text to find. `edge`: characters of this alphabet next to it hold bits of the secret too, and go with it. */
interface Needle {
  readonly text: string;
  readonly label: string;
  readonly edge: { readonly before: boolean; readonly after: boolean } | undefined;
}

export interface Match {
  readonly start: number;
  readonly end: number;
  readonly label: string;
}

export interface Find {
  (text: string): readonly Match[];
  /** Length of the longest text that it looks for. */
  readonly longest: number;
}

/** Encodings of a whole value. What is equal for most secrets costs nothing: equal needles are kept once. */
const encodings: readonly ((value: string) => string)[] = [
  (value) => value,
  // The bytes of the value, read as one character each: a buffer, or text decoded wrongly.
  (value) => Buffer.from(value).toString('latin1'),
  (value) => Buffer.from(value).toString('hex'),
  (value) => Buffer.from(value).toString('hex').toUpperCase(),
  // A printed and a serialised buffer.
  (value) => Array.from(Buffer.from(value), (byte) => byte.toString(16).padStart(2, '0')).join(' '),
  (value) => Buffer.from(value).join(','),
  percentEncoded,
  (value) => lowerEscapes(percentEncoded(value)),
  formEncoded,
  (value) => lowerEscapes(formEncoded(value)),
  // Only what a part of a URL must escape, and all that RFC 3986 §2.2 reserves.
  (value) => encodeURI(value.toWellFormed()),
  (value) => lowerEscapes(encodeURI(value.toWellFormed())),
  userInfoEncoded,
  strictlyEncoded,
  (value) => lowerEscapes(strictlyEncoded(value)),
  jsonEscaped,
  (value) => jsonEscaped(jsonEscaped(value)),
  (value) => jsonEscaped(value).replaceAll('/', '\\/'),
  (value) => unicodeEscaped(jsonEscaped(value), /[^ -~]/g),
  // Go's encoder.
  (value) => unicodeEscaped(jsonEscaped(value), /[<>&\u2028\u2029]/g),
  (value) => value.replace(/[&<>"']/g, (character) => htmlEntities[character] ?? character),
];

const htmlEntities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function percentEncoded(value: string): string {
  return encodeURIComponent(value.toWellFormed());
}

function formEncoded(value: string): string {
  return new URLSearchParams([['', value]]).toString().slice(1);
}

/** As the WHATWG parser writes it into `user:password@`. */
function userInfoEncoded(value: string): string {
  const url = new URL('https://user@host');
  url.password = value;
  return url.password;
}

function strictlyEncoded(value: string): string {
  return percentEncoded(value).replace(/[!'()*]/g, (each) => `%${each.charCodeAt(0).toString(16).toUpperCase()}`);
}

function lowerEscapes(value: string): string {
  return value.replace(/%[0-9A-F]{2}/g, (escape) => escape.toLowerCase());
}

function jsonEscaped(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

function unicodeEscaped(value: string, characters: RegExp): string {
  return value.replace(characters, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Base64 of the value behind 0, 1 or 2 other bytes: the characters that depend on the value alone. */
function base64Needles(value: string, label: string): Needle[] {
  const bytes = Buffer.from(value);
  return [0, 1, 2].flatMap((offset) => {
    const encoded = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64');
    const start = offset === 0 ? 0 : offset + 1;
    const bits = (offset + bytes.length) * 8;
    const text = encoded.slice(start, Math.floor(bits / 6));
    const edge = { before: offset > 0, after: bits % 6 !== 0 };
    return [
      { text, label, edge },
      { text: text.replaceAll('+', '-').replaceAll('/', '_'), label, edge },
      { text: percentEncoded(text), label, edge },
    ];
  });
}

/** Everything that a value of this secret may look like, each text once. */
function needlesFor(value: string, label: string): Needle[] {
  const whole = encodings.map((encode) => ({ text: encode(value), label, edge: undefined }));
  const distinct = new Map<string, Needle>();
  for (const needle of [...whole, ...base64Needles(value, label)]) {
    if (!distinct.has(needle.text)) distinct.set(needle.text, needle);
  }
  return [...distinct.values()];
}

const block = 3;
const tableSize = 1 << 16;

function hash(text: string, at: number): number {
  return ((text.charCodeAt(at - 2) << 10) ^ (text.charCodeAt(at - 1) << 5) ^ text.charCodeAt(at)) & (tableSize - 1);
}

/** Prepares the search for `secrets`. No value may be shorter than 8 characters. */
export function createFind(secrets: readonly { readonly value: string; readonly label: string }[]): Find {
  const needles = secrets.flatMap(({ value, label }) => needlesFor(value, label));
  if (needles.length === 0) return Object.assign(() => [], { longest: 0 });
  const prefix = Math.min(255, ...needles.map((needle) => needle.text.length));
  const shifts = new Uint8Array(tableSize).fill(prefix - block + 1);
  const buckets = new Map<number, Needle[]>();
  for (const needle of needles) {
    for (let at = block - 1; at < prefix; at++) {
      const key = hash(needle.text, at);
      shifts[key] = Math.min(shifts[key] ?? 0, prefix - 1 - at);
    }
    const key = hash(needle.text, prefix - 1);
    buckets.set(key, [...(buckets.get(key) ?? []), needle]);
  }
  const longest = Math.max(...needles.map((needle) => needle.text.length));
  return Object.assign((text: string) => search(text, prefix, shifts, buckets), { longest });
}

function search(text: string, prefix: number, shifts: Uint8Array, buckets: ReadonlyMap<number, Needle[]>): Match[] {
  const matches: Match[] = [];
  let at = prefix - 1;
  while (at < text.length) {
    const key = hash(text, at);
    const shift = shifts[key] ?? 1;
    if (shift > 0) {
      at += shift;
      continue;
    }
    const start = at - prefix + 1;
    for (const needle of buckets.get(key) ?? []) {
      if (text.startsWith(needle.text, start)) addMatch(matches, widen(text, start, needle));
    }
    // On by one, not to the end of the match: secrets may overlap, and no rest of either may stay.
    at += 1;
  }
  return matches;
}

const base64Character = /[A-Za-z0-9+/_-]/;
const padding = /(?:=|%3[dD]){1,2}/y;

function widen(text: string, start: number, needle: Needle): Match {
  let end = start + needle.text.length;
  if (needle.edge === undefined) return { start, end, label: needle.label };
  const before = needle.edge.before && base64Character.test(text.charAt(start - 1)) ? 1 : 0;
  if (needle.edge.after && base64Character.test(text.charAt(end))) end += 1;
  padding.lastIndex = end;
  if (padding.test(text)) end = padding.lastIndex;
  return { start: start - before, end, label: needle.label };
}

/** Keeps matches apart and in order: one that touches an earlier one is joined to it. */
function addMatch(matches: Match[], match: Match): void {
  let { start, end, label } = match;
  for (let last = matches.at(-1); last !== undefined && start < last.end; last = matches.at(-1)) {
    matches.pop();
    start = Math.min(start, last.start);
    end = Math.max(end, last.end);
    label = last.label;
  }
  matches.push({ start, end, label });
}

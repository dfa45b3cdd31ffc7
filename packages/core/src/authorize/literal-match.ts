/**
 * Whether a text holds a value, literally: as whole words, and numbers by how people write them.
 *
 * In linear time, with no regular expression made from data. Where a reading is in doubt the answer is no: `1,500` is
 * fifteen hundred to one and one and a half to another, so it is neither.
 * @module
 */
import { findAll, once, patternOf, type Pattern } from './find-text.ts';

/** Compares against one source. What it costs is taken from `work`; when nothing is left, nothing is found. */
export interface Matcher {
  holds(wanted: Wanted): boolean;
}

/** A value, made ready once for all the sources that it is looked for in. */
export interface Wanted {
  readonly value: unknown;
  /** Absent where no text can hold it. */
  readonly pattern?: Pattern;
}

const minCharacters = 3;
const maxValueLength = 16_384;
const maxNumberLength = 40;
const maxNesting = 4;
const maxDepth = 64;

export function wantedOf(value: unknown, work: { left: number }): Wanted {
  if (typeof value !== 'string' || value.length > maxValueLength || work.left <= 0) return { value };
  work.left -= value.length;
  const text = value.normalize('NFC');
  return isTelling(text) ? { value, pattern: patternOf(text) } : { value };
}

export function createMatcher(
  source: { readonly form: 'text' | 'json'; readonly text: string },
  work: { left: number },
): Matcher {
  const content = once((): Content => {
    work.left -= source.text.length;
    const read = source.form === 'text' ? { texts: [source.text], numbers: new Set<string>() } : contentOf(source.text);
    return { ...read, texts: read.texts.map((text) => text.normalize('NFC')) };
  });
  const numbers = once((): ReadonlySet<string> => {
    work.left -= source.text.length;
    return new Set([...content().numbers, ...content().texts.flatMap((text) => numbersIn(text))]);
  });
  const inTexts = (pattern: Pattern): boolean =>
    content().texts.some((text) => {
      if (work.left <= 0 || text.length < pattern.text.length) return false;
      work.left -= text.length;
      return holdsWhole(text, pattern, work);
    });
  return {
    holds({ value, pattern }) {
      if (work.left <= 0) return false;
      if (typeof value === 'number') return numbers().has(String(value));
      return pattern !== undefined && (inTexts(pattern) || content().numbers.has(pattern.text));
    },
  };
}

/** What of a source can be a value. */
interface Content {
  readonly texts: readonly string[];
  /** Of a JSON document: as JavaScript writes them. */
  readonly numbers: ReadonlySet<string>;
}

/** Too short a text is found everywhere by chance. */
export function isTelling(value: string): boolean {
  let letters = 0;
  for (const character of value) {
    if (/[\p{L}\p{N}]/u.test(character)) letters += 1;
    if (letters >= minCharacters) return true;
  }
  return false;
}

/** Every text and every number among the values of a JSON document, also of documents that are its texts. */
function contentOf(json: string): Content {
  const texts: string[] = [];
  const numbers = new Set<string>();
  const visit = (value: unknown, depth: number, nesting: number): void => {
    if (depth > maxDepth) return;
    if (typeof value === 'number') numbers.add(String(value));
    if (typeof value === 'string') {
      texts.push(value);
      if (nesting < maxNesting && /^\s*[[{]/.test(value)) visit(parsed(value), depth + 1, nesting + 1);
    }
    if (typeof value === 'object' && value !== null) {
      for (const member of Object.values(value)) visit(member, depth + 1, nesting);
    }
  };
  visit(parsed(json), 0, 0);
  return { texts, numbers };
}

function parsed(json: string): unknown {
  try {
    return JSON.parse(json) as unknown;
  } catch {
    return undefined;
  }
}

/** What looking at the edges of a word costs, in units of comparison. */
const edgeWork = 16;

function holdsWhole(text: string, pattern: Pattern, work: { left: number }): boolean {
  return findAll(text, pattern, (begin, end) => {
    work.left -= edgeWork;
    return work.left > 0 && endsHere(text, end, 1) && endsHere(text, begin - 1, -1);
  });
}

/** Invisible characters count: what they stand between is one word to whoever reads it. */
const wordCharacter = /[\p{L}\p{N}\p{M}\p{Cf}\p{Co}\p{Cn}\p{Cs}]/u;
const joiner = /[\p{Pc}\p{Pd}\p{S}.,:;'’@/\\#&%*·]/u;
const maxJoiners = 3;

/**
 * Whether no word goes on at `from` in the direction `step`. Joiners go on where a word follows them: `evil.example` does
 * not hold `example`, `1,500` not `500`. At the end of a sentence nothing follows.
 */
function endsHere(text: string, from: number, step: 1 | -1): boolean {
  const digits = /\d/.test(text.charAt(from - step));
  let place = from;
  for (let joiners = 0; joiners <= maxJoiners; joiners += 1) {
    const character = characterAt(text, place, step);
    if (character === undefined) return true;
    if (wordCharacter.test(character)) return false;
    if (!joiner.test(character)) return !(digits && joiners === 0 && groupsGoOn(text, place, step, character));
    // The sign of a number.
    if (step === -1 && joiners === 0 && digits && /[-−]/.test(character)) return false;
    place += step * character.length;
  }
  return false;
}

/** `500 000` is one number to many. */
function groupsGoOn(text: string, place: number, step: 1 | -1, character: string): boolean {
  return /\s/u.test(character) && /\d/.test(text.charAt(place + step));
}

/** Whole characters, also where they take two units. */
function characterAt(text: string, place: number, step: 1 | -1): string | undefined {
  if (place < 0 || place >= text.length) return undefined;
  const low = step === -1 && /[\uDC00-\uDFFF]/.test(text.charAt(place)) && place > 0;
  const code = text.codePointAt(low ? place - 1 : place) ?? 0;
  return String.fromCodePoint(code);
}

const opening = new Set('([{"\'“„‘«<$€£¥~≈#');
const closing = new Set(')]}"\'”’»>.,;:!?%$€£¥');

/** The numbers that a text names, as JavaScript writes them. Those that two people could read differently are left out. */
function numbersIn(text: string): readonly string[] {
  const numbers: string[] = [];
  let before: NumberBefore | undefined;
  for (let place = nextDigit(text, 0); place !== -1; place = nextDigit(text, place)) {
    const start = wordEdge(text, place, -1) + 1;
    const end = wordEdge(text, place, 1);
    const word = text.slice(start, end);
    const follows = before !== undefined && text.slice(before.end, start).trim() === '';
    if (before !== undefined && follows && /^[^\d\p{L}]*\d{3}(?!\d)/u.test(word)) {
      // Groups of a number that is written with spaces: neither its first group nor this one is a number.
      numbers.length = before.known;
      before = endsInGroup(word) ? { end, known: before.known } : undefined;
    } else {
      before = endsInGroup(word) ? { end, known: numbers.length } : undefined;
      const number = word.length > maxNumberLength ? undefined : readNumber(bareWord(word));
      if (number !== undefined) numbers.push(number);
    }
    place = end;
  }
  return numbers;
}

/** A word that more groups of three may follow. */
interface NumberBefore {
  readonly end: number;
  /** How many numbers were known before it. */
  readonly known: number;
}

function nextDigit(text: string, from: number): number {
  let place = from;
  while (place < text.length && !isDigit(text.charCodeAt(place))) place += 1;
  return place < text.length ? place : -1;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The place of the white space before or behind a word. Walks over each word once, since what follows begins behind it. */
function wordEdge(text: string, from: number, step: 1 | -1): number {
  let place = from;
  while (place >= 0 && place < text.length && !isSpace(text.charCodeAt(place))) place += step;
  return place;
}

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d) || (code > 0x7f && /\s/u.test(String.fromCharCode(code)));
}

function endsInGroup(word: string): boolean {
  return /(?:^|\D)\d{1,3}$/.test(word.slice(-4));
}

function bareWord(word: string): string {
  let start = 0;
  let end = word.length;
  while (start < end && opening.has(word.charAt(start))) start += 1;
  while (end > start && closing.has(word.charAt(end - 1))) end -= 1;
  return word.slice(start, end);
}

const forms: readonly { readonly form: RegExp; readonly group: string; readonly point: string }[] = [
  // Plain, with a point or a comma before a fraction that cannot be a group of three.
  { form: /^[-−]?(?:0|[1-9]\d*)(?:\.\d+)?$/, group: '', point: '.' },
  { form: /^[-−]?(?:0|[1-9]\d*),\d+$/, group: '', point: ',' },
  // In groups of three: several of them, or one that a fraction follows.
  { form: /^[-−]?[1-9]\d{0,2}(?:,\d{3})+\.\d+$/, group: ',', point: '.' },
  { form: /^[-−]?[1-9]\d{0,2}(?:\.\d{3})+,\d+$/, group: '.', point: ',' },
  { form: /^[-−]?[1-9]\d{0,2}(?:,\d{3}){2,}$/, group: ',', point: '.' },
  { form: /^[-−]?[1-9]\d{0,2}(?:\.\d{3}){2,}$/, group: '.', point: ',' },
  { form: /^[-−]?[1-9]\d{0,2}(?:['’]\d{3})+(?:\.\d+)?$/, group: "'", point: '.' },
];
const doubtful = /^[-−]?[1-9]\d{0,2}[.,]\d{3}$/;

function readNumber(word: string): string | undefined {
  if (/^[1-9]\d{0,14}$/.test(word)) return word;
  const found = doubtful.test(word) ? undefined : forms.find(({ form }) => form.test(word));
  if (found === undefined) return undefined;
  const plain = word.replace('−', '-').replaceAll('’', "'");
  const [whole = '', fraction = ''] = plain.replaceAll(found.group, '').split(found.point);
  const digits = fraction.replace(/0+$/, '');
  const text = digits === '' ? whole : `${whole}.${digits}`;
  const number = Number(text);
  // More digits than a number holds: it is not this one.
  return String(number) === text ? text : undefined;
}

/**
 * Whether a tool's answer may only repeat what calls were given. Where a reading is in doubt the answer is yes:
 * `iban=DE89` repeats `DE 89`, as `1,500` does both 1500 and 1.5.
 *
 * Nothing is parsed here. What a parser makes of a text depends on where the text begins and ends, and a tool may cut it
 * out of another. So the escapes of JSON are resolved wherever they stand, level by level until none are left, and each
 * level is looked through without what stands between its letters and digits: brackets, quotes and names do not matter.
 * @module
 */
import { findAll, once, patternOf, type Pattern } from './find-text.ts';
import { anyNumbersIn, wholeNumbersOf } from './any-number.ts';

export interface Repetitions {
  /** Whether any of the first `calls` may have been given the value. */
  among(value: unknown, calls: number): boolean;
}

/**
 * @param givens JSON of what each call was given, the oldest first; empty where there is nothing
 * @param work what is compared is taken from it; when nothing is left, everything is a repetition
 */
export function createRepetitions(givens: readonly string[], work: { left: number }): Repetitions {
  const calls = givens.map((json) => (json === '' ? undefined : createGiven(json, anyNumbersIn, work)));
  /** Each value is compared with each call once, whatever number of results it is in. */
  const looks = new Map<unknown, { readonly sought: Sought; next: number; found: boolean }>();
  return {
    among(value, count) {
      const look = looks.get(value) ?? { sought: soughtOf(value, work), next: 0, found: false };
      looks.set(value, look);
      while (!look.found && look.next < count) {
        look.found = work.left <= 0 || calls[look.next]?.holds(look.sought) === true;
        look.next += 1;
      }
      return look.found && look.next <= count;
    },
  };
}

interface Sought {
  /** `undefined`: compared as a number alone. */
  readonly pattern: Pattern | undefined;
  readonly numbers: readonly number[];
}

export function soughtOf(value: unknown, work: { left: number }): Sought {
  if (typeof value === 'number') return { pattern: undefined, numbers: [Math.abs(value)] };
  const text = String(value);
  const pattern = patternOf(skeletonOf(text));
  work.left -= text.length + pattern.text.length;
  return { pattern, numbers: wholeNumbersOf(text) };
}

interface Given {
  holds(sought: Sought): boolean;
}

/** @param read the numbers of a text that count */
export function createGiven(given: string, read: ReadNumbers, work: { left: number }): Given {
  const levels = once(() => levelsOf(given, work));
  const numbers = once(() => numbersOf(levels() ?? [], read, work));
  return {
    holds({ pattern, numbers: wanted }) {
      const texts = levels();
      if (texts === undefined) return true;
      const inTexts =
        pattern !== undefined &&
        texts.some(({ skeleton }) => {
          work.left -= skeleton.length + 1;
          return findAll(skeleton, pattern);
        });
      if (inTexts || wanted.length === 0) return inTexts;
      const known = numbers();
      return known === undefined || wanted.some((number) => known.has(number));
    },
  };
}

type ReadNumbers = (text: string, work: { left: number }) => Iterable<number>;

/** `undefined`: more of them than can be read. */
function numbersOf(
  levels: readonly Level[],
  read: ReadNumbers,
  work: { left: number },
): ReadonlySet<number> | undefined {
  const numbers = new Set<number>();
  for (const { text } of levels) for (const number of read(text, work)) numbers.add(number);
  return work.left > 0 ? numbers : undefined;
}

interface Level {
  readonly text: string;
  readonly skeleton: string;
}

const maxLevels = 16;
/** Making a skeleton takes several passes over a text, and it may be longer than that. */
const skeletonWork = 4;

/** The text, and what it says when its escapes are resolved once, twice, and so on. `undefined`: more often than anybody reads. */
function levelsOf(given: string, work: { left: number }): readonly Level[] | undefined {
  const levels: Level[] = [];
  for (let text = given; levels.length < maxLevels && work.left > 0;) {
    const skeleton = skeletonOf(text);
    work.left -= skeletonWork * Math.max(text.length, skeleton.length);
    levels.push({ text, skeleton });
    const resolved = text.includes('\\') ? resolveEscapes(text) : text;
    if (resolved === text) return levels;
    text = resolved;
  }
  return undefined;
}

function resolveEscapes(text: string): string {
  return text.replace(/\\(?:u([0-9a-f]{4})|(.))/gis, (_, code: string | undefined, character = '') => {
    if (code !== undefined) return String.fromCharCode(Number.parseInt(code, 16));
    return /[bfnrt]/.test(character) ? ' ' : character;
  });
}

/**
 * Letters and digits alone, in one spelling: without accents, and in capitals, since small letters depend on what
 * follows them (`ς`, `σ`) and may be several (`ß`). Without iotas: below another letter they are accents, in capitals letters.
 */
function skeletonOf(text: string): string {
  const capitals = text.normalize('NFKD').toLowerCase().toUpperCase();
  return capitals.replace(/[^\p{L}\p{N}]+|\u0399/gu, '');
}

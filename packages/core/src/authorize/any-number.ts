/**
 * Numbers by every reading, for where a doubt counts as yes. Without their signs.
 * @module
 */

/** No number is longer, and the groups of one text may be many. */
const maxLength = 40;

/** What one reading costs, in units of comparison. */
const readingWork = 32;

interface Group {
  readonly digits: string;
  readonly begin: number;
  readonly end: number;
  /** `e3` behind it. */
  readonly exponent: string;
}

/** Whatever people, JSON and JavaScript may read as a number anywhere in a text. What is read is taken from `work`. */
export function* anyNumbersIn(text: string, work: { left: number }): Generator<number> {
  const wide = text.normalize('NFKC');
  for (const form of wide === text ? [text] : [text, wide]) {
    for (const [literal] of form.matchAll(/0[xob][\da-f]+/gi)) yield Number(literal);
    const groups = groupsIn(form);
    for (const first of groups.keys()) {
      if (work.left <= 0) return;
      yield* numbersFrom(groups, first, form, work);
    }
  }
}

/** A text that as a whole may be read as a number: `1,500.00`, but not `1500 euros`. */
export function wholeNumbersOf(text: string): readonly number[] {
  if (text.length > maxLength || !/^[^\p{L}]*\d[^\p{L}]*(?:e[+-]?\d+)?[^\p{L}]*$/iu.test(text)) return [];
  const groups = groupsIn(text);
  const exponent = groups.find((group) => group.exponent !== '')?.exponent;
  const parts = groups.map(({ digits }) => digits);
  return readings(exponent === undefined ? parts : parts.slice(0, -1), exponent ?? '');
}

function groupsIn(text: string): readonly Group[] {
  return [...text.matchAll(/\d+/g)].map((found): Group => {
    const [digits] = found;
    const begin = found.index;
    const end = begin + digits.length;
    const [exponent = ''] = /^e[+-]?\d{1,6}/i.exec(text.slice(end, end + 8)) ?? [];
    return { digits, begin, end, exponent };
  });
}

/** Of all groups that may belong together, beginning with one. */
function* numbersFrom(
  groups: readonly Group[],
  first: number,
  text: string,
  work: { left: number },
): Generator<number> {
  const parts: string[] = [];
  const begin = groups[first]?.begin ?? 0;
  for (let index = first, group = groups[first]; group !== undefined; index += 1) {
    parts.push(group.digits);
    work.left -= readingWork;
    yield* readings(parts, '');
    if (group.exponent !== '') yield* readings(parts, group.exponent);
    const next = groups[index + 1];
    // A fraction of any length may follow the first group.
    if (next === undefined || (parts.length > 1 && next.end - begin > maxLength)) return;
    if (!/^[^\p{L}\p{N}]{1,3}$/u.test(text.slice(group.end, next.begin))) return;
    group = next;
  }
}

/** In one piece, and with a point before the last part. */
function readings(parts: readonly string[], exponent: string): readonly number[] {
  const fraction = `${parts.slice(0, -1).join('')}.${parts.at(-1) ?? ''}`;
  return [parts.join(''), fraction].map((digits) => Number(`${digits}${exponent}`));
}

/**
 * Finds one text in others, in time linear in both: Knuth–Morris–Pratt (1977).
 * @module
 */

export interface Pattern {
  readonly text: string;
  /** How far a failed comparison need not go back. Computed when something long enough is looked through. */
  failures(): Int32Array;
}

export function patternOf(text: string): Pattern {
  return { text, failures: once(() => failuresOf(text)) };
}

export function once<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}

function failuresOf(wanted: string): Int32Array {
  const failures = new Int32Array(wanted.length);
  for (let index = 1, length = 0; index < wanted.length; index += 1) {
    while (length > 0 && wanted.charCodeAt(index) !== wanted.charCodeAt(length)) length = failures[length - 1] ?? 0;
    if (wanted.charCodeAt(index) === wanted.charCodeAt(length)) length += 1;
    failures[index] = length;
  }
  return failures;
}

/** Whether the text is found at a place that `counts`. Nothing is found everywhere. */
export function findAll(
  text: string,
  pattern: Pattern,
  counts: (begin: number, end: number) => boolean = () => true,
): boolean {
  const wanted = pattern.text;
  if (wanted === '') return true;
  if (text.length < wanted.length) return false;
  const failures = pattern.failures();
  const first = wanted.charAt(0);
  for (let index = text.indexOf(first), length = 0; index !== -1 && index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    while (length > 0 && code !== wanted.charCodeAt(length)) length = failures[length - 1] ?? 0;
    if (code === wanted.charCodeAt(length)) length += 1;
    else index = text.indexOf(first, index + 1) - 1;
    if (index < 0) return false;
    if (length < wanted.length) continue;
    if (counts(index + 1 - length, index + 1)) return true;
    length = failures[length - 1] ?? 0;
  }
  return false;
}

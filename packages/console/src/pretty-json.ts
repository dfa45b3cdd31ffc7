/**
 * Canonical JSON over several lines. Only white space is added: no value is read and written again, so that members
 * keep their order and every character stays what the digest covers.
 * @module
 */
import { maxPointer } from '@countersign/core/channel';

const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gu;

export interface JsonLine {
  readonly text: string;
  /**
   * JSON Pointer (RFC 6901) of the value on this line, where it is no object and no array. None where it is too long: such
   * a value has no origin either.
   */
  readonly pointer?: string;
}

/** Text that is no JSON comes back as it is. */
export function prettyJson(canonical: string): string {
  return Array.from(layOut(canonical, createDepth()), ({ text }) => text).join('\n');
}

/** One after the other: whoever has seen enough stops, and the rest costs nothing. */
export function jsonLines(canonical: string): Iterable<JsonLine> {
  return layOut(canonical, createPlace());
}

function* layOut(canonical: string, place: Place): Iterable<JsonLine> {
  if (canonical.replaceAll(token, '') !== '') {
    for (const text of canonical.split('\n')) yield { text };
    return;
  }
  let line: JsonLine = { text: '' };
  const write = (text: string, pointer = line.pointer): void => {
    line = { text: line.text + text, ...(pointer === undefined ? {} : { pointer }) };
  };
  const newLine = (): JsonLine => {
    const done = line;
    line = { text: '  '.repeat(place.depth()) };
    return done;
  };
  for (const [before, each, after] of tokensOf(canonical)) {
    if (isOpening(each)) {
      place.open(each === '[');
      write(each);
      if (!isClosing(after)) yield newLine();
    } else if (isClosing(each)) {
      place.close();
      if (!isOpening(before)) yield newLine();
      write(each);
    } else if (each === ',') {
      write(each);
      place.next();
      yield newLine();
    } else if (each === ':') write(': ');
    else if (after === ':') {
      place.name(each);
      write(each);
    } else write(each, place.pointer());
  }
  yield line;
}

type Tokens = readonly [before: string | undefined, each: string, after: string | undefined];

/** Each with its neighbours. */
function* tokensOf(canonical: string): Iterable<Tokens> {
  let before: string | undefined;
  let each: string | undefined;
  for (const [after] of canonical.matchAll(token)) {
    if (each !== undefined) yield [before, each, after];
    [before, each] = [each, after];
  }
  if (each !== undefined) yield [before, each, undefined];
}

/** Where in the document one is. */
interface Place {
  depth(): number;
  open(list: boolean): void;
  close(): void;
  next(): void;
  name(text: string): void;
  pointer(): string | undefined;
}

/** For whoever needs no pointers. */
function createDepth(): Place {
  let depth = 0;
  const nothing = (): undefined => undefined;
  return {
    depth: () => depth,
    open: () => void (depth += 1),
    close: () => void (depth -= 1),
    next: nothing,
    name: nothing,
    pointer: nothing,
  };
}

interface Level {
  /** Pointer of the object or array itself. */
  readonly at: string | undefined;
  name: string | number;
}

/** Made of the pointer around it: with the names of all levels anew for each value, deep arguments take gigabytes. */
function createPlace(): Place {
  const levels: Level[] = [];
  const pointer = (): string | undefined => {
    const last = levels.at(-1);
    if (last === undefined) return '';
    if (last.at === undefined || String(last.name).length >= maxPointer) return undefined;
    const own = `${last.at}/${String(last.name).replaceAll('~', '~0').replaceAll('/', '~1')}`;
    return own.length > maxPointer ? undefined : own;
  };
  return {
    depth: () => levels.length,
    open: (list) => void levels.push({ at: pointer(), name: list ? 0 : '' }),
    close: () => void levels.pop(),
    next() {
      const last = levels.at(-1);
      if (typeof last?.name === 'number') last.name += 1;
    },
    name(text) {
      const last = levels.at(-1);
      if (last !== undefined) last.name = nameIn(text);
    },
    pointer,
  };
}

function nameIn(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}

function isOpening(text: string | undefined): boolean {
  return text === '{' || text === '[';
}

function isClosing(text: string | undefined): boolean {
  return text === '}' || text === ']';
}

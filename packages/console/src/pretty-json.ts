/**
 * Canonical JSON over several lines. Only white space is added: no value is read and written again, so that members
 * keep their order and every character stays what the digest covers.
 * @module
 */
const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gu;

export interface JsonLine {
  readonly text: string;
  /** JSON Pointer (RFC 6901) of the value on this line, where it is no object and no array. */
  readonly pointer?: string;
}

/** Text that is no JSON comes back as it is. */
export function prettyJson(canonical: string): string {
  return jsonLines(canonical)
    .map(({ text }) => text)
    .join('\n');
}

export function jsonLines(canonical: string): readonly JsonLine[] {
  const tokens = canonical.match(token) ?? [];
  if (tokens.join('') !== canonical) return canonical.split('\n').map((text) => ({ text }));
  const lines: JsonLine[] = [];
  const place = createPlace();
  let line: JsonLine = { text: '' };
  const newLine = (): void => {
    lines.push(line);
    line = { text: '  '.repeat(place.depth()) };
  };
  const write = (text: string, pointer?: string): void => {
    line = {
      text: line.text + text,
      ...(pointer === undefined ? (line.pointer === undefined ? {} : { pointer: line.pointer }) : { pointer }),
    };
  };
  for (const [index, each] of tokens.entries()) {
    if (isOpening(each)) {
      place.open(each === '[');
      write(each);
      if (!isClosing(tokens[index + 1])) newLine();
    } else if (isClosing(each)) {
      place.close();
      if (!isOpening(tokens[index - 1])) newLine();
      write(each);
    } else if (each === ',') {
      write(each);
      place.next();
      newLine();
    } else if (each === ':') write(': ');
    else if (tokens[index + 1] === ':') {
      place.name(each);
      write(each);
    } else write(each, place.pointer());
  }
  lines.push(line);
  return lines;
}

/** Where in the document one is. */
function createPlace() {
  const names: (string | number)[] = [];
  return {
    depth: () => names.length,
    open: (list: boolean) => void names.push(list ? 0 : ''),
    close: () => void names.pop(),
    next() {
      const last = names.at(-1);
      if (typeof last === 'number') names[names.length - 1] = last + 1;
    },
    name(text: string) {
      if (names.length > 0) names[names.length - 1] = nameIn(text);
    },
    pointer: () => names.map((name) => `/${String(name).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''),
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

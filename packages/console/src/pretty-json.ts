/**
 * Canonical JSON over several lines. Only white space is added: no value is read and written again, so that members
 * keep their order and every character stays what the digest covers.
 * @module
 */
const token = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gu;

/** Text that is no JSON comes back as it is. */
export function prettyJson(canonical: string): string {
  const tokens = canonical.match(token) ?? [];
  if (tokens.join('') !== canonical) return canonical;
  let depth = 0;
  let text = '';
  const newLine = (): string => `\n${'  '.repeat(depth)}`;
  for (const [index, each] of tokens.entries()) {
    if (each === '{' || each === '[') {
      depth += 1;
      text += isClosing(tokens[index + 1]) ? each : `${each}${newLine()}`;
    } else if (isClosing(each)) {
      depth = Math.max(0, depth - 1);
      text += isOpening(tokens[index - 1]) ? each : `${newLine()}${each}`;
    } else if (each === ',') text += `,${newLine()}`;
    else text += each === ':' ? ': ' : each;
  }
  return text;
}

function isOpening(text: string | undefined): boolean {
  return text === '{' || text === '[';
}

function isClosing(text: string | undefined): boolean {
  return text === '}' || text === ']';
}

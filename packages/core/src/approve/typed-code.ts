/**
 * Codes that people type by hand: Crockford's base 32, which has no letter that is read as another.
 * @module
 */
const letters = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const readAs: Readonly<Record<string, string>> = { O: '0', I: '1', L: '1' };

/** One letter of 5 bits for each byte. */
export function codeOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => letters[byte % letters.length]).join('');
}

/** As it is shown: in groups of four. */
export function groupedCode(code: string): string {
  return code.replaceAll(/(.{4})(?!$)/g, '$1-');
}

/** What was typed, as `codeOf` writes it: without spaces and hyphens, in capitals, O for zero, I and L for one. */
export function typedCode(text: string): string {
  const code = text.toUpperCase().replaceAll(/[\s-]/g, '');
  return code.replaceAll(/[OIL]/g, (letter) => readAs[letter] ?? letter);
}

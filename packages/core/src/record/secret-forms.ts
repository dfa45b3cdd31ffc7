/**
 * How secrets look, kept once: what redaction takes out of records, `countersign doctor` finds in files.
 * @module
 */

/** Compared with a key in lower case without separators. Too much is hidden rather than too little. */
const secretKeyParts = [
  'password',
  'passwd',
  'passphrase',
  'secret',
  'token',
  'apikey',
  'accesskey',
  'privatekey',
  'signingkey',
  'authorization',
  'credential',
  'cookie',
  'sessionid',
  'bearer',
  'connectionstring',
];
const secretKeys = new Set(['auth', 'jwt', 'pwd', 'pass', 'pin', 'otp', 'totp', 'cvv', 'cvc', 'sid', 'signature']);
const maxKey = 256;

/** Secrets known by their form, wherever they stand. Each alternative is linear on the short text it is used on. */
export const secretForms: RegExp =
  /-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|xapp-|sk-|hvs\.|hvb\.|npm_|pypi-|AKIA|ASIA|AIza|AGE-SECRET-KEY-)[\w.-]{12,}|\beyJ[\w-]{8,}\.[\w.-]*|\b(?:Bearer|Basic) [\w.~+/=-]{8,}|(?<=:\/\/[^\s/:@]{0,64}:)[^\s/@]+(?=@)/gi;

/** Whether a member or a variable of this name holds a secret. */
export function namesSecret(key: unknown): boolean {
  if (typeof key !== 'string') return false;
  const plain = key
    .slice(0, maxKey)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/g, '');
  return secretKeys.has(plain) || secretKeyParts.some((part) => plain.includes(part));
}

/** A secret that stands in a text. What it is, is not in it. */
export interface LiteralSecret {
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** `form`: it looks like one · `assignment`: it is assigned to a name that says so. */
  readonly kind: 'form' | 'assignment';
}

/** `name: "value"`, `name = 'value'`, `"name": "value"` and `NAME=value` at the end of a line. */
const assignment =
  /(?<name>[A-Za-z_][\w.-]{0,63})["'`]?\s{0,8}(?:=>|[:=])\s{0,8}(?:(?<quote>["'`])(?<quoted>[^"'`\s]{12,512})\k<quote>|(?<bare>[^\s"'`(){}<>,;$=]{16,512}={0,2})\s*$)/g;
/** Words that stand in for a value. */
const placeholder = /example|placeholder|change.?me|redacted|dummy|your[-_]|xxxx|\*{3}|\.{3}|^[<$%{[]|\$\{|\benv[.[]/i;
/** Passwords in addresses that protect nothing. */
const word = /^(?:u|p|pw|pass|passwd|password|secret|token|postgres|root|guest|test)$/i;
/** Names of what only points to a secret. */
const namesReference = /(?:id|name|type|ref|uri|url|path|file)$/i;
const minEntropy = 3.3;
/** Long lines are read in pieces that overlap, so that no pattern sees more than this. */
const maxPiece = 4_096;
const overlap = 640;

/** Every literal secret in a text, by its place. Linear in its length. */
export function findLiteralSecrets(text: string): readonly LiteralSecret[] {
  const found = new Map<string, LiteralSecret>();
  for (const [index, line] of text.split('\n').entries()) {
    for (let from = 0; from === 0 || from < line.length - overlap; from += maxPiece - overlap) {
      for (const { at, kind } of inPiece(line.slice(from, from + maxPiece))) {
        const place = { line: index + 1, column: from + at + 1 };
        found.set(`${place.line}:${place.column}`, { ...place, kind });
      }
    }
  }
  return [...found.values()];
}

function inPiece(piece: string): { readonly at: number; readonly kind: LiteralSecret['kind'] }[] {
  const found: { at: number; kind: LiteralSecret['kind'] }[] = [];
  for (const match of piece.matchAll(secretForms)) {
    if (isForm(match[0])) found.push({ at: match.index, kind: 'form' });
  }
  for (const match of piece.matchAll(assignment)) {
    const { name, quoted, bare } = match.groups ?? {};
    const value = quoted ?? bare ?? '';
    if (!namesSecret(name) || namesReference.test(name ?? '') || !looksRandom(value)) continue;
    const at = match.index + match[0].lastIndexOf(value);
    if (!found.some((form) => form.at === at)) found.push({ at, kind: 'assignment' });
  }
  return found;
}

/** What the forms take for a secret, and text about secrets is full of. */
function isForm(match: string): boolean {
  const [, scheme, credential = ''] = /^(Bearer|Basic) (.*)$/i.exec(match) ?? [];
  if (scheme !== undefined) return credential.length >= 16 && looksRandom(credential);
  return !placeholder.test(match) && !word.test(match);
}

/** Not a word, a name, a path or a stand-in: letters and digits without much order. */
function looksRandom(value: string): boolean {
  if (!/\d/.test(value) || !/[A-Za-z]/.test(value) || placeholder.test(value)) return false;
  return entropyOf(value) >= minEntropy;
}

/** Shannon, in bits per character. */
function entropyOf(text: string): number {
  const counts = new Map<string, number>();
  for (const character of text) counts.set(character, (counts.get(character) ?? 0) + 1);
  const shares = [...counts.values()].map((count) => count / text.length);
  return -shares.reduce((sum, share) => sum + share * Math.log2(share), 0);
}

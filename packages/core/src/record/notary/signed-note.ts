/**
 * Signed notes, as C2SP `signed-note` v1 defines them, with Ed25519 (signature type `0x01`): a text, a blank line, and
 * lines `— <key name> base64(key id ‖ signature)`.
 * @module
 */
import { createPublicKey, hash, verify, type KeyObject } from 'node:crypto';
import { KeyError, LedgerError } from '../../errors.ts';

/** Who signs: the name in the signature line, and the Ed25519 key that belongs to it. */
export interface NoteVerifier {
  /** No space and no plus; a schema-less URL such as `audit.example.com/production`. */
  readonly name: string;
  readonly publicKey: KeyObject;
}

/** Signs in its own time, so that the key may live in another process or service. */
export interface NoteSigner extends NoteVerifier {
  /** Ed25519 (RFC 8032) over exactly these bytes: 64 bytes. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

const ed25519 = 1;
const keyIdBytes = 4;
const signatureBytes = 64;
const publicKeyBytes = 32;
/** Of DER `SubjectPublicKeyInfo` (RFC 8410) before the 32 bytes of an Ed25519 key. */
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex');
const nameForm = /^[^\s+\p{Cc}]{1,200}$/u;
const maxNoteCharacters = 100_000;
const maxSignatures = 16;

/** @throws KeyError for a name that a signature line cannot hold */
export function requireNoteName(name: unknown): string {
  if (typeof name === 'string' && nameForm.test(name) && name.isWellFormed()) return name;
  throw new KeyError('a key name must be text without spaces and plus signs, such as audit.example.com/production');
}

/** The key as one line: `<name>+<key id>+<base64 of type and key>`. */
export function formatVerifierKey({ name, publicKey }: NoteVerifier): string {
  const raw = rawPublicKey(publicKey);
  const material = Buffer.concat([Buffer.of(ed25519), raw]).toString('base64');
  return `${requireNoteName(name)}+${keyId(name, raw).toString('hex')}+${material}`;
}

/** @throws KeyError unless it is one line as `formatVerifierKey` makes it */
export function parseVerifierKey(text: string): NoteVerifier {
  const [, name = '', id = '', encoded = ''] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text.trim()) ?? [];
  const material = canonicalBase64(encoded);
  const raw = material?.subarray(1);
  if (!nameForm.test(name) || material?.[0] !== ed25519 || raw?.length !== publicKeyBytes) {
    throw new KeyError('expected a public key such as `audit.example.com/production+0123abcd+AZ…`; see `audit key`');
  }
  if (keyId(name, raw).toString('hex') !== id) {
    throw new KeyError(`the public key of ${name} was mistyped or changed: its id does not match; copy it again`);
  }
  const publicKey = createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' });
  return { name, publicKey };
}

/** The note: the text, a blank line, one signature. `text` ends with a line feed. */
export async function signNote(text: string, signer: NoteSigner): Promise<string> {
  const signature = await signer.sign(Buffer.from(text));
  if (!verifiesText(text, signature, signer.publicKey)) {
    throw new KeyError(`what the signer of ${signer.name} answered is no signature of its own key`);
  }
  const id = keyId(requireNoteName(signer.name), rawPublicKey(signer.publicKey));
  return `${text}\n— ${signer.name} ${Buffer.concat([id, signature]).toString('base64')}\n`;
}

/** The text of a note that this key signed. Signatures of unknown keys are passed over. Throws `LedgerError`. */
export function openNote(note: string, { name, publicKey }: NoteVerifier): string {
  const { text, signatures } = splitNote(note);
  const id = keyId(name, rawPublicKey(publicKey));
  const own = signatures.filter((signature) => signature.name === name && signature.id.equals(id));
  if (own.length === 0) {
    throw new LedgerError(`the note is not signed by ${name}: it is another's, or this is not the public key of today`);
  }
  if (own.every(({ bytes }) => verifiesText(text, bytes, publicKey))) return text;
  throw new LedgerError(`the signature of ${name} does not belong to this note: one of them was changed`);
}

interface NoteSignature {
  readonly name: string;
  readonly id: Buffer;
  readonly bytes: Buffer;
}

function splitNote(note: string): { readonly text: string; readonly signatures: readonly NoteSignature[] } {
  const end = note.lastIndexOf('\n\n');
  const sound = note.length <= maxNoteCharacters && note.isWellFormed() && !/[^\n\P{Cc}]/u.test(note);
  if (!sound || end < 0 || !note.endsWith('\n')) {
    throw malformed('a text, a blank line and signatures');
  }
  const lines = note.slice(end + 2, -1).split('\n');
  if (lines.length > maxSignatures) throw malformed(`at most ${maxSignatures} signatures`);
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignature) };
}

function parseSignature(line: string): NoteSignature {
  const [, name = '', encoded = ''] = /^— (\S+) (\S+)$/.exec(line) ?? [];
  const bytes = canonicalBase64(encoded);
  if (!nameForm.test(name) || bytes === undefined || bytes.length <= keyIdBytes) {
    throw malformed('signature lines of the form `— name base64`');
  }
  return { name, id: bytes.subarray(0, keyIdBytes), bytes: bytes.subarray(keyIdBytes) };
}

function malformed(expected: string): LedgerError {
  return new LedgerError(`this is no signed note: expected ${expected}; fetch it again`);
}

function verifiesText(text: string, signature: Uint8Array, publicKey: KeyObject): boolean {
  return signature.length === signatureBytes && verify(null, Buffer.from(text), publicKey, signature);
}

/** Bytes in standard base64 with padding, or `undefined` when another text would give the same bytes. */
export function canonicalBase64(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64');
  return text !== '' && bytes.toString('base64') === text ? bytes : undefined;
}

function keyId(name: string, raw: Uint8Array): Buffer {
  const material = Buffer.concat([Buffer.from(`${name}\n`), Buffer.of(ed25519), raw]);
  return hash('sha256', material, 'buffer').subarray(0, keyIdBytes);
}

function rawPublicKey(key: KeyObject): Buffer {
  if (key?.type !== 'public' || key.asymmetricKeyType !== 'ed25519') {
    throw new KeyError('the key of a note must be an Ed25519 public key');
  }
  return key.export({ format: 'der', type: 'spki' }).subarray(spkiPrefix.length);
}

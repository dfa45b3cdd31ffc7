import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KeyError, LedgerError } from '../../../src/errors.ts';
import { openCheckpoint, signCheckpoint } from '../../../src/record/notary/checkpoint.ts';
import { rootOf } from '../../../src/record/notary/merkle.ts';
import { createNoteSigner } from '../../../src/record/notary/note-signer.ts';
import {
  formatVerifierKey,
  openNote,
  parseVerifierKey,
  signNote,
  type NoteSigner,
} from '../../../src/record/notary/signed-note.ts';
import { verifies } from '../../../../../test/verifies.ts';

/** The example in C2SP's signed-note.md. */
const published = {
  key: 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k',
  note: 'This is an example message.\n\n— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n',
};
const signer = createNoteSigner('audit.example.com/test', Buffer.alloc(32, 3));
const stranger = createNoteSigner('audit.example.com/test', Buffer.alloc(32, 4));
const origin = 'audit.example.com/test/acme';
const root = rootOf([Buffer.alloc(32, 1)]);

verifies('AUD-4', 'the example of the C2SP specification verifies, and its key is written the same way', () => {
  const verifier = parseVerifierKey(published.key);
  expect(openNote(published.note, verifier)).toBe('This is an example message.\n');
  expect(formatVerifierKey(verifier)).toBe(published.key);
});

test('what was signed is read back with the public key alone', async () => {
  const verifier = parseVerifierKey(formatVerifierKey(signer));
  const note = await signCheckpoint({ origin, size: 7, root }, signer);
  expect(openCheckpoint(note, verifier, origin)).toEqual({ origin, size: 7, root });
  expect(note.split('\n').slice(0, 4)).toEqual([origin, '7', root.toString('base64'), '']);
});

test('signatures of others are passed over, as a witness adds them', async () => {
  const note = await signCheckpoint({ origin, size: 7, root }, signer);
  const line = (await signNote('another\n', createNoteSigner('witness.example', Buffer.alloc(32, 9)))).split('\n\n')[1];
  expect(openCheckpoint(`${note}${line}`, signer, origin)).toMatchObject({ size: 7 });
});

describe('a forged note is refused with a typed error that says what to do:', () => {
  const forgeries: readonly [string, (note: string) => string | Promise<string>, RegExp][] = [
    ['by an unknown key', () => signCheckpoint({ origin, size: 7, root }, stranger), /not signed by/],
    ['for another origin', () => signCheckpoint({ origin: `${origin}2`, size: 7, root }, signer), /ask for the right/],
    ['with another size', (note) => note.replace('\n7\n', '\n8\n'), /was changed/],
    ['with a signature in bad base64', (note) => note.replace(/.=\n$/, '\n'), /no signed note/],
    ['with loose bits in the base64', (note) => loosened(note), /no signed note/],
    [
      'with an extra signed line',
      () => signNote(`${origin}\n7\n${root.toString('base64')}\nmore\n`, signer),
      /three lines/,
    ],
    ['with a line added after signing', (note) => note.replace('\n7\n', '\n7\nmore\n'), /was changed/],
    ['without a signature', (note) => `${note.split('\n\n')[0] ?? ''}\n`, /no signed note/],
    ['without a blank line', (note) => note.replace('\n\n', '\n'), /no signed note/],
    ['with control characters', (note) => note.replace('\n7', '\n7\u001b'), /no signed note/],
    ['with a carriage return', (note) => note.replaceAll('\n', '\r\n'), /no signed note/],
    ['that is empty', () => '', /no signed note/],
    ['that is endless', (note) => 'x'.repeat(200_000) + note, /no signed note/],
    ['with a size that is none', () => signNote(`${origin}\n07\n${root.toString('base64')}\n`, signer), /three lines/],
    ['with a root that is none', () => signNote(`${origin}\n7\nAAAA\n`, signer), /three lines/],
    ['of an empty log with a root', () => signCheckpoint({ origin, size: 0, root }, signer), /empty tree/],
  ];
  for (const [name, forge, message] of forgeries) {
    verifies('AUD-4', name, async () => {
      const note = await forge(await signCheckpoint({ origin, size: 7, root }, signer));
      const open = (): unknown => openCheckpoint(note, signer, origin);
      expect(open).toThrow(LedgerError);
      expect(open).toThrow(message);
    });
  }
});

/** The same bytes for a lenient decoder. */
function loosened(note: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  return note.replace(
    /(.)(=+)\n$/,
    (_, last: string, pad: string) => `${alphabet[alphabet.indexOf(last) + 1]}${pad}\n`,
  );
}

describe('a key is refused', () => {
  test('when it was mistyped, is of another kind, or is no key', () => {
    const key = formatVerifierKey(signer);
    for (const text of [
      '',
      'key',
      key.replace('+', ' '),
      key.slice(0, -4),
      key.replace(/\+[0-9a-f]{8}/, '+00000000'),
    ]) {
      expect(() => parseVerifierKey(text)).toThrow(KeyError);
    }
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    expect(() => createNoteSigner('x', rsa.privateKey)).toThrow(KeyError);
    expect(() => formatVerifierKey({ name: 'x', publicKey: rsa.publicKey })).toThrow(KeyError);
    for (const name of ['', 'two words', 'a+b', 'x\ny']) {
      expect(() => createNoteSigner(name, Buffer.alloc(32, 3))).toThrow(KeyError);
    }
  });

  test('when a signing service answers with something else', async () => {
    const liar: NoteSigner = { ...signer, sign: async () => Buffer.alloc(64) };
    await expect(signNote('text\n', liar)).rejects.toThrow(KeyError);
  });
});

/**
 * The notary's keys and what it left elsewhere: the options that the commands about seals share.
 * @module
 */
import { existsSync, readFileSync } from 'node:fs';
import {
  createNoteSigner,
  fileWitness,
  KeyError,
  parseVerifierKey,
  readKeyFile,
  type NoteSigner,
  type NoteVerifier,
  type Witness,
} from '@countersign/core';
import { requireFile } from './files.ts';

export const defaultName = 'countersign';
const maxKeyCharacters = 1000;

/** The key in the file, or the argument itself: a public key is no secret. */
export function verifierFrom(fileOrKey: string): NoteVerifier {
  if (!existsSync(fileOrKey) && fileOrKey.includes('+')) return parseVerifierKey(fileOrKey);
  const text = readFileSync(requireFile('public key', fileOrKey), 'utf8');
  if (text.length > maxKeyCharacters) throw new KeyError(`${fileOrKey} is no public key: it is too long`);
  return parseVerifierKey(text);
}

/** Refused in a git work tree, and where others can read it: a copy of this key is a copy of the seal. */
export function signerFrom(path: string, name: string): NoteSigner {
  return createNoteSigner(name, readKeyFile(requireFile('key file', path), { outsideGitTree: true }));
}

export function witnessFrom(directory: string | undefined, verifier: NoteVerifier): Witness | undefined {
  return directory === undefined ? undefined : fileWitness({ directory, verifier });
}

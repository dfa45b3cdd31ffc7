/**
 * Key files: 32 random bytes as one line of base64url, in a file that only its owner can read. For POSIX systems;
 * where files have no mode (Windows), every key file is refused.
 * @module
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { KeyError } from './errors.ts';

const keyBytes = 32;
const canonicalKey = /^[A-Za-z0-9_-]{43}$/;
/** Room for a key and an editor's stray line end; more is no key file. */
const maxKeyFileBytes = 128;

export interface KeyFileOptions {
  /** Refuses a file inside a git work tree, tracked or not: one `git add` away from being published. For signing keys. */
  readonly outsideGitTree?: boolean;
}

/**
 * Reads a key of 32 bytes. The result hides itself in logs and JSON; `export()` gives the bytes.
 * Throws `KeyError` when the file is missing, not private, not the caller's, or does not hold exactly one key.
 */
export function readKeyFile(file: string, options: KeyFileOptions = {}): KeyObject {
  if (options.outsideGitTree === true) refuseGitTree(file);
  const text = readPrivateFile(file, maxKeyFileBytes)
    .toString('latin1')
    .replace(/\r?\n$/, '');
  const bytes = Buffer.from(text, 'base64url');
  const canonical = canonicalKey.test(text) && bytes.toString('base64url') === text;
  const key = canonical ? createSecretKey(bytes) : undefined;
  bytes.fill(0);
  if (key !== undefined) return key;
  const got = text === '' ? 'an empty file' : `${text.length} characters that are not one`;
  throw new KeyError(
    `key file ${file}: expected ${keyBytes} bytes as one line of 43 base64url characters, got ${got}; create a new key`,
  );
}

/** Creates a key file with mode 0600 and a random key. Throws `KeyError` when anything is at that path already. */
export function createKeyFile(file: string, options: KeyFileOptions = {}): void {
  if (options.outsideGitTree === true) refuseGitTree(file);
  try {
    writeNewPrivateFile(file, `${randomBytes(keyBytes).toString('base64url')}\n`);
  } catch (error) {
    throw new KeyError(
      `key file ${file}: expected to create it, got ${errorCode(error)}; an existing key is never overwritten`,
      {
        cause: error,
      },
    );
  }
}

/**
 * The contents of a regular file of at most `maxBytes` that belongs to the caller and that nobody else can read or
 * write. A symbolic link is followed when it belongs to the caller or to root. Throws `KeyError`.
 */
export function readPrivateFile(file: string, maxBytes: number): Buffer {
  let descriptor: number | undefined;
  try {
    requireOwnLink(file);
    // Non-blocking, so that a pipe is refused and not waited on. What was opened is what is checked.
    descriptor = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK);
    requirePrivate(file, fs.fstatSync(descriptor));
    const contents = Buffer.alloc(maxBytes + 1);
    const length = readFully(descriptor, contents);
    if (length > maxBytes) throw new KeyError(`${file}: expected at most ${maxBytes} bytes, got more`);
    return contents.subarray(0, length);
  } catch (error) {
    if (error instanceof KeyError) throw error;
    throw new KeyError(`${file}: expected a readable file, got ${errorCode(error)}`, { cause: error });
  } finally {
    if (descriptor !== undefined) fs.closeSync(descriptor);
  }
}

/** Writes a file that must not exist yet, private from its first moment and flushed to the device. Throws what `node:fs` throws. */
export function writeNewPrivateFile(file: string, contents: string): void {
  const descriptor = fs.openSync(file, 'wx', 0o600);
  try {
    fs.writeFileSync(descriptor, contents);
    fs.fsyncSync(descriptor);
  } catch (error) {
    fs.rmSync(file, { force: true });
    throw error;
  } finally {
    fs.closeSync(descriptor);
  }
  flushDirectory(file);
}

/** Makes the creation or the renaming of a file durable. */
export function flushDirectory(file: string): void {
  const descriptor = fs.openSync(path.dirname(file), 'r');
  try {
    fs.fsyncSync(descriptor);
  } finally {
    fs.closeSync(descriptor);
  }
}

function readFully(descriptor: number, target: Buffer): number {
  let length = 0;
  while (length < target.length) {
    const count = fs.readSync(descriptor, target, length, target.length - length, null);
    if (count === 0) break;
    length += count;
  }
  return length;
}

function requireOwnLink(file: string): void {
  const link = fs.lstatSync(file);
  if (!link.isSymbolicLink() || link.uid === 0 || link.uid === process.geteuid?.()) return;
  throw new KeyError(
    `${file}: expected a link of your own or root's, got one of user ${link.uid}; name the file itself`,
  );
}

function requirePrivate(file: string, stats: fs.Stats): void {
  if (!stats.isFile()) {
    throw new KeyError(
      `${file}: expected a regular file, got ${stats.isDirectory() ? 'a directory' : 'something else'}`,
    );
  }
  const user = process.geteuid?.();
  if (stats.uid !== user) {
    throw new KeyError(
      `${file}: expected a file of user ${user ?? '(unknown)'}, got one of user ${stats.uid}; chown it`,
    );
  }
  if ((stats.mode & 0o077) !== 0) {
    const mode = (stats.mode & 0o777).toString(8).padStart(4, '0');
    throw new KeyError(`${file}: expected mode 0600, got ${mode}: others can reach it; chmod 600 ${file}`);
  }
}

function refuseGitTree(file: string): void {
  let folder = realFolder(file);
  for (;;) {
    if (fs.lstatSync(path.join(folder, '.git'), { throwIfNoEntry: false }) !== undefined) {
      throw new KeyError(
        `key file ${file}: expected a place outside every git work tree, got one inside ${folder}; move it`,
      );
    }
    const parent = path.dirname(folder);
    if (parent === folder) return;
    folder = parent;
  }
}

/** The folder that really holds the file, or that would hold it. */
function realFolder(file: string): string {
  try {
    const exists = fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined;
    return exists ? path.dirname(fs.realpathSync(file)) : fs.realpathSync(path.dirname(path.resolve(file)));
  } catch (error) {
    throw new KeyError(`key file ${file}: expected a readable file, got ${errorCode(error)}`, { cause: error });
  }
}

function errorCode(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : 'an unknown error';
}

/**
 * One encrypted file of registered secrets, for small installations without a vault.
 *
 * The file is two lines: a JSON header, and AES-256-GCM ciphertext with its tag in base64url. The header is
 * authenticated with it. Key and nonce are new for every write (scrypt, RFC 7914, or HKDF, RFC 5869, over a new salt).
 * Writers take turns by a lock and replace the whole file, so that readers see the old file or the new one.
 * @module
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { KeyError, LeaseError } from '../errors.ts';
import { flushDirectory, readPrivateFile, writeNewPrivateFile } from '../key-file.ts';
import { createKeySource, newHeader, parseHeader } from './file-key.ts';
import type { FileKey, KeySource } from './file-key.ts';
import { withFileLock } from './file-lock.ts';
import { Secret } from './secret.ts';
import { requireSecret, sameSecret } from './static-secret.ts';
import type { RegisteredSecret, SecretName } from './static-secret.ts';

const maxFileBytes = 1_048_576;
const domain = 'countersign/1/secrets-file\n';
const tagBytes = 16;

export interface EncryptedFileOptions {
  readonly path: string;
  readonly key: FileKey;
}

/** A secret as the file keeps it. */
export interface KeptSecret extends RegisteredSecret {
  readonly registeredAt: number;
  /** The rotation that made it. */
  readonly rotation?: string;
  /** Ids of the keys that rotations replaced and that still work at the service. */
  readonly superseded?: readonly string[];
}

/** Creates the file, or replaces everything in it. Throws `KeyError`, `LeaseError`. */
export async function sealSecretsFile(
  options: EncryptedFileOptions,
  secrets: readonly RegisteredSecret[],
  now: number = Date.now(),
): Promise<void> {
  await locked(options.path, (file) => write(file, createKeySource(options.key), secrets, now));
}

/** Registers one secret in an existing file, in the place of the one with the same tenant, service, agent and scope. */
export async function registerSecret(
  options: EncryptedFileOptions,
  secret: RegisteredSecret,
  now: number = Date.now(),
): Promise<void> {
  await changeSecrets(options, (before) => [...before.filter((other) => !sameSecret(other, secret)), secret], now);
}

/** Removes one secret. Answers whether it was there. */
export async function removeSecret(
  options: EncryptedFileOptions,
  secret: SecretName,
  now: number = Date.now(),
): Promise<boolean> {
  let removed = false;
  await changeSecrets(
    options,
    (before) => {
      const after = before.filter((other) => !sameSecret(other, secret));
      removed = after.length < before.length;
      return after;
    },
    now,
  );
  return removed;
}

/** Seals everything under another key. The old key opens copies of the old file and nothing else from then on. */
export async function rekeySecretsFile(
  options: EncryptedFileOptions & { readonly newKey: FileKey },
  now: number = Date.now(),
): Promise<void> {
  const newKeys = createKeySource(options.newKey);
  await locked(options.path, async (file) => {
    const secrets = await readSecrets(file, createKeySource(options.key));
    await write(file, newKeys, secrets, now);
    // What could not be opened afterwards would be lost: better known now, while the old key is at hand.
    await readSecrets(file, newKeys);
  });
}

/** Reads, changes and writes under the lock, so that no change of another process is lost. */
export async function changeSecrets(
  options: EncryptedFileOptions,
  change: (secrets: readonly KeptSecret[]) => readonly RegisteredSecret[],
  now: number,
): Promise<void> {
  const keys = createKeySource(options.key);
  await locked(options.path, async (file) => write(file, keys, change(await readSecrets(file, keys)), now));
}

/** The lock is beside the file itself, whatever links lead to it. */
async function locked(name: string, task: (file: string) => Promise<void>): Promise<void> {
  let file: string;
  try {
    const folder = fs.realpathSync(path.dirname(path.resolve(name)));
    file = fs.existsSync(name) ? fs.realpathSync(name) : path.join(folder, path.basename(name));
  } catch (error) {
    throw new KeyError(`secrets file ${name}: expected a folder for it`, { cause: error });
  }
  await withFileLock(file, () => task(file));
}

/** Writes beside the file, flushes, renames, and flushes the folder. What a dead writer left is replaced. */
async function write(file: string, keys: KeySource, secrets: readonly RegisteredSecret[], now: number): Promise<void> {
  for (const secret of secrets) requireSecret(secret, now);
  const contents = await seal(
    keys,
    secrets.map((secret) => ({ registeredAt: now, ...secret })),
  );
  const side = `${file}.new`;
  try {
    fs.rmSync(side, { force: true });
    writeNewPrivateFile(side, contents);
    fs.renameSync(side, file);
    flushDirectory(file);
  } catch (error) {
    fs.rmSync(side, { force: true });
    throw new KeyError(`secrets file ${file}: expected to write it`, { cause: error });
  }
}

async function seal(keys: KeySource, secrets: readonly KeptSecret[]): Promise<string> {
  const header = newHeader(keys.kind);
  const line = JSON.stringify(header);
  const plain = secrets.map((secret) => ({ ...secret, value: secret.value.reveal() }));
  const cipher = createCipheriv('aes-256-gcm', await keys.derive(header), Buffer.from(header.nonce, 'base64url'));
  cipher.setAAD(Buffer.from(domain + line));
  const sealed = Buffer.concat([cipher.update(JSON.stringify(plain)), cipher.final(), cipher.getAuthTag()]);
  const contents = `${line}\n${sealed.toString('base64url')}\n`;
  if (contents.length > maxFileBytes)
    throw new LeaseError(`secrets file: expected at most ${maxFileBytes} bytes, got ${contents.length}`);
  return contents;
}

/** Throws `KeyError` for a file that is missing, not private, truncated, altered, or sealed under another key. */
export async function readSecrets(file: string, keys: KeySource): Promise<readonly KeptSecret[]> {
  const [line = '', body = '', ...rest] = readPrivateFile(file, maxFileBytes).toString('latin1').split('\n');
  const sealed = Buffer.from(body, 'base64url');
  if (rest.join('') !== '' || sealed.length < tagBytes || sealed.toString('base64url') !== body) {
    throw new KeyError(
      `secrets file ${file}: expected a header and a ciphertext, got something else; it is truncated or altered`,
    );
  }
  const header = parseHeader(file, line, keys.kind);
  const decipher = createDecipheriv('aes-256-gcm', await keys.derive(header), Buffer.from(header.nonce, 'base64url'), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(Buffer.from(domain + line, 'latin1'));
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  let plain: string;
  try {
    plain = Buffer.concat([decipher.update(sealed.subarray(0, -tagBytes)), decipher.final()]).toString('utf8');
  } catch {
    throw new KeyError(`secrets file ${file}: the key does not open it: it is the wrong key, or the file was altered`);
  }
  // Authenticated, so it is what `seal` wrote.
  const entries = JSON.parse(plain) as readonly (Omit<KeptSecret, 'value'> & { readonly value: string })[];
  return entries.map((entry) => ({ ...entry, value: new Secret(entry.value) }));
}

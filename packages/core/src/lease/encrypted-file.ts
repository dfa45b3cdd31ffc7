/**
 * Registered static secrets in one encrypted file, for small installations without a vault.
 *
 * A static secret can neither be narrowed nor revoked: it is registered with the scope and the expiry that it has at
 * its service, a request for any other scope is refused, and the policy must accept the residual validity.
 *
 * The file is two lines: a JSON header, and AES-256-GCM ciphertext with its tag in base64url. The header is
 * authenticated with it. Key and nonce are new for every write (scrypt, RFC 7914, or HKDF, RFC 5869, over a new salt).
 * @module
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import fs from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { KeyError, LeaseError } from '../errors.ts';
import { flushDirectory, readPrivateFile, writeNewPrivateFile } from '../key-file.ts';
import { createKeySource, newHeader, parseHeader } from './file-key.ts';
import type { FileKey, KeySource } from './file-key.ts';
import type { CredentialProvider, LeaseRequest } from './lease.ts';
import { requireScrubbable } from './scrub.ts';
import { Secret } from './secret.ts';

const dayMs = 86_400_000;
/** Longest life of a registered secret, in milliseconds: 90 days. */
const maxSecretLifeMs = 90 * dayMs;
const warnBeforeMs = 7 * dayMs;
const maxFileBytes = 1_048_576;
const domain = 'countersign/1/secrets-file\n';
const tagBytes = 16;

/** A secret as registered. Which one a lease gets is decided by all of tenant, service, agent and scope. */
export interface RegisteredSecret {
  readonly tenant: string;
  readonly service: string;
  /** The agent it is for. One without an agent serves every agent of the tenant that has none of its own. */
  readonly agent?: string;
  /** The scope it has at the service. Plain JSON; default none. */
  readonly scope?: Readonly<Record<string, unknown>>;
  readonly value: Secret;
  /** Milliseconds since the epoch; at most 90 days ahead. From then on it is refused. */
  readonly expiresAt: number;
}

export interface EncryptedFileOptions {
  readonly path: string;
  readonly key: FileKey;
}

export interface EncryptedFileProviderOptions extends EncryptedFileOptions {
  /** Default `encrypted-file`; to be given where there are several. */
  readonly name?: string;
  readonly services: readonly string[];
  /** Told at every use of a secret in its last seven days. */
  readonly onExpiring: (secret: Omit<RegisteredSecret, 'value'>) => void;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** The provider over such a file. The file is read at every lease, so that a removed secret is gone at once. */
export function encryptedFileProvider(options: EncryptedFileProviderOptions): CredentialProvider {
  const keys = createKeySource(options.key);
  const clock = options.clock ?? Date.now;
  const services = Object.freeze([...options.services]);
  const find = async (
    wanted: Pick<LeaseRequest, 'tenant' | 'service' | 'agent' | 'scope'>,
  ): Promise<RegisteredSecret> => {
    if (!services.includes(wanted.service)) throw new LeaseError(`service ${wanted.service} is not offered here`);
    const found = select(await readSecrets(options.path, keys), wanted);
    const now = clock();
    if (found.expiresAt <= now)
      throw new LeaseError(`the secret for service ${wanted.service} has expired; register a new one`);
    if (found.expiresAt <= now + warnBeforeMs) warn(options, found);
    return found;
  };
  return {
    name: options.name ?? 'encrypted-file',
    services,
    maxLifetimeMs: maxSecretLifeMs,
    revocable: false,
    findable: false,
    async get(request) {
      const { value, expiresAt } = await asLeaseError(() => find(request));
      return { credentialId: request.leaseId, secret: value, expiresAt };
    },
    /** Nothing to prepare: succeeds when the secret is registered. */
    async provision(input) {
      await asLeaseError(() => find(input));
    },
    async revoke() {
      throw new LeaseError(
        'a static secret cannot be revoked here; revoke it at its service, then remove it from the file',
      );
    },
    async rotate({ service }) {
      throw new LeaseError(`service ${service}: replace a static secret at its service, then register the new one`);
    },
  };
}

/** Creates the file, or replaces everything in it. Throws `KeyError`, `LeaseError`. */
export async function sealSecretsFile(
  options: EncryptedFileOptions,
  secrets: readonly RegisteredSecret[],
  now: number = Date.now(),
): Promise<void> {
  await replaceFile(options, () => secrets, now);
}

/** Registers one secret in an existing file, in the place of the one with the same tenant, service, agent and scope. */
export async function registerSecret(
  options: EncryptedFileOptions,
  secret: RegisteredSecret,
  now: number = Date.now(),
): Promise<void> {
  await replaceFile(options, async (keys) => [...without(await readSecrets(options.path, keys), secret), secret], now);
}

/** Removes one secret. Answers whether it was there. */
export async function removeSecret(
  options: EncryptedFileOptions,
  secret: Omit<RegisteredSecret, 'value' | 'expiresAt'>,
  now: number = Date.now(),
): Promise<boolean> {
  let removed = false;
  await replaceFile(
    options,
    async (keys) => {
      const before = await readSecrets(options.path, keys);
      const after = without(before, secret);
      removed = after.length < before.length;
      return after;
    },
    now,
  );
  return removed;
}

type SecretName = Omit<RegisteredSecret, 'value' | 'expiresAt'>;

function without(secrets: readonly RegisteredSecret[], name: SecretName): RegisteredSecret[] {
  return secrets.filter((secret) => !isDeepStrictEqual(nameOf(secret), nameOf(name)));
}

function nameOf({ tenant, service, agent, scope }: SecretName): unknown {
  return { tenant, service, agent, scope: scope ?? {} };
}

function select(
  secrets: readonly RegisteredSecret[],
  { tenant, service, agent, scope }: Pick<LeaseRequest, 'tenant' | 'service' | 'agent' | 'scope'>,
): RegisteredSecret {
  const ofAgent = secrets.filter((secret) => secret.tenant === tenant && secret.service === service);
  const own = ofAgent.filter((secret) => secret.agent === agent);
  const candidates = own.length > 0 ? own : ofAgent.filter((secret) => secret.agent === undefined);
  if (candidates.length === 0) throw new LeaseError(`no secret is registered for service ${service} in this tenant`);
  const found = candidates.find((secret) => isDeepStrictEqual(secret.scope ?? {}, { ...scope }));
  if (found !== undefined) return found;
  throw new LeaseError(
    `service ${service}: a static secret cannot be narrowed, and none is registered with this very scope`,
  );
}

function warn(options: EncryptedFileProviderOptions, { value: _value, ...secret }: RegisteredSecret): void {
  try {
    options.onExpiring(secret);
  } catch {
    // A broken warning is no reason to refuse a secret that is still good.
  }
}

async function asLeaseError<Value>(run: () => Promise<Value>): Promise<Value> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof KeyError) throw new LeaseError(error.message, { cause: error });
    throw error;
  }
}

/** Writes beside the file, flushes, and renames: readers see the old file or the new one. The side file is the lock. */
async function replaceFile(
  options: EncryptedFileOptions,
  next: (keys: KeySource) => readonly RegisteredSecret[] | Promise<readonly RegisteredSecret[]>,
  now: number,
): Promise<void> {
  const keys = createKeySource(options.key);
  const target = fs.existsSync(options.path) ? fs.realpathSync(options.path) : options.path;
  const side = `${target}.new`;
  try {
    writeNewPrivateFile(side, '');
  } catch (error) {
    throw new KeyError(`${side}: expected to create it; if no other process is writing secrets now, remove it`, {
      cause: error,
    });
  }
  try {
    const secrets = await next(keys);
    for (const secret of secrets) requireSecret(secret, now);
    const contents = await seal(keys, secrets);
    const descriptor = fs.openSync(side, 'r+');
    try {
      fs.writeFileSync(descriptor, contents);
      fs.fsyncSync(descriptor);
    } finally {
      fs.closeSync(descriptor);
    }
    fs.renameSync(side, target);
    flushDirectory(target);
  } catch (error) {
    fs.rmSync(side, { force: true });
    throw error;
  }
}

/** An expired secret may stay in the file: it is refused at use, and must not keep the others from being changed. */
function requireSecret({ service, value, expiresAt }: RegisteredSecret, now: number): void {
  requireScrubbable(service, value.reveal());
  if (Number.isSafeInteger(expiresAt) && expiresAt <= now + maxSecretLifeMs) return;
  throw new LeaseError(
    `secret for service ${service}: expected an expiry within 90 days, in milliseconds since the epoch`,
  );
}

async function seal(keys: KeySource, secrets: readonly RegisteredSecret[]): Promise<string> {
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

async function readSecrets(file: string, keys: KeySource): Promise<readonly RegisteredSecret[]> {
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
  const entries = JSON.parse(plain) as readonly (Omit<RegisteredSecret, 'value'> & { readonly value: string })[];
  return entries.map((entry) => ({ ...entry, value: new Secret(entry.value) }));
}

/**
 * The key of a secrets file, from a passphrase or a key file, and the header that says how it was derived.
 * @module
 */
import { createSecretKey, hkdfSync, randomBytes, scrypt } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { KeyError } from '../errors.ts';
import { readKeyFile } from '../key-file.ts';
import type { Secret } from './secret.ts';

/** Where the key comes from. A key file has mode 0600 and lies outside every git work tree. */
export type FileKey = { readonly passphrase: Secret } | { readonly keyFile: string };

type KeyKind = 'scrypt' | 'hkdf-sha256';

interface Header {
  readonly format: 'countersign-secrets';
  readonly version: 1;
  readonly kdf: KeyKind;
  /** scrypt's N as a power of two; block size 8, parallelism 1. Absent for a key file. */
  readonly cost?: number;
  readonly salt: string;
  readonly nonce: string;
}

export interface KeySource {
  readonly kind: KeyKind;
  derive(header: Header): Promise<KeyObject>;
}

/** 128 MiB and about half a second: the strongest of the equivalent choices that the OWASP cheat sheet names. */
const defaultCost = 17;
/** What a header may ask for: not so little that a passphrase is guessed, not so much that reading takes the machine. */
const costBounds = { least: 15, most: 18 };
const minPassphraseLength = 12;
const saltBytes = 32;
const nonceBytes = 12;
const derivedBytes = 32;
const context = 'countersign/1/secrets-file';

/** Throws `KeyError` for a passphrase that is too short. The key file is read when it is needed. */
export function createKeySource(key: FileKey): KeySource {
  if ('keyFile' in key) {
    return {
      kind: 'hkdf-sha256',
      async derive({ salt }) {
        const master = readKeyFile(key.keyFile, { outsideGitTree: true });
        const bytes = hkdfSync('sha256', master, Buffer.from(salt, 'base64url'), context, derivedBytes);
        return createSecretKey(Buffer.from(bytes));
      },
    };
  }
  if (key.passphrase.reveal().length < minPassphraseLength) {
    throw new KeyError(`passphrase of a secrets file: expected at least ${minPassphraseLength} characters`);
  }
  // Derivation is slow on purpose; the last one is kept, as a login would be.
  let last: { readonly from: string; readonly key: Promise<KeyObject> } | undefined;
  return {
    kind: 'scrypt',
    derive({ salt, cost = defaultCost }) {
      const from = `${cost}:${salt}`;
      if (last?.from === from) return last.key;
      const derived = stretch(key.passphrase, Buffer.from(salt, 'base64url'), cost);
      last = { from, key: derived };
      derived.catch(() => (last = undefined));
      return derived;
    },
  };
}

function stretch(passphrase: Secret, salt: Buffer, cost: number): Promise<KeyObject> {
  const N = 2 ** cost;
  return new Promise((resolve, reject) => {
    scrypt(
      passphrase.reveal().normalize('NFKC'),
      salt,
      derivedBytes,
      { N, r: 8, p: 1, maxmem: 128 * 8 * N * 2 },
      (error, bytes) => {
        if (error === null) resolve(createSecretKey(bytes));
        else reject(new KeyError('the key of a secrets file could not be derived', { cause: error }));
      },
    );
  });
}

export function newHeader(kdf: KeyKind): Header {
  return {
    format: 'countersign-secrets',
    version: 1,
    kdf,
    ...(kdf === 'scrypt' ? { cost: defaultCost } : {}),
    salt: randomBytes(saltBytes).toString('base64url'),
    nonce: randomBytes(nonceBytes).toString('base64url'),
  };
}

/** Checks a header before anything is derived from it: until the file is opened, anybody may have written it. */
export function parseHeader(file: string, line: string, kind: KeyKind): Header {
  let header: Partial<Record<keyof Header, unknown>> | null = null;
  try {
    header = JSON.parse(line) as Partial<Record<keyof Header, unknown>> | null;
  } catch {
    // Refused below, like any other value that is no header.
  }
  if (typeof header !== 'object' || header?.format !== 'countersign-secrets' || header.version !== 1) {
    throw new KeyError(`secrets file ${file}: expected the header of a secrets file, version 1, got something else`);
  }
  const { kdf, cost, salt, nonce } = header;
  if (kdf !== kind)
    throw new KeyError(
      `secrets file ${file}: expected one sealed by ${kind}, got another; give the kind of key it was sealed with`,
    );
  const { least, most } = costBounds;
  const costFits =
    kind === 'scrypt' ? Number.isInteger(cost) && Number(cost) >= least && Number(cost) <= most : cost === undefined;
  if (!costFits) throw new KeyError(`secrets file ${file}: expected an scrypt cost of ${least} to ${most}`);
  if (!isBytes(salt, saltBytes) || !isBytes(nonce, nonceBytes)) {
    throw new KeyError(`secrets file ${file}: expected a salt of ${saltBytes} and a nonce of ${nonceBytes} bytes`);
  }
  return {
    format: 'countersign-secrets',
    version: 1,
    kdf: kind,
    ...(kind === 'scrypt' ? { cost: Number(cost) } : {}),
    salt,
    nonce,
  };
}

function isBytes(value: unknown, length: number): value is string {
  if (typeof value !== 'string') return false;
  const bytes = Buffer.from(value, 'base64url');
  return bytes.length === length && bytes.toString('base64url') === value;
}

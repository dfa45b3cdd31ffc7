/**
 * Who has which mail: in this process, and in the reference that the notifier keeps across restarts.
 * @module
 */
import { createHash } from 'node:crypto';

/** 48 bits: enough to tell the recipients of one request apart. */
const tagLength = 8;
/** In the 1,000 characters of a reference. */
const maxTags = 123;
const maxRemembered = 20_000;

/** Short, and by itself no address: it stands in the store. */
export function tagOf(parts: readonly string[]): string {
  return hashOf(parts).toString('base64url').slice(0, tagLength);
}

export function hashOf(parts: readonly string[]): Buffer {
  return createHash('sha256').update(JSON.stringify(parts)).digest();
}

export interface Told {
  /** Of the digest that they were told. */
  readonly digest: string;
  /** Who has the mail; after a first try to tell of the end, who does not have that one yet. */
  readonly tags: ReadonlySet<string>;
}

const nobody: Told = { digest: '', tags: new Set() };

/** Whoever finds no place in it may be told again after a restart. */
export function referenceOf({ digest, tags }: Told): string {
  return `1${digest}${[...tags].slice(0, maxTags).join('')}`;
}

/** A reference of nobody's making names nobody. */
export function toldIn(reference: string | undefined): Told {
  if (reference === undefined || !/^1(?:[\w-]{8}){2,124}$/.test(reference)) return nobody;
  const [digest = '', ...tags] = reference.slice(1).match(/.{8}/g) ?? [];
  return { digest, tags: new Set(tags) };
}

/** Ids of mails that a server accepted from this process. */
export interface Sent {
  has(id: string): boolean;
  add(id: string): void;
}

export function createSent(): Sent {
  const ids = new Set<string>();
  return {
    has: (id) => ids.has(id),
    add(id) {
      const [oldest] = ids;
      if (ids.size >= maxRemembered && oldest !== undefined) ids.delete(oldest);
      ids.add(id);
    },
  };
}

/**
 * A segment: consecutive records of one writer, sealed together. The leaves of a tenant's log are its segments, in the
 * order in which they were sealed; within a segment the leaves of a smaller tree are the hashes of the records.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import type { StoredEntry } from '../../store/store.ts';
import { hashBytes, leafHash, rootOf, sameBytes } from './merkle.ts';
import { canonicalBase64 } from './signed-note.ts';

/** What the log says of a segment. */
export interface Segment {
  readonly tenant: string;
  readonly writer: string;
  /** Sequence of the first record and of the last. */
  readonly from: number;
  readonly to: number;
  /** Hash of the record before the first (hexadecimal), and of the last: where the chain goes on. */
  readonly previous: string;
  readonly head: string;
  /** Root of the tree over the hashes of the records. */
  readonly root: Buffer;
}

/** A segment as it is kept: with the hashes of its records, so that one of them can be proven or named when it is gone. */
export interface SealedSegment extends Segment {
  /** Place in the log, from 0. */
  readonly index: number;
  /** SHA-256 of each record, in order: 32 bytes each. */
  readonly hashes: readonly Buffer[];
  /** Which file it was exported to: SHA-256, base64url. */
  readonly archived?: string;
  /** A note of the notary that its records were removed on purpose. */
  readonly pruned?: string;
}

const domain = 'countersign/segment/1';
const hexHash = /^[0-9a-f]{64}$/;
const sequence = /^[1-9]\d{0,14}$/;

/** The bytes of a leaf of the log: fields that hold no line feed, a line each. */
export function segmentLeaf({ tenant, writer, from, to, previous, head, root }: Segment): Buffer {
  const lines = [domain, tenant, writer, String(from), String(to), previous, head, root.toString('base64')];
  return Buffer.from(`${lines.join('\n')}\n`);
}

/** @throws LedgerError unless it is exactly what `segmentLeaf` makes */
export function parseSegmentLeaf(text: string): Segment {
  const [tag, tenant = '', writer = '', from = '', to = '', previous = '', head = '', encoded = '', end, ...more] =
    text.split('\n');
  const root = canonicalBase64(encoded);
  const sound =
    tag === domain &&
    more.length === 0 &&
    end === '' &&
    tenant !== '' &&
    writer !== '' &&
    sequence.test(from) &&
    sequence.test(to) &&
    Number(from) <= Number(to) &&
    hexHash.test(previous) &&
    hexHash.test(head);
  if (!sound || root?.length !== hashBytes) {
    throw new LedgerError('a segment of the log cannot be read: it was changed, or written by a newer version');
  }
  return { tenant, writer, from: Number(from), to: Number(to), previous, head, root };
}

/** The leaf of a record in the tree of its segment. */
export function recordLeaf(hash: Uint8Array): Buffer {
  return leafHash(hash);
}

export function segmentRoot(hashes: readonly Buffer[]): Buffer {
  return rootOf(hashes.map(recordLeaf));
}

const maxIndex = 1e12;

/** Ids in the order of the log, also when they are sorted as text. */
export function segmentId(index: number): string {
  return String(index).padStart(String(maxIndex).length - 1, '0');
}

/** The value of the store's entry. */
export function formatSegment(segment: SealedSegment): string {
  const { hashes, archived, pruned } = segment;
  return JSON.stringify({
    v: 1,
    leaf: segmentLeaf(segment).toString('utf8'),
    hashes: Buffer.concat(hashes).toString('base64'),
    archived,
    pruned,
  });
}

/** @throws LedgerError when the entry is not one. Its hashes are checked where they are used: `checkedHashes`. */
export function parseSegment(entry: StoredEntry): SealedSegment {
  const value = objectFrom(entry.value);
  const index = Number(entry.id);
  if (value['v'] !== 1 || segmentId(index) !== entry.id) {
    throw new LedgerError(`segment ${entry.id} has no form known here: it was changed, or written by a newer version`);
  }
  const segment = parseSegmentLeaf(textOf(value['leaf']) ?? '');
  const bytes = canonicalBase64(textOf(value['hashes']) ?? '') ?? Buffer.alloc(0);
  const hashes = Array.from({ length: Math.floor(bytes.length / hashBytes) }, (_, place) =>
    bytes.subarray(place * hashBytes, (place + 1) * hashBytes),
  );
  if (bytes.length !== (segment.to - segment.from + 1) * hashBytes) throw wrongHashes(index);
  const [archived, pruned] = [textOf(value['archived']), textOf(value['pruned'])];
  return {
    ...segment,
    index,
    hashes,
    ...(archived === undefined ? {} : { archived }),
    ...(pruned === undefined ? {} : { pruned }),
  };
}

/** The hashes of the records, once they are known to be those of its root. Throws `LedgerError`. */
export function checkedHashes({ hashes, root, index }: SealedSegment): readonly Buffer[] {
  if (sameBytes(segmentRoot(hashes), root)) return hashes;
  throw wrongHashes(index);
}

function wrongHashes(index: number): LedgerError {
  return new LedgerError(`segment ${index} does not hold the hashes of its records: the entry was changed`);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function objectFrom(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Answered below.
  }
  return {};
}

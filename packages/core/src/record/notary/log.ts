/**
 * The log of one tenant as the store holds it: its segments, its newest checkpoint. Nothing read here is trusted before
 * a signature was checked over it.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import type { Store, StoredEntry } from '../../store/store.ts';
import { openCheckpoint, type Checkpoint } from './checkpoint.ts';
import { leafHash, rootOf, sameBytes } from './merkle.ts';
import { parseSegment, segmentId, segmentLeaf, type SealedSegment } from './segment.ts';
import type { NoteVerifier } from './signed-note.ts';

/** Id of the entry that holds the newest checkpoint. */
export const newestCheckpoint = 'newest';
/** A segment's entry is up to 90 kB. */
const page = 32;

export type LogStore = Pick<Store, 'entry' | 'entries'>;

/** A segment without the hashes of its records: a log of a million records fits in memory. */
export type SegmentHead = Omit<SealedSegment, 'hashes'> & { readonly leaf: Buffer };

/** The first `limit` segments. A gap in them ends in `LedgerError`. */
export async function* segmentsOf(
  store: LogStore,
  tenant: string,
  limit: number,
): AsyncGenerator<SealedSegment, void, void> {
  let count = 0;
  let after: string | undefined;
  while (count < limit) {
    const entries = await store.entries(tenant, 'segment', { limit: page, ...(after === undefined ? {} : { after }) });
    for (const entry of entries) {
      if (count >= limit) return;
      if (entry.id !== segmentId(count)) throw new LedgerError(`segment ${count} of the log is missing`);
      yield requireTenant(parseSegment(entry), tenant);
      count += 1;
    }
    after = entries.at(-1)?.id;
    if (after === undefined) throw new LedgerError(`segment ${count} of the log is missing: it has ${limit}`);
  }
}

export async function segmentAt(store: LogStore, tenant: string, index: number): Promise<SealedSegment> {
  const entry = await store.entry(tenant, 'segment', segmentId(index));
  if (entry === undefined) throw new LedgerError(`segment ${index} of the log is missing`);
  return requireTenant(parseSegment(entry), tenant);
}

/** What this key signed last, and the segments that it signed. */
export interface SignedLog {
  readonly note: string;
  readonly checkpoint: Checkpoint;
  readonly segments: readonly SegmentHead[];
}

/** The newest checkpoint as it is stored; an empty text stands for none yet. */
export async function storedCheckpoint(store: LogStore, tenant: string): Promise<StoredEntry | undefined> {
  return store.entry(tenant, 'checkpoint', newestCheckpoint);
}

/**
 * The segments that a checkpoint signed.
 * @throws LedgerError when the signature, or the root over the stored segments, does not hold
 */
export async function signedLog(
  store: LogStore,
  tenant: string,
  note: string,
  log: { readonly verifier: NoteVerifier; readonly origin: string },
): Promise<SignedLog> {
  const checkpoint = openCheckpoint(note, log.verifier, log.origin);
  const segments: SegmentHead[] = [];
  for await (const { hashes: _, ...segment } of segmentsOf(store, tenant, checkpoint.size)) {
    segments.push({ ...segment, leaf: leafHash(segmentLeaf(segment)) });
  }
  if (sameBytes(rootOfSegments(segments), checkpoint.root)) return { note, checkpoint, segments };
  throw new LedgerError(`the stored segments do not give the root that was signed: one of them was changed`);
}

export function rootOfSegments(segments: readonly SegmentHead[], size: number = segments.length): Buffer {
  return rootOf(segments.slice(0, size).map(({ leaf }) => leaf));
}

function requireTenant(segment: SealedSegment, tenant: string): SealedSegment {
  if (segment.tenant === tenant) return segment;
  throw new LedgerError(`segment ${segment.index} is of tenant ${segment.tenant}, not of ${tenant}`);
}

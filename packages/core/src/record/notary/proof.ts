/**
 * The proof that one record stands in the sealed ledger, as a file that is verified offline with the public key alone.
 *
 * It is a C2SP `tlog-proof` v1 of the record's segment in the tenant's log. What leads from the record to its segment
 * stands in the `extra` line: the record, the leaf of the segment, and the path between them.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import { hashRecord, type HashedRecord } from '../chain.ts';
import { parseRecordBody } from '../open-record.ts';
import type { StoredRecord } from '../record.ts';
import type { Store } from '../../store/store.ts';
import { openCheckpoint, originOf, type Checkpoint } from './checkpoint.ts';
import { segmentAt, signedLog, storedCheckpoint, type LogStore, type SegmentHead } from './log.ts';
import { hashBytes, inclusionPath, leafHash, rootOfPath, sameBytes } from './merkle.ts';
import { checkedHashes, parseSegmentLeaf, recordLeaf, segmentLeaf, type Segment } from './segment.ts';
import { canonicalBase64, type NoteVerifier } from './signed-note.ts';

export interface ProvenRecord {
  readonly record: HashedRecord;
  /** SHA-256 of the record, hexadecimal. */
  readonly hash: string;
  readonly checkpoint: Checkpoint;
}

/** A record by its id, in the store. Its time is part of the id. */
export async function findRecord(
  store: Pick<Store, 'records'>,
  tenant: string,
  id: string,
): Promise<StoredRecord | undefined> {
  const time = Number.parseInt(/^rec_([0-9a-f]{12})[0-9a-f]{20}$/.exec(id)?.[1] ?? '', 16);
  if (!Number.isFinite(time)) throw new LedgerError(`${id} is no id of a record: see \`audit query\``);
  const candidates = await store.records(tenant, { since: time, until: time });
  return candidates.find((record) => parseRecordBody(record).id === id);
}

const firstLine = 'c2sp.org/tlog-proof@v1';

/**
 * @param record as it stands in the store, or in the file that its segment was exported to
 * @throws LedgerError when it is not sealed yet, or is not the record that was sealed
 */
export async function proveRecord(
  store: LogStore,
  record: Pick<StoredRecord, 'tenant' | 'writer' | 'seq' | 'body'>,
  verifier: NoteVerifier,
): Promise<string> {
  const { tenant, writer, seq, body } = record;
  const origin = originOf(verifier.name, tenant);
  const note = (await storedCheckpoint(store, tenant))?.value ?? '';
  if (note === '') throw new LedgerError(`${origin} was never sealed: run \`audit seal\` first`);
  const { segments, checkpoint } = await signedLog(store, tenant, note, { verifier, origin });
  const head = segments.find((segment) => segment.writer === writer && segment.from <= seq && seq <= segment.to);
  if (head === undefined)
    throw new LedgerError(`record ${seq} of ${writer} is not sealed yet: run \`audit seal\` first`);
  const hashes = checkedHashes(await segmentAt(store, tenant, head.index));
  const place = seq - head.from;
  const previous = place === 0 ? head.previous : (hashes[place - 1]?.toString('hex') ?? '');
  const proven = { tenant, writer, seq, previous, body };
  if (hashRecord(proven) !== hashes[place]?.toString('hex')) {
    throw new LedgerError(`record ${seq} of ${writer} is not the one that was sealed: run the verification`);
  }
  const extra = formatExtra(proven, head, inclusionPath(hashes.map(recordLeaf), place));
  return formatProof(extra, segments, head.index, checkpoint.size, note);
}

function formatProof(
  extra: string,
  segments: readonly SegmentHead[],
  index: number,
  size: number,
  note: string,
): string {
  const leaves = segments.slice(0, size).map(({ leaf }) => leaf);
  const path = inclusionPath(leaves, index).map((hash) => hash.toString('base64'));
  const lines = [firstLine, `extra ${Buffer.from(extra).toString('base64')}`, `index ${index}`, ...path];
  return `${lines.join('\n')}\n\n${note}`;
}

function formatExtra(record: HashedRecord, segment: Segment, path: readonly Buffer[]): string {
  const { tenant, writer, seq, previous, body } = record;
  return JSON.stringify({
    record: { tenant, writer, seq, previous, body },
    segment: segmentLeaf(segment).toString('utf8'),
    path: path.map((hash) => hash.toString('base64')),
  });
}

/**
 * What the proof proves: that the holder of the key sealed exactly this record. It says nothing of other records.
 * @throws LedgerError when any part of it does not lead to the next
 */
export function verifyProof(proof: string, verifier: NoteVerifier): ProvenRecord {
  const { extra, index, path, note } = splitProof(proof);
  const { record, segment, path: inner } = parseExtra(extra);
  const place = record.seq - segment.from;
  const hash = hashRecord(record);
  const leaf = recordLeaf(Buffer.from(hash, 'hex'));
  const inSegment = rootOfPath(leaf, place, segment.to - segment.from + 1, inner);
  if (record.tenant !== segment.tenant || record.writer !== segment.writer) {
    throw broken('its record is of another tenant or writer than its segment');
  }
  if (inSegment === undefined || !sameBytes(inSegment, segment.root)) {
    throw broken('its record is not in its segment');
  }
  const checkpoint = openCheckpoint(note, verifier, originOf(verifier.name, record.tenant));
  const root = rootOfPath(leafHash(segmentLeaf(segment)), index, checkpoint.size, path);
  if (root === undefined || !sameBytes(root, checkpoint.root)) {
    throw broken('its segment is not in the log that was signed');
  }
  return { record, hash, checkpoint };
}

const maxProofCharacters = 4_000_000;

function splitProof(proof: string): {
  readonly extra: string;
  readonly index: number;
  readonly path: readonly Buffer[];
  readonly note: string;
} {
  const end = proof.indexOf('\n\n');
  const [first, extraLine = '', indexLine = '', ...rest] = proof.slice(0, Math.max(end, 0)).split('\n');
  const extra = canonicalBase64(/^extra (\S+)$/.exec(extraLine)?.[1] ?? '');
  const index = /^index (0|[1-9]\d{0,14})$/.exec(indexLine)?.[1];
  const path = hashesFrom(rest);
  const sound = proof.length <= maxProofCharacters && first === firstLine && extra !== undefined;
  if (!sound || index === undefined || path === undefined) {
    throw broken(`it is not of the form ${firstLine}`);
  }
  return { extra: extra.toString('utf8'), index: Number(index), path, note: proof.slice(end + 2) };
}

function parseExtra(text: string): {
  readonly record: HashedRecord;
  readonly segment: Segment;
  readonly path: readonly Buffer[];
} {
  const { record, segment, path } = objectFrom(parseJson(text));
  const { tenant, writer, seq, previous, body } = objectFrom(record);
  const hashes = hashesFrom(Array.isArray(path) ? path : [undefined]);
  const texts = [tenant, writer, previous, body].every((value) => typeof value === 'string');
  if (!texts || !Number.isSafeInteger(seq) || typeof segment !== 'string' || hashes === undefined) {
    throw broken('it does not hold a record');
  }
  const found = {
    record: { tenant, writer, seq, previous, body } as HashedRecord,
    segment: parseSegmentLeaf(segment),
    path: hashes,
  };
  // Nothing beside what is proven may ride along.
  if (formatExtra(found.record, found.segment, found.path) === text) return found;
  throw broken('it holds more than a record and its path');
}

function hashesFrom(lines: readonly unknown[]): readonly Buffer[] | undefined {
  const hashes = lines.map((line) => (typeof line === 'string' ? canonicalBase64(line) : undefined));
  return hashes.every((hash) => hash?.length === hashBytes) ? (hashes as Buffer[]) : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function objectFrom(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}

function broken(why: string): LedgerError {
  return new LedgerError(`the proof does not hold: ${why}; ask for it again`);
}

/**
 * Retention: sealed segments are exported as they stand, encrypted as they are, and may then be removed. What was
 * erased stays erased in the exported files too.
 * @module
 */
import { deliveredThrough } from '../../deliver/cursor.ts';
import { hash } from 'node:crypto';
import { LedgerError } from '../../errors.ts';
import { hashRecord } from '../chain.ts';
import { parseRecordBody } from '../open-record.ts';
import type { RecordDraft, StoredRecord } from '../record.ts';
import type { Store } from '../../store/store.ts';
import { originOf } from './checkpoint.ts';
import { segmentAt, signedLog, storedCheckpoint, type SegmentHead } from './log.ts';
import { isPruned, signPruned } from './pruned.ts';
import { checkedHashes, formatSegment, segmentId, type SealedSegment } from './segment.ts';
import type { NoteSigner, NoteVerifier } from './signed-note.ts';

type ArchiveStore = Pick<Store, 'entry' | 'entries' | 'putEntry' | 'records' | 'heads' | 'system'>;

/** Writes down an act of administration, sealed under the tenant's key. */
export type DraftAct = (event: 'segment_archived' | 'segment_pruned', detail: string) => RecordDraft;

interface ArchiveInput {
  readonly store: ArchiveStore;
  readonly tenant: string;
  readonly verifier: NoteVerifier;
  readonly draft: DraftAct;
  readonly now: () => number;
  /** Keeps a file durably before it resolves. A file of this name may be there from an earlier attempt: it is the same. */
  readonly write: (name: string, contents: string) => Promise<void>;
}

export interface ArchivedSegment {
  readonly index: number;
  readonly name: string;
  readonly records: number;
  /** SHA-256 of the file, base64url. */
  readonly digest: string;
}

/**
 * Exports every sealed segment that was not exported yet: JSON Lines, one stored record each.
 * @throws LedgerError when a record is not the one that was sealed
 */
export async function* archiveSegments(input: ArchiveInput): AsyncGenerator<ArchivedSegment, void, void> {
  const { store, tenant, verifier, draft, write } = input;
  for (const head of await sealedSegments(store, tenant, verifier)) {
    if (head.archived !== undefined || head.pruned !== undefined) continue;
    const segment = await segmentAt(store, tenant, head.index);
    const records = await recordsOf(store, segment);
    const contents = archiveOf(records);
    const digest = digestOf(contents);
    const name = archiveName(segment);
    await write(name, contents);
    await markArchived(input, segment, digest, draft('segment_archived', describe(segment, digest)));
    yield { index: head.index, name, records: records.length, digest };
  }
}

function archiveOf(records: readonly StoredRecord[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}

function digestOf(contents: string): string {
  return hash('sha256', contents, 'base64url');
}

function archiveName({ tenant, index }: Pick<SegmentHead, 'tenant' | 'index'>): string {
  return `${tenant}-${segmentId(index)}.jsonl`;
}

/** Only in place of what was read: somebody else may have archived and pruned it meanwhile, and their mark must stay. */
async function markArchived(
  { store, tenant, now }: ArchiveInput,
  segment: SealedSegment,
  digest: string,
  record: RecordDraft,
): Promise<void> {
  const id = segmentId(segment.index);
  const stored = await store.entry(tenant, 'segment', id);
  const value = formatSegment({ ...segment, archived: digest });
  const put = { tenant, kind: 'segment', id, expected: stored?.version, value, now: now(), records: [record] } as const;
  const same = stored?.value === formatSegment(segment);
  if (!same || (await store.putEntry(put)) === undefined) {
    throw new LedgerError(`segment ${segment.index} was changed meanwhile: archive again`);
  }
}

interface PruneInput {
  readonly store: ArchiveStore;
  readonly tenant: string;
  readonly signer: NoteSigner;
  readonly draft: DraftAct;
  readonly now: () => number;
  /** Only segments all of whose records are older than this, in milliseconds since the epoch. */
  readonly before: number;
  /** Reads a file that `write` kept: what is not there, or is another, was not exported. */
  readonly read: (name: string) => Promise<string | undefined>;
}

export interface PrunedSegment {
  readonly index: number;
  readonly writer: string;
  readonly from: number;
  readonly to: number;
}

/** A segment that stays although it is old enough, and why. */
export interface KeptSegment extends PrunedSegment {
  readonly because: 'not_archived' | 'not_exported_elsewhere' | 'newest_of_its_chain';
}

/** Removes the oldest segments of each chain, as far as they are sealed, archived, old enough and behind every cursor. */
export async function pruneSegments(
  request: PruneInput,
): Promise<{ readonly pruned: readonly PrunedSegment[]; readonly kept: readonly KeptSegment[] }> {
  const { store, tenant, signer } = request;
  const origin = originOf(signer.name, tenant);
  const heads = new Map((await store.heads(tenant)).map(({ writer, seq }) => [writer, seq]));
  const stopped = new Set<string>();
  const pruned: PrunedSegment[] = [];
  const kept: KeptSegment[] = [];
  for (const head of await sealedSegments(store, tenant, signer)) {
    const { index, writer, from, to } = head;
    if (stopped.has(writer) || isPruned(head, { verifier: signer, origin })) continue;
    const segment = await segmentAt(store, tenant, index);
    const records = await recordsOf(store, segment);
    const because = isOlder(records, request.before)
      ? (await isArchived(request, segment, records))
        ? await obstacle(request, head, heads)
        : 'not_archived'
      : 'too_young';
    if (because === undefined) {
      await prune(request, origin, segment);
      pruned.push({ index, writer, from, to });
      continue;
    }
    // A chain is removed from its beginning on: what comes after waits for this one.
    stopped.add(writer);
    if (because !== 'too_young') kept.push({ index, writer, from, to, because });
  }
  return { pruned, kept };
}

async function prune(
  { store, tenant, signer, draft, now }: PruneInput,
  origin: string,
  segment: SealedSegment,
): Promise<void> {
  const { index, writer, to, archived = '' } = segment;
  const value = formatSegment({ ...segment, pruned: await signPruned(origin, segment, signer) });
  const record = draft('segment_pruned', describe(segment, archived));
  await store.system.prune({
    tenant,
    writer,
    through: to,
    entry: { id: segmentId(index), value },
    now: now(),
    records: [record],
  });
}

async function obstacle(
  { store, tenant }: PruneInput,
  { writer, to }: SegmentHead,
  heads: ReadonlyMap<string, number>,
): Promise<KeptSegment['because'] | undefined> {
  if ((await deliveredThrough(store, tenant, writer)) < to) return 'not_exported_elsewhere';
  return to >= (heads.get(writer) ?? 0) ? 'newest_of_its_chain' : undefined;
}

/** By the time in the body: that of the column is not hashed. */
function isOlder(records: readonly StoredRecord[], before: number): boolean {
  return records.every((record) => parseRecordBody(record).time < before);
}

/** The entry's word is not enough: whoever can write to the store can write that too. */
async function isArchived(
  { read }: PruneInput,
  segment: SealedSegment,
  records: readonly StoredRecord[],
): Promise<boolean> {
  const contents = archiveOf(records);
  return segment.archived === digestOf(contents) && (await read(archiveName(segment))) === contents;
}

async function sealedSegments(
  store: ArchiveStore,
  tenant: string,
  verifier: NoteVerifier,
): Promise<readonly SegmentHead[]> {
  const note = (await storedCheckpoint(store, tenant))?.value ?? '';
  if (note === '') return [];
  return (await signedLog(store, tenant, note, { verifier, origin: originOf(verifier.name, tenant) })).segments;
}

async function recordsOf(store: ArchiveStore, segment: SealedSegment): Promise<readonly StoredRecord[]> {
  const { tenant, writer, from, to } = segment;
  const hashes = checkedHashes(segment).map((bytes) => bytes.toString('hex'));
  const records = await store.records(tenant, { writer, afterSeq: from - 1, limit: to - from + 1 });
  const wrong = hashes.findIndex((sealed, place) => {
    const { seq, body = '' }: Partial<StoredRecord> = records[place] ?? {};
    const previous = place === 0 ? segment.previous : (hashes[place - 1] ?? '');
    return seq !== from + place || hashRecord({ tenant, writer, seq, previous, body }) !== sealed;
  });
  if (wrong < 0) return records;
  throw new LedgerError(`record ${from + wrong} of ${writer} is not the one that was sealed: run the verification`);
}

function describe({ index, writer, from, to }: SealedSegment, digest: string): string {
  return `segment ${index}: records ${from} to ${to} of ${writer}, archive sha256:${digest}`;
}

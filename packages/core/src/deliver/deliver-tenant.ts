/**
 * What the outbox does for one tenant while it holds the lock: chain by chain, batch by batch, the cursor after each.
 * @module
 */
import { diag } from '@opentelemetry/api';
import type { ChainHead, StoredRecord } from '../record/record.ts';
import type { Lock } from '../store/lock.ts';
import type { Store } from '../store/store.ts';
import { behind, cursorId, readCursors, type Cursor } from './cursor.ts';
import { deliverBatch, type BatchResult } from './deliver-batch.ts';
import type { Outgoing } from './outgoing.ts';
import { setAside } from './set-aside.ts';
import type { RecordSink } from './sink.ts';

export interface TenantWork {
  readonly store: Pick<Store, 'records' | 'heads' | 'entry' | 'entries' | 'putEntry'>;
  readonly sink: RecordSink;
  readonly tenant: string;
  readonly outgoing: Outgoing;
  readonly lock: Lock;
  readonly lockMs: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly now: () => number;
  /** The receiver took records of others just now: what it refuses here is the fault of the record. */
  readonly proven: boolean;
}

export interface Worked {
  delivered: number;
  refused: number;
  readonly problems: string[];
  later: BatchResult['later'];
  /** A chain of which the receiver refuses everything. It holds up no other. */
  stuck: boolean;
}

/** Records younger than this may still be missing because another process is about to write them, in milliseconds. */
const gapGraceMs = 60_000;
/** What one tenant may take before the others have their turn. */
const maxBatches = 200;

export async function deliverTenant(work: TenantWork): Promise<Worked> {
  const { store, sink, tenant, signal } = work;
  const worked: Worked = { delivered: 0, refused: 0, problems: [], later: undefined, stuck: false };
  const heads = await store.heads(tenant);
  const cursors = (await readCursors(store, tenant)).get(sink.name);
  let batches = 0;
  for (const head of heads) {
    let cursor = await startOf(work, cursors?.get(head.writer), head, worked);
    while (cursor.seq < head.seq && worked.later === undefined && batches < maxBatches && !signal.aborted) {
      batches += 1;
      const moved = await deliverNext(work, head.writer, cursor, worked);
      if (moved === undefined) break;
      cursor = moved;
    }
  }
  return worked;
}

/** A chain is entered into the cursors when it is first seen, so that retention knows of this receiver. */
async function startOf(
  { store, sink, tenant, now }: TenantWork,
  cursor: Cursor | undefined,
  head: ChainHead,
  worked: Worked,
): Promise<Cursor> {
  if (cursor !== undefined && behind(cursor, head.seq) === head.seq - cursor.seq) return cursor;
  if (cursor !== undefined)
    worked.problems.push(
      `the cursor of writer ${head.writer} is ahead of its chain: it is delivered from the beginning`,
    );
  const id = cursorId(sink.name, head.writer);
  const place = { tenant, kind: 'cursor', id, expected: cursor?.version, now: now(), records: [] } as const;
  const version = await store.putEntry({ ...place, value: '{"seq":0}' });
  return { seq: 0, version };
}

/** Answers the new cursor; `undefined` when there is nothing more to do on this chain now. */
async function deliverNext(
  work: TenantWork,
  writer: string,
  cursor: Cursor,
  worked: Worked,
): Promise<Cursor | undefined> {
  const { store, sink, tenant, now } = work;
  if (!(await renewInTime(work))) return undefined;
  const page = await store.records(tenant, { writer, afterSeq: cursor.seq, limit: sink.maxRecords });
  const records = contiguous(page, cursor.seq, now(), worked);
  if (records.length === 0) return undefined;
  const { done, refused, later } = await deliverBatch(sink, await work.outgoing(tenant, records), work);
  if (later?.refusesAll === true) worked.stuck = true;
  else worked.later = later;
  if (later !== undefined) worked.problems.push(later.reason);
  const last = records[done - 1];
  if (last === undefined) return undefined;
  await setAside(store, { tenant, sink: sink.name, writer }, refused, now());
  const id = cursorId(sink.name, writer);
  const value = JSON.stringify({ seq: last.seq });
  const version = await store.putEntry({
    tenant,
    kind: 'cursor',
    id,
    expected: cursor.version,
    value,
    now: now(),
    records: [],
  });
  // Another outbox was here: it goes on from where it is.
  if (version === undefined) return undefined;
  worked.delivered += done - refused.length;
  worked.refused += refused.length;
  // Should it have broken since it was proven, then this is all that is set aside before it is asked about others again.
  if (work.proven && refused.length === done) return undefined;
  return { seq: last.seq, version };
}

const renewed = new WeakMap<Lock, number>();

/** The lock outlives the next request, or somebody else has it. */
async function renewInTime({ lock, lockMs, timeoutMs, now }: TenantWork): Promise<boolean> {
  const at = renewed.get(lock);
  const fresh = at !== undefined && now() - at < (lockMs - timeoutMs) / 2 && now() >= at;
  if (fresh) return true;
  renewed.set(lock, now());
  return lock.renew();
}

/** The records up to the first gap. A gap that is no write in progress is reported, and passed. */
function contiguous(
  page: readonly StoredRecord[],
  after: number,
  now: number,
  worked: Worked,
): readonly StoredRecord[] {
  const [first] = page;
  if (first === undefined) return [];
  if (first.seq !== after + 1 && after > 0) {
    if (now - first.time < gapGraceMs) return [];
    const text = `records ${after + 1} to ${first.seq - 1} of writer ${first.writer} are missing: verify the ledger`;
    diag.error(`countersign: ${text}`);
    worked.problems.push(text);
  }
  const end = page.findIndex((record, index) => index > 0 && record.seq !== (page[index - 1]?.seq ?? 0) + 1);
  return end === -1 ? page : page.slice(0, end);
}

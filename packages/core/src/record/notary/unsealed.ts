/**
 * What was written since the last seal, cut into segments.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { genesisHash, hashRecord } from '../chain.ts';
import type { SegmentHead } from './log.ts';
import { segmentRoot, type SealedSegment } from './segment.ts';

const recordPage = 500;

export interface UnsealedInput {
  readonly store: Pick<Store, 'records' | 'heads' | 'writers'>;
  readonly tenant: string;
  /** The segments of the log so far. */
  readonly known: readonly SegmentHead[];
  /** Records in one segment, at most. */
  readonly segmentRecords: number;
}

/** @throws LedgerError at a record that does not follow from the one before */
export async function* unsealedSegments(input: UnsealedInput): AsyncGenerator<SealedSegment, void, void> {
  const { store, tenant, known } = input;
  const last = new Map(known.map((segment) => [segment.writer, segment]));
  const heads = (await store.heads(tenant)).map(({ writer }) => writer);
  const writers = new Set([...heads, ...(await store.writers(tenant))]);
  let index = known.length;
  for (const writer of writers) {
    const start = last.get(writer);
    const from = { seq: start?.to ?? 0, hash: start?.head ?? genesisHash(tenant, writer) };
    for await (const part of segmentsOfWriter(input, writer, from)) {
      yield { ...part, index };
      index += 1;
    }
  }
}

/** Recomputes each hash: what does not follow from the record before is never sealed. */
async function* segmentsOfWriter(
  { store, tenant, segmentRecords }: UnsealedInput,
  writer: string,
  begin: { readonly seq: number; readonly hash: string },
): AsyncGenerator<Omit<SealedSegment, 'index'>, void, void> {
  let { seq, hash: previous } = begin;
  let open = { from: seq + 1, previous, hashes: [] as Buffer[] };
  const close = (): Omit<SealedSegment, 'index'> => {
    const segment = { tenant, writer, to: seq, head: previous, root: segmentRoot(open.hashes), ...open };
    open = { from: seq + 1, previous, hashes: [] };
    return segment;
  };
  for (;;) {
    const records = await store.records(tenant, { writer, afterSeq: seq, limit: recordPage });
    if (records.length === 0) break;
    for (const record of records) {
      const hash = hashRecord({ tenant, writer, seq: seq + 1, previous, body: record.body });
      if (record.seq !== seq + 1 || record.hash !== hash) {
        throw new LedgerError(`record ${seq + 1} of writer ${writer} does not fit its chain: run the verification`);
      }
      [seq, previous] = [record.seq, hash];
      open.hashes.push(Buffer.from(hash, 'hex'));
      if (open.hashes.length >= segmentRecords) yield close();
    }
  }
  if (open.hashes.length > 0) yield close();
}

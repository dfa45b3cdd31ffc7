/**
 * Reads the chains of several writers page by page, as one stream.
 * @module
 */
import type { RecordFilter, Store } from '../store/store.ts';
import type { StoredRecord } from './record.ts';

/** Records held in memory at a time, over all writers. */
const heldRecords = 4000;
const minPage = 16;
const maxPage = 500;

/** One writer's records in the order of its chain. `share`: how many writers are read side by side. */
export async function* recordsOfWriter(
  store: Pick<Store, 'records'>,
  writer: string,
  conditions: { readonly tenant: string } & Pick<RecordFilter, 'kind' | 'call' | 'since' | 'until'>,
  share: number,
): AsyncGenerator<StoredRecord, void, void> {
  const { tenant, kind, call, since, until } = conditions;
  const limit = Math.min(maxPage, Math.max(minPage, Math.floor(heldRecords / share)));
  const filter: RecordFilter = {
    writer,
    limit,
    ...(kind === undefined ? {} : { kind }),
    ...(call === undefined ? {} : { call }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
  };
  let page = await store.records(tenant, filter);
  while (page.length > 0) {
    yield* page;
    const afterSeq = page.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
    page = await store.records(tenant, { ...filter, afterSeq });
  }
}

interface Waiting {
  readonly stream: AsyncGenerator<StoredRecord, void, void>;
  record: StoredRecord;
}

/** Always the earliest of the streams' next records. Each stream keeps its own order. */
export async function* mergeByTime(
  streams: readonly AsyncGenerator<StoredRecord, void, void>[],
): AsyncGenerator<StoredRecord, void, void> {
  const waiting: Waiting[] = [];
  for (const stream of streams) {
    const first = await stream.next();
    if (first.done !== true) waiting.push({ stream, record: first.value });
  }
  while (waiting.length > 0) {
    const earliest = waiting.reduce((left, right) => (right.record.time < left.record.time ? right : left));
    yield earliest.record;
    const next = await earliest.stream.next();
    if (next.done === true) waiting.splice(waiting.indexOf(earliest), 1);
    else earliest.record = next.value;
  }
}

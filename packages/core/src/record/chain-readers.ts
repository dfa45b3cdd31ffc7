/**
 * Reads the chains of a tenant from a point in time on, side by side, and looks at each link on the way.
 * @module
 */
import type { Store } from '../store/store.ts';
import { genesisHash, hashRecord } from './chain.ts';
import type { StoredRecord } from './record.ts';

/** Up to where each writer's chain was read. */
export type ChainPositions = ReadonlyMap<string, number>;

export interface LinkedRecord {
  readonly record: StoredRecord;
  /** Whether its hash follows from the record before it, with no number left out. */
  readonly linked: boolean;
}

export interface ChainReaders {
  /** The earliest record that was not read yet; the records of one writer come in the order of their chain. */
  next(): Promise<LinkedRecord | undefined>;
  /** To go on from later. */
  positions(): ChainPositions;
}

type ReadableStore = Pick<Store, 'records' | 'heads' | 'writers'>;

interface Reader {
  readonly writer: string;
  /** Number and hash of the record that was read last; no hash where it was pruned. */
  seq: number;
  hash: string | undefined;
  page: readonly StoredRecord[];
  place: number;
  ended: boolean;
}

/** Records held in memory at a time, over all writers. */
const heldRecords = 4000;
const minPage = 16;
const maxPage = 500;
/** A record is drafted before it is chained: this long before, and more for a call that hung. */
const disorderMs = 60_000;
/** Beyond the highest number that a chain can have. */
const beyond = 0x1_0000_0000;

/**
 * Finds the place in each chain by bisection, so that a long ledger costs a few looks and no scan.
 * @param from milliseconds since the epoch; some earlier records come too
 * @param after where an earlier reading stopped; chains that are not in it begin at `from`
 */
export async function openChains(
  store: ReadableStore,
  tenant: string,
  from: number,
  after: ChainPositions = new Map(),
): Promise<ChainReaders> {
  const heads = new Map((await store.heads(tenant)).map(({ writer, seq }) => [writer, seq]));
  const readers: Reader[] = [];
  for (const writer of await store.writers(tenant)) {
    const seq =
      after.get(writer) ?? (await placeBefore(store, tenant, writer, from - disorderMs, heads.get(writer) ?? beyond));
    if (seq !== undefined) readers.push(await openReader(store, tenant, writer, seq));
  }
  const limit = Math.min(maxPage, Math.max(minPage, Math.floor(heldRecords / Math.max(1, readers.length))));

  async function fill(reader: Reader): Promise<void> {
    if (reader.ended || reader.place < reader.page.length) return;
    reader.page = await store.records(tenant, { writer: reader.writer, afterSeq: reader.seq, limit });
    reader.place = 0;
    reader.ended = reader.page.length === 0;
  }

  return {
    async next() {
      let earliest: Reader | undefined;
      for (const reader of readers) {
        await fill(reader);
        const time = reader.page[reader.place]?.time;
        if (time === undefined) continue;
        if (earliest === undefined || time < (earliest.page[earliest.place]?.time ?? 0)) earliest = reader;
      }
      return earliest && take(tenant, earliest);
    },
    positions: () => new Map(readers.map(({ writer, seq }) => [writer, seq])),
  };
}

function take(tenant: string, reader: Reader): LinkedRecord | undefined {
  const record = reader.page[reader.place];
  if (record === undefined) return undefined;
  const { seq, hash, body } = record;
  const { writer, hash: previous } = reader;
  // The hash covers number and predecessor. What stood before the first record that is left of a pruned chain is for the
  // verification to say.
  const linked = previous === undefined || hash === hashRecord({ tenant, writer, seq, previous, body });
  reader.place += 1;
  reader.seq = seq;
  reader.hash = hash;
  return { record, linked };
}

async function openReader(store: ReadableStore, tenant: string, writer: string, seq: number): Promise<Reader> {
  const [before] = seq === 0 ? [] : await store.records(tenant, { writer, afterSeq: seq - 1, limit: 1 });
  const [first] = await store.records(tenant, { writer, afterSeq: seq, limit: 1 });
  const hash =
    seq === 0 && first?.seq === 1 ? genesisHash(tenant, writer) : before?.seq === seq ? before.hash : undefined;
  return { writer, seq, hash, page: [], place: 0, ended: false };
}

/** Number of the last record before `time`, 0 when there is none; `undefined` when the whole chain is older. */
async function placeBefore(
  store: ReadableStore,
  tenant: string,
  writer: string,
  time: number,
  head: number,
): Promise<number | undefined> {
  const isOlder = async (seq: number): Promise<boolean> => {
    const [record] = await store.records(tenant, { writer, afterSeq: seq - 1, limit: 1 });
    return record !== undefined && record.time < time;
  };
  if (head < beyond && (await isOlder(head))) return undefined;
  let older = 0;
  let younger = head;
  while (younger - older > 1) {
    const middle = Math.floor((older + younger) / 2);
    if (await isOlder(middle)) older = middle;
    else younger = middle;
  }
  return older;
}

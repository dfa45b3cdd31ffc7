/**
 * How far a receiver has got in each chain: entries of kind `cursor`, id `<sink>/<writer>`, value `{"seq": n}`.
 *
 * A cursor moves by compare-and-set, after the receiver has answered. Retention asks {@link deliveredThrough} and keeps
 * what some receiver does not have yet.
 * @module
 */
import { diag } from '@opentelemetry/api';
import { ConfigurationError } from '../errors.ts';
import type { Store, StoredEntry } from '../store/store.ts';

export interface Cursor {
  /** The receiver has the records up to this one. */
  readonly seq: number;
  /** Of the entry; `undefined` when there is none yet. */
  readonly version: string | undefined;
}

type Entries = Pick<Store, 'entries'>;

/** Cursors of one sink in one tenant, by writer. */
export type Cursors = ReadonlyMap<string, Cursor>;

const page = 500;
const sinkName = /^[A-Za-z0-9._-]{1,64}$/;

/** @throws ConfigurationError */
export function requireSinkName(name: unknown): string {
  if (typeof name === 'string' && sinkName.test(name)) return name;
  throw new ConfigurationError('the name of a sink has 1 to 64 letters, digits, ".", "_" or "-"');
}

export function cursorId(sink: string, writer: string): string {
  return `${sink}/${writer}`;
}

/** By sink. A damaged cursor begins anew: delivered twice is better than not at all. */
export async function readCursors(store: Entries, tenant: string): Promise<ReadonlyMap<string, Cursors>> {
  const bySink = new Map<string, Map<string, Cursor>>();
  for (let after: string | undefined; ;) {
    const found = await store.entries(tenant, 'cursor', { limit: page, ...(after === undefined ? {} : { after }) });
    for (const entry of found) {
      const slash = entry.id.indexOf('/');
      const sink = entry.id.slice(0, slash);
      const cursors = bySink.get(sink) ?? new Map<string, Cursor>();
      bySink.set(sink, cursors.set(entry.id.slice(slash + 1), { seq: seqOf(entry), version: entry.version }));
    }
    const last = found.at(-1);
    if (last === undefined || found.length < page) return bySink;
    after = last.id;
  }
}

function seqOf({ tenant, id, value }: StoredEntry): number {
  try {
    const { seq } = JSON.parse(value) as { readonly seq?: unknown };
    if (Number.isSafeInteger(seq) && (seq as number) >= 0) return seq as number;
  } catch {
    // Reported below.
  }
  diag.error(`countersign: the cursor ${id} of tenant ${tenant} is damaged: its chain is delivered from the beginning`);
  return 0;
}

/**
 * The newest record of a chain that every receiver of the tenant has; `Infinity` where there is no receiver. Older
 * ones may be pruned. A receiver that has not seen this chain yet has none of it, nor has one whose cursor is ahead.
 */
export async function deliveredThrough(
  store: Pick<Store, 'entries' | 'heads'>,
  tenant: string,
  writer: string,
): Promise<number> {
  let through = Number.POSITIVE_INFINITY;
  const bySink = await readCursors(store, tenant);
  // Read after the cursors, so that none is ahead of it only because the chain grew.
  const head = (await store.heads(tenant)).find((each) => each.writer === writer)?.seq ?? 0;
  for (const cursors of bySink.values()) through = Math.min(through, head - behind(cursors.get(writer), head));
  return through;
}

/** How many records of a tenant this receiver does not have yet. */
export async function undelivered(
  store: Pick<Store, 'entries' | 'heads'>,
  tenant: string,
  sinks: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const heads = await store.heads(tenant);
  const bySink = await readCursors(store, tenant);
  return new Map(
    sinks.map((sink) => {
      const cursors = bySink.get(sink);
      return [sink, heads.reduce((sum, { writer, seq }) => sum + behind(cursors?.get(writer), seq), 0)];
    }),
  );
}

/** A cursor ahead of its chain is one of another past: the store was restored. */
export function behind(cursor: Cursor | undefined, head: number): number {
  const seq = cursor?.seq ?? 0;
  return seq > head ? head : head - seq;
}

/**
 * Records that a receiver will never take: written down before the cursor passes them, as entries of kind `notice`. They
 * stay in the ledger.
 * @module
 */
import { diag } from '@opentelemetry/api';
import type { Store } from '../store/store.ts';
import type { RefusedRecord } from './sink.ts';

interface Range {
  readonly from: number;
  to: number;
  readonly reason: string;
}

const maxReason = 200;

export async function setAside(
  store: Pick<Store, 'entry' | 'putEntry'>,
  place: { readonly tenant: string; readonly sink: string; readonly writer: string },
  refused: readonly RefusedRecord[],
  now: number,
): Promise<void> {
  const { tenant, sink, writer } = place;
  const ranges = rangesOf(refused);
  const [first] = ranges;
  if (first === undefined) return;
  const id = `outbox/${sink}/${writer}/${first.from}`;
  const known = await store.entry(tenant, 'notice', id);
  const value = JSON.stringify({ refused: ranges });
  await store.putEntry({ tenant, kind: 'notice', id, expected: known?.version, value, now, records: [] });
  for (const { from, to, reason } of ranges)
    diag.error(`countersign: ${sink} refuses records ${from} to ${to} of writer ${writer}: ${reason}`);
}

const page = 500;
const prefix = 'outbox/';

/** How many records were set aside, by sink. */
export async function noticesOf(store: Pick<Store, 'entries'>, tenant: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (let after = prefix; ;) {
    const found = await store.entries(tenant, 'notice', { after, limit: page });
    for (const { id, value } of found) {
      if (!id.startsWith(prefix)) return counts;
      const sink = id.slice(prefix.length, id.indexOf('/', prefix.length));
      counts.set(sink, (counts.get(sink) ?? 0) + sizeOf(value));
    }
    const last = found.at(-1);
    if (last === undefined || found.length < page) return counts;
    after = last.id;
  }
}

function sizeOf(value: string): number {
  try {
    const { refused } = JSON.parse(value) as { readonly refused: readonly Range[] };
    return refused.reduce((sum, { from, to }) => sum + to - from + 1, 0);
  } catch {
    return 1;
  }
}

function rangesOf(refused: readonly RefusedRecord[]): readonly Range[] {
  const ranges: Range[] = [];
  for (const { seq, reason } of refused.toSorted((left, right) => left.seq - right.seq)) {
    const last = ranges.at(-1);
    const cut = reason.slice(0, maxReason).toWellFormed();
    if (last !== undefined && last.to === seq - 1 && last.reason === cut) last.to = seq;
    else ranges.push({ from: seq, to: seq, reason: cut });
  }
  return ranges;
}

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

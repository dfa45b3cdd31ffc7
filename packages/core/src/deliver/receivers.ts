/**
 * For operators: who gets the ledger of a tenant, how far behind they are, and the end of one.
 * @module
 */
import type { Store } from '../store/store.ts';
import { behind, cursorId, readCursors, requireSinkName } from './cursor.ts';
import { noticesOf } from './set-aside.ts';

export interface OutboxStatus {
  readonly tenant: string;
  readonly sink: string;
  /** Records that it does not have yet. */
  readonly waiting: number;
  /** Records that it will never take. */
  readonly refused: number;
}

export async function outboxStatus(
  store: Pick<Store, 'entries' | 'heads'>,
  tenant: string,
): Promise<readonly OutboxStatus[]> {
  const heads = await store.heads(tenant);
  const cursors = await readCursors(store, tenant);
  const refused = await noticesOf(store, tenant);
  return [...cursors].map(([sink, ofSink]) => ({
    tenant,
    sink,
    waiting: heads.reduce((sum, { writer, seq }) => sum + behind(ofSink.get(writer), seq), 0),
    refused: refused.get(sink) ?? 0,
  }));
}

/** Removes the cursors of a receiver; answers how many. Delivered to again, it gets everything from the beginning. */
export async function forgetReceiver(
  store: Pick<Store, 'entries' | 'putEntry'>,
  tenant: string,
  sink: string,
  now: number,
): Promise<number> {
  const cursors = (await readCursors(store, tenant)).get(requireSinkName(sink));
  let removed = 0;
  for (const [writer, { version }] of cursors ?? []) {
    const place = { tenant, kind: 'cursor', id: cursorId(sink, writer), expected: version, value: undefined } as const;
    if ((await store.putEntry({ ...place, now, records: [] })) !== undefined) removed += 1;
  }
  return removed;
}

/**
 * Entries, the holds among them, and the pruning of a chain. Part of `operations.ts`.
 * @module
 */
import { StoreError } from '../errors.ts';
import { createRandomPool } from '../record/random-pool.ts';
import type { OperationContext } from './approval-operations.ts';
import type { CallFacts, PruneInput, PutEntryInput } from './store.ts';
import type { Tables } from './tables.ts';

const nextVersion = createRandomPool(12);
const newVersion = (): string => nextVersion().toString('base64url');

/** On hold: nobody's call is claimed, whatever was approved before. */
export function isHeld({ entries }: Tables, { tenant, subject, agent, delegation }: CallFacts): boolean {
  const chain = [...delegation, agent].map((each) => `agent:${each}`);
  return ['tenant', `subject:${subject}`, ...chain].some((id) => entries.find(tenant, 'hold', id) !== undefined);
}

export function putEntry({ tables, append }: OperationContext, input: PutEntryInput): string | undefined {
  const { tenant, kind, id, expected, value, now, records } = input;
  const stored = tables.entries.find(tenant, kind, id);
  if (stored?.version !== expected) return undefined;
  const version = value === undefined ? '' : newVersion();
  if (value !== undefined) tables.entries.put({ tenant, kind, id, version, value, updatedAt: now });
  else if (stored !== undefined) tables.entries.remove(tenant, kind, id);
  append(tenant, records);
  return version;
}

export function prune(
  { tables, append }: OperationContext,
  { tenant, writer, through, entry, now, records }: PruneInput,
): number {
  const head = tables.records.head(tenant, writer);
  if (head === undefined || !Number.isSafeInteger(through) || through < 1 || through >= head.seq) {
    throw new StoreError(
      `records up to ${through} cannot go: this chain ends at ${head?.seq ?? 0}, and its newest stays`,
    );
  }
  const version = newVersion();
  tables.entries.put({ tenant, kind: 'segment', ...entry, version, updatedAt: now });
  const removed = tables.records.prune(tenant, writer, through);
  append(tenant, records);
  return removed;
}

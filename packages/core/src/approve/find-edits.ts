/**
 * When the arguments of requests were edited, and by whom: the store keeps the last edit and the ledger its time.
 * @module
 */
import { openChains } from '../record/chain-readers.ts';
import { createKeyFinder, openFor } from '../record/key-finder.ts';
import { parseRecordBody } from '../record/open-record.ts';
import type { Sealer } from '../record/sealing.ts';
import type { Store, StoredApproval } from '../store/store.ts';

export interface Edit {
  readonly time: number;
  readonly approver: string;
}

export interface Edits {
  of(approval: string): readonly Edit[];
  /** Of how many requests the edits were not found. */
  readonly unread: number;
}

interface EditParts {
  readonly ledger: Pick<Store, 'records' | 'heads' | 'writers'>;
  readonly sealer: Sealer;
}

/** Records read at most: for one request, and in all. */
const maxOfOne = 2_000;
const maxInAll = 40_000;
/** Requests searched for at most. */
const maxSearched = 500;

/** Those up to `beforeMs` before a vote; earlier ones make no vote quick. */
export async function findEdits(
  { ledger, sealer }: EditParts,
  tenant: string,
  approvals: readonly StoredApproval[],
  beforeMs: number,
): Promise<Edits> {
  const found = new Map<string, readonly Edit[]>();
  const edited = approvals.filter(({ edit, votes }) => edit !== undefined && votes.length > 0);
  let left = maxInAll;
  let unread = 0;

  async function editsOf({ id, votes }: StoredApproval): Promise<readonly Edit[] | undefined> {
    const times = votes.map(({ time }) => time);
    // Nobody edits once somebody has voted, so the first vote is the one to look before.
    const [from, until] = [Math.min(...times) - beforeMs, Math.min(...times)];
    const chains = await openChains(ledger, tenant, from);
    const keyOf = createKeyFinder(sealer, tenant);
    const edits: Edit[] = [];
    for (let looked = 0; looked < maxOfOne && left > 0; looked += 1, left -= 1) {
      const next = await chains.next();
      // The vote's own record ends the search: it was chained after every edit.
      if (next === undefined || next.record.time > until + beforeMs) return edits;
      const { record } = next;
      if (record.kind !== 'approval' || record.event !== 'edited') continue;
      const body = parseRecordBody(record);
      if (body.approval !== id) continue;
      const { approver = '' } = await openFor(record, body, keyOf);
      edits.push({ time: record.time, approver });
    }
    return undefined;
  }

  for (const [index, approval] of edited.entries()) {
    // A ledger that cannot be read takes no other number away.
    const edits = index < maxSearched ? await editsOf(approval).catch(() => undefined) : undefined;
    if (edits === undefined) unread += 1;
    else found.set(approval.id, edits);
  }
  return { of: (id) => found.get(id) ?? [], unread };
}

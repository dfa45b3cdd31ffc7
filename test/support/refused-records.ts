/**
 * What the ledger has of refused decisions, edits and requests.
 */
import type { Ledger, OpenedRecord } from '@countersign/core';

/** Oldest first. */
export async function refusedRecords(ledger: Pick<Ledger, 'query'>, tenant = 'acme'): Promise<readonly OpenedRecord[]> {
  const records = [];
  for await (const record of ledger.query({ tenant, kind: 'approval' })) {
    if (record.event === 'refused') records.push(record);
  }
  return records;
}

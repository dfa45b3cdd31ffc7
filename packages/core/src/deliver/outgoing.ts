/**
 * Turns stored records into what leaves.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { diag } from '@opentelemetry/api';
import { keyBytes } from '../key-bytes.ts';
import { createKeyFinder } from '../record/key-finder.ts';
import { openRecord, parseRecordBody } from '../record/open-record.ts';
import type { StoredRecord } from '../record/record.ts';
import { createSealer } from '../record/sealing.ts';
import type { Store } from '../store/store.ts';
import type { OutgoingRecord } from './sink.ts';

/** Keys are held for one batch, so that an erasure takes effect. */
export type Outgoing = (tenant: string, records: readonly StoredRecord[]) => Promise<readonly OutgoingRecord[]>;

/** What is sealed stays at home. */
export const sealedOutgoing: Outgoing = async (_tenant, records) => records.map((record) => outgoing(record));

/** Opens what was sealed. @throws KeyError unless the key has 32 bytes */
export function disclosedOutgoing(store: Pick<Store, 'subjectKey'>, key: KeyObject | Uint8Array): Outgoing {
  const sealer = createSealer({ masterKey: keyBytes(key, 32), keys: store });
  return async (tenant, records) => {
    await sealer.check(tenant);
    const keyOf = createKeyFinder(sealer, tenant);
    const opened: OutgoingRecord[] = [];
    for (const record of records) {
      const plain = outgoing(record);
      if (plain.damaged === true) {
        opened.push(plain);
        continue;
      }
      const found = await keyOf(plain);
      const { sealedState, ...rest } = openRecord(record, found);
      const user = found?.user === undefined || sealedState !== 'open' ? {} : { user: found.user };
      opened.push({ ...rest, ...user });
    }
    return opened;
  };
}

/** A body that cannot be read must neither stop the others nor vanish. */
function outgoing(record: StoredRecord): OutgoingRecord {
  const { tenant, writer, seq, hash, time, kind, event } = record;
  try {
    const { v: _version, sealed: _sealed, ...body } = parseRecordBody(record);
    return { ...body, writer, seq, hash };
  } catch {
    diag.error(`countersign: record ${seq} of writer ${writer} has no readable body: verify the ledger`);
    return { id: `damaged_${hash}`, tenant, time, kind, event, writer, seq, hash, damaged: true };
  }
}

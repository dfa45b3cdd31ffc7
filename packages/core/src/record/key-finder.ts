/**
 * Finds the key that opens a record: its subject's, or its tenant's for administration.
 * @module
 */
import { KeyError } from '../errors.ts';
import { openRecord, type OpenedRecord } from './open-record.ts';
import type { RecordBody } from './record-body.ts';
import type { StoredRecord } from './record.ts';
import type { Sealer } from './sealing.ts';
import type { SealingKey } from './sealing-key.ts';

interface FoundKey extends Pick<SealingKey, 'open'> {
  readonly user?: string;
}
export type KeyFinder = (body: Pick<RecordBody, 'kind' | 'subject'>) => Promise<FoundKey | undefined>;

const maxKeysHeld = 1000;

/** Asks for each subject once. Hold it for one query. A key that was tampered with opens nothing, and ends no query. */
export function createKeyFinder(sealer: Sealer, tenant: string): KeyFinder {
  const found = new Map<string, FoundKey | undefined>();
  return async function keyOf({ kind, subject }) {
    if (kind === 'administration' || subject === undefined) return sealer.tenant(tenant);
    if (found.has(subject)) return found.get(subject);
    if (found.size >= maxKeysHeld) found.clear();
    const key = await sealer.bySubject(tenant, subject).catch(unusable);
    found.set(subject, key);
    return key;
  };
}

function unusable(error: unknown): FoundKey {
  if (!(error instanceof KeyError)) throw error;
  return {
    open() {
      throw error;
    },
  };
}

/** A user who comes back after an erasure has a new key: only what that key opens is known to be theirs. */
export async function openFor(record: StoredRecord, body: RecordBody, keyOf: KeyFinder): Promise<OpenedRecord> {
  const key = await keyOf(body);
  const opened = openRecord(record, key);
  return key?.user === undefined || opened.sealedState !== 'open' ? opened : { ...opened, user: key.user };
}

/**
 * The ledger alone, for tools that read it and run no calls.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { keyBytes } from '../key-bytes.ts';
import type { Store } from '../store/store.ts';
import { createClock } from './clock.ts';
import { createHolds, type Holds } from '../holds.ts';
import { createLedger, type Ledger, type LedgerOptions } from './ledger.ts';
import { createRecorder } from './recorder.ts';
import { createSealer } from './sealing.ts';

export interface OpenLedgerOptions {
  readonly store: Store;
  /** The `audit.key` that the records were sealed under. Verification alone does without: see `verifyLedger`. */
  readonly key: KeyObject | Uint8Array;
}

/** @throws KeyError unless the key has 32 bytes */
export function openLedger(options: OpenLedgerOptions): Ledger {
  return createLedger(partsOf(options));
}

/**
 * The kill switch alone, for tools that run no calls.
 * @throws KeyError unless the key has 32 bytes
 */
export function openHolds(options: OpenLedgerOptions): Holds {
  return createHolds(partsOf(options));
}

function partsOf({ store, key }: OpenLedgerOptions): LedgerOptions {
  const sealer = createSealer({ masterKey: keyBytes(key, 32), keys: store });
  const clock = createClock();
  return { store, sealer, recorder: createRecorder({ clock }), clock };
}

/**
 * The load of approvals from a store, for tools that serve no approvers.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { requireId } from '../identify/principal.ts';
import { keyBytes } from '../key-bytes.ts';
import { createSealer } from '../record/sealing.ts';
import type { Store } from '../store/store.ts';
import { measureLoad, type ApprovalLoad, type LoadQuery } from './approval-load.ts';

export interface ApprovalLoadOptions extends LoadQuery {
  readonly store: Store;
  /** The `audit.key` that the records were sealed under: it tells who edited what. */
  readonly key: KeyObject | Uint8Array;
  readonly tenant: string;
}

/** @throws ConfigurationError for a window that is none; KeyError for another key than the store's */
export async function approvalLoad({ store, key, tenant, ...query }: ApprovalLoadOptions): Promise<ApprovalLoad> {
  const sealer = createSealer({ masterKey: keyBytes(key, 32), keys: store });
  await sealer.check(requireId('tenant', tenant));
  return measureLoad({ store, ledger: store, sealer }, tenant, query, Date.now());
}

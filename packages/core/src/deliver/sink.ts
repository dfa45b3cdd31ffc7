/**
 * Where the outbox delivers records to, and what it delivers. A driver is an OTLP endpoint, a log service, a file.
 * @module
 */
import type { RecordBody } from '../record/record-body.ts';
import type { RecordSecrets } from '../record/record.ts';

/**
 * A record as it leaves: what its body says in the clear (the user by pseudonym), and with the outbox's `disclose` also
 * what was sealed, redacted as it was when it was written.
 */
export interface OutgoingRecord extends Omit<RecordBody, 'sealed' | 'v'>, RecordSecrets {
  readonly writer: string;
  readonly seq: number;
  readonly hash: string;
  /** The stored body cannot be read: only kind, event, time and place in the chain are known. Verify the ledger. */
  readonly damaged?: true;
}

export interface RefusedRecord {
  readonly seq: number;
  readonly reason: string;
}

/**
 * `accepted`: the receiver has every record but the `refused` ones, which it will never take.
 * `refused`: it will not take the request as it is, and does not say which records are the cause. Smaller ones follow.
 * `later`: it could not be reached, is busy, or answers what nobody understands. It has the first `accepted` records.
 */
export type Delivery =
  | { readonly status: 'accepted'; readonly refused?: readonly RefusedRecord[] }
  | { readonly status: 'refused'; readonly reason: string }
  | { readonly status: 'later'; readonly reason: string; readonly afterMs?: number; readonly accepted?: number };

export interface RecordSink {
  /** Names the cursors of this receiver: letters, digits, `.`, `_` and `-`, at most 64. */
  readonly name: string;
  /** The most records that one delivery may have. */
  readonly maxRecords: number;
  /**
   * Takes records of one tenant and writer, in the order of their chain. May be given the same ones again: after a
   * crash, after `later`, in smaller parts after `refused`. What it throws counts as `later`.
   */
  deliver(records: readonly OutgoingRecord[], signal: AbortSignal): Promise<Delivery>;
}

/**
 * Where a record stands in a trace. The same record has the same ids whenever it is delivered, so that a back end that
 * tells spans apart by id shows it once.
 * @module
 */
import { createHash } from 'node:crypto';
import type { OutgoingRecord } from '@countersign/core';

export interface RecordPlace {
  /** The trace of the span in which the record was written; else one for all records of the call. */
  readonly traceId: string;
  /** The record's own span: never that of a live span, of which a back end may keep another copy and drop this one. */
  readonly spanId: string;
  /** The live span in which the record was written. */
  readonly liveSpanId: string | undefined;
}

const traceForm = /^(?!0{32}$)[0-9a-f]{32}$/;
const spanForm = /^(?!0{16}$)[0-9a-f]{16}$/;

export function placeOf(record: OutgoingRecord): RecordPlace {
  const { tenant, id, call, approval, trace, span } = record;
  const live = trace !== undefined && span !== undefined && traceForm.test(trace) && spanForm.test(span);
  return {
    traceId: live ? trace : derived('trace', [tenant, call ?? approval ?? id], 32),
    spanId: derived('span', [tenant, id], 16),
    liveSpanId: live ? span : undefined,
  };
}

/** Hexadecimal digits of a SHA-256. That all are zero, which would be no id, is as likely as a collision. */
function derived(what: 'trace' | 'span', fields: readonly string[], digits: number): string {
  const text = fields.map((field) => `\n${field.length}:${field}`).join('');
  return createHash('sha256').update(`countersign/otlp/${what}${text}`).digest('hex').slice(0, digits);
}

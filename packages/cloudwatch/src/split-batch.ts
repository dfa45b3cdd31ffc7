/**
 * Cuts records into requests that `PutLogEvents` takes (CloudWatch Logs API reference, PutLogEvents): at most 10,000
 * events and 1,048,576 bytes, each event counted with 26 bytes more, within 24 hours, ordered by time.
 * @module
 */
import type { OutgoingRecord } from '@countersign/core';

export interface LogEvent {
  readonly seq: number;
  /** Milliseconds since the epoch. */
  readonly timestamp: number;
  readonly message: string;
}

const maxEvents = 10_000;
const maxBytes = 1_048_576;
const bytesPerEvent = 26;
const maxSpanMs = 24 * 3_600_000;

export interface Split {
  /** Leading records, in requests to be sent one after the other; each ordered by time. */
  readonly requests: readonly (readonly LogEvent[])[];
  /** Records that no request can hold. */
  readonly tooLarge: readonly number[];
}

export function splitBatch(records: readonly OutgoingRecord[]): Split {
  const requests: LogEvent[][] = [];
  const tooLarge: number[] = [];
  let bytes = 0;
  let earliest = 0;
  let latest = 0;
  for (const record of records) {
    const message = JSON.stringify(record);
    const size = Buffer.byteLength(message) + bytesPerEvent;
    if (size > maxBytes) {
      tooLarge.push(record.seq);
      continue;
    }
    const timestamp = Math.round(record.time);
    const current = requests.at(-1);
    const span = Math.max(latest, timestamp) - Math.min(earliest, timestamp);
    const fits = current !== undefined && current.length < maxEvents && bytes + size <= maxBytes && span < maxSpanMs;
    if (!fits) {
      requests.push([{ seq: record.seq, timestamp, message }]);
      bytes = size;
      earliest = latest = timestamp;
      continue;
    }
    current.push({ seq: record.seq, timestamp, message });
    bytes += size;
    earliest = Math.min(earliest, timestamp);
    latest = Math.max(latest, timestamp);
  }
  // Records of one chain are ordered by commit; those of calls that run at once may differ by moments.
  return { requests: requests.map((request) => request.toSorted(byTime)), tooLarge };
}

function byTime(left: LogEvent, right: LogEvent): number {
  return left.timestamp - right.timestamp || left.seq - right.seq;
}

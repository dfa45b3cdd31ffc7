/**
 * One batch, whatever the receiver does: it refuses, refuses a part, is down, hangs, or lies.
 *
 * A request that is refused as a whole is sent again in halves, down to the records that are the cause. Those are set
 * aside, so that one record cannot hold up the others; but only where the same receiver took another record of the
 * batch, named them itself, or took records of other chains (`proven`): a receiver that refuses everything is taken for
 * a broken one, and nothing is set aside.
 * @module
 */
import { describeError } from '../describe-error.ts';
import { within } from '../within-time.ts';
import type { Delivery, OutgoingRecord, RecordSink, RefusedRecord } from './sink.ts';

export interface BatchResult {
  /** So many records, from the first on, are done: accepted or set aside. */
  readonly done: number;
  readonly refused: readonly RefusedRecord[];
  /** Set when the receiver has to be left alone for a while. */
  readonly later: Later | undefined;
}

export interface Later {
  readonly reason: string;
  readonly afterMs: number;
  /** It answered, and took none of these records: it may well take those of others. */
  readonly refusesAll?: true;
}

/** So many refusals of single records, and nothing accepted: the receiver is the cause. */
const enoughRefusals = 8;
const refusesEvery = 'the receiver refuses every record: ';

export async function deliverBatch(
  sink: RecordSink,
  records: readonly OutgoingRecord[],
  {
    timeoutMs,
    signal,
    proven = false,
  }: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly proven?: boolean },
): Promise<BatchResult> {
  const parts = [records];
  const refused: RefusedRecord[] = [];
  let done = 0;
  /** It took a record, or said which ones it does not take. */
  let works = false;
  const stopped = (reason: string, afterMs = 0): BatchResult => ({
    ...(works ? { done, refused } : { done: 0, refused: [] }),
    later: { reason, afterMs },
  });
  const refusesAll = (reason: string): BatchResult =>
    proven
      ? { done, refused, later: undefined }
      : { done: 0, refused: [], later: { reason: `${refusesEvery}${reason}`, afterMs: 0, refusesAll: true } };

  for (let part = parts.shift(); part !== undefined; part = parts.shift()) {
    const answer = await attempt(sink, part, timeoutMs, signal);
    switch (answer.status) {
      case 'accepted': {
        refused.push(...(answer.refused ?? []));
        works = true;
        done += part.length;
        break;
      }
      case 'refused': {
        const [only] = part;
        if (only === undefined) return stopped('a sink refused nothing');
        if (part.length > 1) {
          const middle = part.length >> 1;
          parts.unshift(part.slice(0, middle), part.slice(middle));
          break;
        }
        refused.push({ seq: only.seq, reason: answer.reason });
        done += 1;
        if (!works && refused.length >= enoughRefusals) return refusesAll(answer.reason);
        break;
      }
      default:
        done += answer.accepted ?? 0;
        works ||= (answer.accepted ?? 0) > 0;
        return stopped(answer.reason, answer.afterMs);
    }
  }
  if (!works && refused.length > 0) return refusesAll(refused[0]?.reason ?? '');
  return { done, refused, later: undefined };
}

/** Never rejects, and answers nothing that the batch cannot mean. */
async function attempt(
  sink: RecordSink,
  part: readonly OutgoingRecord[],
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Delivery> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  signal.addEventListener('abort', end, { once: true });
  try {
    signal.throwIfAborted();
    return checked(await within(sink.deliver(part, ending.signal), timeoutMs), part);
  } catch (error) {
    return { status: 'later', reason: describeError(error) ?? 'the delivery failed' };
  } finally {
    signal.removeEventListener('abort', end);
    end();
  }
}

function checked(answer: Delivery, part: readonly OutgoingRecord[]): Delivery {
  switch (answer?.status) {
    case 'accepted': {
      const seqs = new Set(part.map(({ seq }) => seq));
      return { status: 'accepted', refused: (answer.refused ?? []).filter(({ seq }) => seqs.delete(seq)) };
    }
    case 'refused':
      return answer;
    case 'later': {
      const { accepted = 0, afterMs = 0 } = answer;
      return {
        status: 'later',
        reason: answer.reason,
        afterMs: afterMs > 0 ? Math.min(afterMs, maxAfterMs) : 0,
        // What cannot be is not believed.
        accepted: Number.isInteger(accepted) && accepted >= 0 && accepted <= part.length ? accepted : 0,
      };
    }
    default:
      return { status: 'later', reason: 'the sink answered what nobody understands' };
  }
}

/** Whoever asks for more is asked again after this: a receiver must not stop the delivery for days by one answer. */
const maxAfterMs = 300_000;

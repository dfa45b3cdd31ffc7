/**
 * Delivers records to CloudWatch Logs as JSON, one event each, in one log stream per chain: `<tenant>/<writer>`.
 *
 * CloudWatch does not tell events apart: what is delivered twice stands there twice, with the same `id`. Events older
 * than 14 days or the group's retention are refused by name, and set aside.
 * @module
 */
import {
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
  type CloudWatchLogsClient,
  type RejectedLogEventsInfo,
} from '@aws-sdk/client-cloudwatch-logs';
import { ConfigurationError, type Delivery, type RecordSink, type RefusedRecord } from '@countersign/core';
import { splitBatch, type LogEvent } from './split-batch.ts';

export interface CloudWatchSinkOptions {
  readonly client: CloudWatchLogsClient;
  /** Name of the log group. */
  readonly group: string;
  /** Also make the group where there is none. Streams are always made. Default `false`. */
  readonly createGroup?: boolean;
  /** Names the cursors. Default `cloudwatch`. */
  readonly name?: string;
}

const maxRecords = 2_000;
const busyMs = 1_000;
const tooNewMs = 60_000;

/** @throws ConfigurationError */
export function cloudWatchSink(options: CloudWatchSinkOptions): RecordSink {
  const { client, group } = options;
  if (typeof client?.send !== 'function') throw new ConfigurationError('`client` must be a CloudWatchLogsClient');
  if (!/^[A-Za-z0-9._/#-]{1,512}$/.test(group)) throw new ConfigurationError('`group` must be the name of a log group');

  const put = putter(options);

  return {
    name: options.name ?? 'cloudwatch',
    maxRecords,
    async deliver(records, signal) {
      const [first] = records;
      if (first === undefined) return { status: 'accepted' };
      const stream = `${first.tenant}/${first.writer}`;
      const { requests, tooLarge } = splitBatch(records);
      const refused: RefusedRecord[] = tooLarge.map((seq) => ({ seq, reason: 'larger than an event may be' }));
      /** Leading records that it has; none are counted once some were refused, as they are no leading ones any more. */
      let accepted = 0;
      for (const events of requests) {
        try {
          const { rejected } = await put(stream, events, signal);
          const { old, tooNew } = sortOut(events, rejected);
          refused.push(...old);
          if (tooNew > 0)
            return {
              status: 'later',
              reason: `CloudWatch says of ${tooNew} records that they are too new`,
              afterMs: tooNewMs,
              accepted,
            };
          if (refused.length === 0) accepted += events.length;
        } catch (error) {
          return failure(error, accepted);
        }
      }
      return { status: 'accepted', refused };
    },
  };
}

interface Put {
  readonly rejected: RejectedLogEventsInfo | undefined;
}

/** One request to one stream, which is made where there is none. */
function putter({
  client,
  group,
  createGroup = false,
}: CloudWatchSinkOptions): (stream: string, events: readonly LogEvent[], signal: AbortSignal) => Promise<Put> {
  async function createStream(stream: string, signal: AbortSignal): Promise<void> {
    const place = { logGroupName: group, logStreamName: stream };
    try {
      await client.send(new CreateLogStreamCommand(place), { abortSignal: signal });
    } catch (error) {
      if (isNamed(error, 'ResourceAlreadyExistsException')) return;
      if (!createGroup || !isNamed(error, 'ResourceNotFoundException')) throw error;
      await client
        .send(new CreateLogGroupCommand({ logGroupName: group }), { abortSignal: signal })
        .catch(unlessExists);
      await client.send(new CreateLogStreamCommand(place), { abortSignal: signal }).catch(unlessExists);
    }
  }

  return async function put(stream, events, signal) {
    const command = new PutLogEventsCommand({
      logGroupName: group,
      logStreamName: stream,
      logEvents: events.map(({ timestamp, message }) => ({ timestamp, message })),
    });
    try {
      const { rejectedLogEventsInfo } = await client.send(command, { abortSignal: signal });
      return { rejected: rejectedLogEventsInfo };
    } catch (error) {
      if (isNamed(error, 'DataAlreadyAcceptedException')) return { rejected: undefined };
      if (!isNamed(error, 'ResourceNotFoundException')) throw error;
      await createStream(stream, signal);
      const { rejectedLogEventsInfo } = await client.send(command, { abortSignal: signal });
      return { rejected: rejectedLogEventsInfo };
    }
  };
}

/** Older events are never taken. */
const maxAgeMs = 14 * 24 * 3_600_000;

/**
 * Indexes point into the events of the request: `tooOld…EndIndex` and `expired…EndIndex` are exclusive ends. Whoever
 * counts them as inclusive (moto does) is understood by the age of the events.
 */
function sortOut(
  events: readonly LogEvent[],
  rejected: RejectedLogEventsInfo | undefined,
): { readonly old: readonly RefusedRecord[]; readonly tooNew: number } {
  if (rejected === undefined) return { old: [], tooNew: 0 };
  const { tooOldLogEventEndIndex = 0, expiredLogEventEndIndex = 0, tooNewLogEventStartIndex } = rejected;
  const end = Math.max(tooOldLogEventEndIndex, expiredLogEventEndIndex);
  const oldest = Date.now() - maxAgeMs;
  const old = events
    .filter(({ timestamp }, index) => index < end || timestamp < oldest)
    .map(({ seq }) => ({ seq, reason: 'CloudWatch takes no events as old as this' }));
  return { old, tooNew: tooNewLogEventStartIndex === undefined ? 0 : events.length - tooNewLogEventStartIndex };
}

const aboutTheData: ReadonlySet<string> = new Set(['InvalidParameterException', 'ValidationException']);

/** Messages of the SDK may hold a request; its names do not. */
function failure(error: unknown, accepted: number): Delivery {
  const name = error instanceof Error && /^[A-Za-z]{1,60}$/.test(error.name) ? error.name : 'Error';
  if (aboutTheData.has(name) && accepted === 0) return { status: 'refused', reason: `CloudWatch answered ${name}` };
  return { status: 'later', reason: `CloudWatch answered ${name}`, afterMs: busyMs, accepted };
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}

function unlessExists(error: unknown): void {
  if (!isNamed(error, 'ResourceAlreadyExistsException')) throw error;
}

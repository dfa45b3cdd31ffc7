/**
 * Records as OTLP requests: spans and log records, in Protobuf or JSON. The encoding itself is OpenTelemetry's own.
 * @module
 */
import { recordAttributes, type OutgoingRecord } from '@countersign/core';
import { SpanKind, SpanStatusCode, TraceFlags, type HrTime } from '@opentelemetry/api';
import {
  JsonLogsSerializer,
  JsonTraceSerializer,
  ProtobufLogsSerializer,
  ProtobufTraceSerializer,
} from '@opentelemetry/otlp-transformer';
import type { Resource } from '@opentelemetry/resources';
import { placeOf } from './record-ids.ts';

type SpanLike = Parameters<typeof JsonTraceSerializer.serializeRequest>[0][number];
type LogLike = Parameters<typeof JsonLogsSerializer.serializeRequest>[0][number];

/** What a receiver said about a request that it took. */
export interface PartialSuccess {
  readonly rejected: number;
  readonly message: string;
}

export interface Codec {
  readonly contentType: string;
  encode(records: readonly OutgoingRecord[], resource: Resource): Uint8Array;
  /** @throws when it is no answer to such a request */
  decode(answer: Uint8Array): PartialSuccess;
}

const scope = { name: '@countersign/otlp' };

export const codecs: Readonly<Record<'traces' | 'logs', Readonly<Record<'protobuf' | 'json', Codec>>>> = {
  traces: {
    protobuf: {
      contentType: 'application/x-protobuf',
      encode: (records, resource) =>
        required(ProtobufTraceSerializer.serializeRequest(records.map((record) => spanOf(record, resource)))),
      decode: (answer) => partial(ProtobufTraceSerializer.deserializeResponse(answer), 'rejectedSpans'),
    },
    json: {
      contentType: 'application/json',
      encode: (records, resource) =>
        required(JsonTraceSerializer.serializeRequest(records.map((record) => spanOf(record, resource)))),
      decode: (answer) => partial(parsed(answer), 'rejectedSpans'),
    },
  },
  logs: {
    protobuf: {
      contentType: 'application/x-protobuf',
      encode: (records, resource) =>
        required(ProtobufLogsSerializer.serializeRequest(records.map((record) => logOf(record, resource)))),
      decode: (answer) => partial(ProtobufLogsSerializer.deserializeResponse(answer), 'rejectedLogRecords'),
    },
    json: {
      contentType: 'application/json',
      encode: (records, resource) =>
        required(JsonLogsSerializer.serializeRequest(records.map((record) => logOf(record, resource)))),
      decode: (answer) => partial(parsed(answer), 'rejectedLogRecords'),
    },
  },
};

function spanOf(record: OutgoingRecord, resource: Resource): SpanLike {
  const { traceId, spanId, liveSpanId } = placeOf(record);
  const end = hrTime(record.time);
  return {
    name: nameOf(record),
    kind: SpanKind.INTERNAL,
    spanContext: () => ({ traceId, spanId, traceFlags: TraceFlags.SAMPLED }),
    ...(liveSpanId === undefined
      ? {}
      : { parentSpanContext: { traceId, spanId: liveSpanId, traceFlags: TraceFlags.SAMPLED, isRemote: true } }),
    startTime: hrTime(record.time - (record.durationMs ?? 0)),
    endTime: end,
    duration: [0, 0],
    ended: true,
    status: { code: failed(record) ? SpanStatusCode.ERROR : SpanStatusCode.UNSET },
    attributes: recordAttributes(record),
    links: [],
    events: [],
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** A log record stands in the live span itself. `severityNumber` as in the OTLP data model: 9 INFO, 13 WARN, 17 ERROR. */
function logOf(record: OutgoingRecord, resource: Resource): LogLike {
  const { traceId, spanId, liveSpanId } = placeOf(record);
  const [severityNumber, severityText] = failed(record)
    ? [17, 'ERROR']
    : record.verdict === 'deny'
      ? [13, 'WARN']
      : [9, 'INFO'];
  const time = hrTime(record.time);
  return {
    hrTime: time,
    hrTimeObserved: time,
    spanContext: { traceId, spanId: liveSpanId ?? spanId, traceFlags: TraceFlags.SAMPLED },
    severityNumber,
    severityText,
    eventName: nameOf(record),
    body: sentence(record),
    attributes: recordAttributes(record),
    resource,
    instrumentationScope: scope,
    droppedAttributesCount: 0,
  };
}

function nameOf({ kind }: OutgoingRecord): string {
  return `countersign.record.${kind}`;
}

function sentence({ kind, event, tool, agent, code }: OutgoingRecord): string {
  const about = [tool, agent === undefined ? undefined : `by ${agent}`, code].filter((part) => part !== undefined);
  return [`${kind} ${event}`, ...about].join(' ');
}

/** A denial is no error. */
function failed({ kind, event }: OutgoingRecord): boolean {
  return (kind === 'outcome' && event === 'failed') || event === 'revoke_failed';
}

function hrTime(milliseconds: number): HrTime {
  const seconds = Math.floor(milliseconds / 1000);
  return [seconds, Math.round((milliseconds - seconds * 1000) * 1e6)];
}

function required(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw new TypeError('the records could not be encoded');
  return bytes;
}

/** An empty body is a full success. */
function parsed(answer: Uint8Array): unknown {
  return answer.length === 0 ? {} : JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(answer));
}

/** 64-bit numbers are strings in OTLP/JSON, and `rejected…` may be left out. */
function partial(answer: unknown, field: string): PartialSuccess {
  if (typeof answer !== 'object' || answer === null || Array.isArray(answer))
    throw new TypeError('the answer is no OTLP response');
  const { partialSuccess = {} } = answer as { readonly partialSuccess?: unknown };
  if (typeof partialSuccess !== 'object' || partialSuccess === null)
    throw new TypeError('the answer has no readable partial_success');
  const { [field]: count = 0, errorMessage = '' } = partialSuccess as Readonly<Record<string, unknown>>;
  const rejected = Number(count);
  if (!Number.isSafeInteger(rejected) || rejected < 0) throw new TypeError('the answer counts no rejected items');
  return { rejected, message: typeof errorMessage === 'string' ? errorMessage : '' };
}

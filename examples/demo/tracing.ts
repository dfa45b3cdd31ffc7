/**
 * OpenTelemetry as an application would set it up, with a file in place of a collector; and with a collector too, where
 * `OTEL_EXPORTER_OTLP_ENDPOINT` names one.
 */
import { appendFileSync } from 'node:fs';
import { context, propagation, trace, type Attributes } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  BatchSpanProcessor,
  SimpleSpanProcessor,
  type ReadableSpan,
  type SpanExporter,
} from '@opentelemetry/sdk-trace';

/** A span, as written to the file. Times in milliseconds. */
export interface WrittenSpan {
  readonly trace: string;
  readonly span: string;
  readonly parent: string | undefined;
  readonly name: string;
  readonly start: number;
  readonly duration: number;
  readonly error: boolean;
  readonly attributes: Attributes;
}

export type TraceParent = Readonly<Record<string, string>>;

/** Runs `task` in a span of the application, as part of `parent` where the run began in another process. */
export async function traced<Result>(
  path: string,
  name: string,
  parent: TraceParent | undefined,
  task: (parent: TraceParent) => Promise<Result>,
): Promise<Result> {
  const sdk = new NodeSDK({
    serviceName: 'countersign-demo',
    spanProcessors: [new SimpleSpanProcessor({ exporter: fileExporter(path) }), ...toCollector()],
    metricReaders: [],
    logRecordProcessors: [],
    autoDetectResources: false,
  });
  sdk.start();
  try {
    const outer = propagation.extract(context.active(), parent ?? {});
    return await trace.getTracer('countersign-demo').startActiveSpan(name, {}, outer, async (span) => {
      const carrier: Record<string, string> = {};
      propagation.inject(context.active(), carrier);
      try {
        return await task(parent ?? carrier);
      } finally {
        span.end();
      }
    });
  } finally {
    await sdk.shutdown();
  }
}

/** Address, headers and time-outs come from the environment, as OpenTelemetry defines them. */
function toCollector(): readonly BatchSpanProcessor[] {
  const endpoint = process.env['OTEL_EXPORTER_OTLP_ENDPOINT'] ?? '';
  return endpoint === '' ? [] : [new BatchSpanProcessor({ exporter: new OTLPTraceExporter() })];
}

function fileExporter(path: string): SpanExporter {
  return {
    export(spans, done) {
      appendFileSync(path, spans.map((span) => `${JSON.stringify(written(span))}\n`).join(''));
      done({ code: 0 });
    },
    shutdown: () => Promise.resolve(),
  };
}

function written(span: ReadableSpan): WrittenSpan {
  const { traceId, spanId } = span.spanContext();
  return {
    trace: traceId,
    span: spanId,
    parent: span.parentSpanContext?.spanId,
    name: span.name,
    start: milliseconds(span.startTime),
    duration: milliseconds(span.duration),
    error: span.status.code === 2,
    attributes: span.attributes,
  };
}

function milliseconds([seconds, nanoseconds]: readonly [number, number]): number {
  return seconds * 1000 + nanoseconds / 1e6;
}

/** What this process reports to its tracer: the framework's spans and Countersign's. */
import { NodeSDK } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';

const exporter = new InMemorySpanExporter();
let started = false;

/** Runs `task` and answers, beside its result, what was reported meanwhile. Tasks of one process run one after another. */
export async function withSpans<Result>(task: () => Promise<Result>): Promise<{ result: Result; spans: string }> {
  if (!started) {
    new NodeSDK({
      autoDetectResources: false,
      spanProcessors: [new SimpleSpanProcessor({ exporter })],
      metricReaders: [],
      logRecordProcessors: [],
    }).start();
    started = true;
  }
  exporter.reset();
  const result = await task();
  const spans = exporter
    .getFinishedSpans()
    .map(({ name, attributes, events, status }) => ({ name, attributes, events, status }));
  return { result, spans: JSON.stringify(spans) };
}

/**
 * OTLP/HTTP as a receiver of the outbox.
 * @module
 */
export { otlpSink } from './otlp-sink.ts';
export type { OtlpSignal, OtlpSinkOptions } from './otlp-sink.ts';

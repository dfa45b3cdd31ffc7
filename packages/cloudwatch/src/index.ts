/**
 * Amazon CloudWatch Logs as a receiver of the outbox.
 * @module
 */
export { cloudWatchSink } from './cloudwatch-sink.ts';
export type { CloudWatchSinkOptions } from './cloudwatch-sink.ts';

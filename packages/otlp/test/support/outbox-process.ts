/**
 * An outbox in a process of its own, to be killed. argv: path of the store, endpoint, records of a request.
 */
import { createOutbox } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { otlpSink } from '../../src/index.ts';

const [path = '', endpoint = '', batch = ''] = process.argv.slice(2);
process.on('disconnect', () => process.exit(0));
const outbox = createOutbox({
  store: sqliteStore({ path }),
  sink: otlpSink({ endpoint, signals: ['traces'], maxRecords: Number(batch) }),
  timeoutMs: 1_000,
  lockMs: 2_000,
});
await outbox.start(new AbortController().signal, {
  pollMs: 50,
  onReport: ({ backlog }) => process.send?.({ backlog }),
});

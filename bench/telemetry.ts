/** What metrics and the backlog guard cost a call: with no SDK registered, and with one. */
import { metrics as api } from '@opentelemetry/api';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { memoryStore } from '@countersign/core';
import { createBacklogGuard } from '../packages/core/src/deliver/backlog.ts';
import { createMetrics, type Metrics } from '../packages/core/src/record/metrics.ts';
import { measure, median, nanoseconds, one, printSection } from './measure.ts';

/** What one permitted call writes: its decision and the time in the gate. */
function oneCall(metrics: Metrics): void {
  metrics.record('decisions', 1, {
    'countersign.decision': 'allow',
    'countersign.risk': 'low',
    'countersign.decision.code': 'permitted',
  });
  metrics.record('gateDuration', 0.0002, { 'countersign.outcome': 'admitted' });
}

function loop(task: () => void): (operations: number) => void {
  return (operations) => {
    for (let done = 0; done < operations; done += 1) task();
  };
}

export async function benchTelemetry(quick: boolean): Promise<void> {
  api.disable();
  const without = createMetrics();
  const withSdk = createMetrics(new MeterProvider());
  const guard = createBacklogGuard({ store: memoryStore(), sinks: ['otlp'], note: () => Promise.resolve() });
  await guard.admit('acme');
  const measured = await measure(
    [
      { name: 'none', run: loop(() => oneCall(without)) },
      { name: 'sdk', run: loop(() => oneCall(withSdk)) },
      { name: 'guard', run: loop(() => void guard.admit('acme')) },
    ],
    { rounds: quick ? 15 : 60, operations: 200_000 },
  );
  const cost = (name: string): string => nanoseconds(median(one(measured, name).perOperation));
  printSection('Metrics and backlog guard, per permitted call', [
    { what: 'two metrics, no SDK registered', measured: cost('none') },
    { what: 'two metrics, SDK registered, no reader', measured: cost('sdk') },
    { what: 'looking at the backlog', measured: cost('guard') },
  ]);
}

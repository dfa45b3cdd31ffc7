import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { instruments } from '../../packages/core/src/record/metrics.ts';
import { repositoryRoot } from '../support/repository.ts';
import { verifies } from '../verifies.ts';

interface Panel {
  readonly title: string;
  readonly type: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly { readonly expr: string }[];
}
const dashboard = JSON.parse(
  readFileSync(join(repositoryRoot, 'docs', 'telemetry', 'grafana-dashboard.json'), 'utf8'),
) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
};

/**
 * The names under which Prometheus stores a metric that came over OTLP (OpenTelemetry specification, "Prometheus and
 * OpenMetrics Compatibility"): dots become underscores, the unit is spelled out unless it is an annotation in braces,
 * counters end in `_total`, and a histogram is three series.
 */
function prometheusNames({ name, unit, kind }: (typeof instruments)[keyof typeof instruments]): readonly string[] {
  const units: Readonly<Record<string, string>> = { s: '_seconds' };
  const suffix = unit.startsWith('{') ? '' : units[unit];
  if (suffix === undefined) throw new Error(`the unit ${unit} has no name here`);
  const base = `${name.replaceAll('.', '_')}${suffix}`;
  if (kind === 'histogram') return ['_bucket', '_sum', '_count'].map((part) => base + part);
  return [kind === 'counter' ? `${base}_total` : base];
}

const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
const asked = new Set(queries.flatMap((query) => [...query.matchAll(/\bcountersign_[a-z_]+/g)].map(([name]) => name)));
/** Labels are attributes in the same form, and are no metrics. */
const labels = new Set(
  [...queries.join(' ').matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(/,\s*/)),
);

verifies(
  'AUD-2',
  'every metric that the Grafana dashboard asks for is one that the code emits, and every one is shown',
  () => {
    const metrics = [...asked].filter((name) => !labels.has(name));
    const emitted = Object.values(instruments).map((instrument) => prometheusNames(instrument));
    expect(metrics.filter((name) => !emitted.flat().includes(name))).toEqual([]);
    expect(emitted.filter((names) => !names.some((name) => metrics.includes(name)))).toEqual([]);
  },
);

verifies('AUD-2', 'every label of the dashboard is an attribute that the metrics have', () => {
  const known = [
    'countersign_decision',
    'countersign_decision_code',
    'countersign_risk',
    'countersign_outcome',
    'countersign_approval_state',
    'countersign_lease_stage',
    'countersign_outbox_sink',
    'le',
  ];
  expect([...labels].filter((label) => !known.includes(label))).toEqual([]);
});

verifies('AUD-2', 'every panel has a title, a query and the data source that is chosen above', () => {
  expect(dashboard.templating.list.map(({ name }) => name)).toContain('datasource');
  for (const { title, type, targets = [], datasource } of dashboard.panels) {
    expect(title).not.toBe('');
    if (type !== 'row') expect([title, targets.length > 0, datasource?.uid]).toEqual([title, true, '${datasource}']);
  }
});

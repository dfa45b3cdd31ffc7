import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { parse } from 'yaml';
import { repositoryRoot } from '../support/repository.ts';
import { verifies } from '../verifies.ts';

type Components = Readonly<Record<string, unknown>>;
type Pipelines = Readonly<
  Record<string, Readonly<Record<'receivers' | 'processors' | 'exporters', readonly string[]>>>
>;
interface Collector {
  readonly extensions: Components;
  readonly receivers: Components;
  readonly processors: Components;
  readonly exporters: Readonly<Record<string, Exporter>>;
  readonly service: { readonly extensions: readonly string[]; readonly pipelines: Pipelines };
}
interface Exporter {
  readonly sending_queue: { readonly storage: string; readonly block_on_overflow: boolean };
  readonly retry_on_failure: { readonly max_elapsed_time: number };
}

const folder = join(repositoryRoot, 'docs', 'telemetry');
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

/** What is wrong with a configuration, as the collector would say it: names that nothing declares, or nothing uses. */
function problemsOf(collector: Collector): readonly string[] {
  const { pipelines, extensions } = collector.service;
  const parts = ['receivers', 'processors', 'exporters'] as const;
  const problems: string[] = [];
  for (const part of parts) {
    const used = new Set(Object.values(pipelines).flatMap((pipeline) => pipeline[part]));
    const declared = new Set(Object.keys(collector[part]));
    for (const name of used) if (!declared.has(name)) problems.push(`${part}: ${name} is used and not declared`);
    for (const name of declared) if (!used.has(name)) problems.push(`${part}: ${name} is declared and not used`);
  }
  for (const name of Object.keys(pipelines))
    if (!/^(?:traces|logs|metrics)(?:\/.+)?$/.test(name)) problems.push(`there is no pipeline of kind ${name}`);
  if (extensions.toSorted().join() !== Object.keys(collector.extensions).toSorted().join())
    problems.push('extensions: declared and used ones differ');
  return problems;
}

describe('the collector configuration', () => {
  for (const name of files) {
    const text = readFileSync(join(folder, name), 'utf8');
    verifies('AUD-2', `${name} parses, and its pipelines name what it declares and no more`, () => {
      const collector = parse(text, { strict: true, uniqueKeys: true }) as Collector;
      expect(problemsOf(collector)).toEqual([]);
      expect(Object.keys(collector.service.pipelines)).toContain('traces');
    });

    verifies('AUD-5', `${name} loses nothing that it has accepted: queue on disk, retries without an end`, () => {
      const { exporters, extensions } = parse(text) as Collector;
      for (const { sending_queue: queue, retry_on_failure: retry } of Object.values(exporters)) {
        expect(Object.keys(extensions)).toContain(queue.storage);
        expect([queue.block_on_overflow, retry.max_elapsed_time]).toEqual([true, 0]);
      }
    });

    verifies('CRD-7', `${name} holds no key: it names the environment variable`, () => {
      for (const line of text.split('\n'))
        if (/key|token|password/i.test(line) && !line.startsWith('#')) expect(line).toMatch(/\$\{env:[A-Z_]+\}/);
    });
  }

  verifies('AUD-2', 'is there for Jaeger, Datadog and Elastic', () => {
    expect(files.toSorted()).toEqual(['datadog.yaml', 'elastic.yaml', 'jaeger.yaml']);
  });

  verifies('AUD-2', 'with a name that nothing declares would be noticed', () => {
    const sound = parse(readFileSync(join(folder, 'jaeger.yaml'), 'utf8')) as Collector;
    const broken = { ...sound, exporters: { 'otlp/other': {} } } as unknown as Collector;
    expect(problemsOf(broken)).toHaveLength(2);
  });
});

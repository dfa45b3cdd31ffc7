/**
 * The contract of the adapters: the same cases on every framework. Each test also measures what the framework's own
 * approval does, and compares both with docs/conformance.md: `npm run conformance` writes it anew.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readDocument, versionOf } from '../../conformance/document.ts';
import { cellName, readTable, renderTable } from '../../conformance/table.ts';
import { repositoryRoot } from '../support/repository.ts';
import { verifies } from '../verifies.ts';
import { approvalCases, pauseCases } from './approval-cases.ts';
import { bypassPaths } from './bypass-paths.ts';
import { callCases } from './call-cases.ts';
import { cases, type Case } from './cases.ts';
import { columns, frameworks, type Framework } from './harness.ts';
import { inputCases } from './input-cases.ts';
import { openBench, type Bench } from './measure.ts';
import { namedCases, whyNotApplicable } from './not-applicable.ts';
import { pathCases, pathPauseCases } from './path-cases.ts';
import { cellOf } from './words.ts';

const documented = readTable(readDocument());
const timeout = 120_000;

let bench: Bench;
beforeAll(async () => {
  bench = await openBench();
});
afterAll(() => bench.close());

async function keeps(theCase: Case, framework: Framework): Promise<void> {
  for (const column of columns) {
    const inDocument = documented.get(cellName(theCase.id, framework, column));
    const reason = whyNotApplicable(theCase.id, framework, column);
    if (reason !== undefined) {
      expect(inDocument).toBe(`not applicable: ${reason}`);
      continue;
    }
    const { text, problems } = cellOf(theCase, column, await bench.measure(theCase, framework, column));
    expect(problems).toEqual([]);
    expect(text, `${column} in docs/conformance.md`).toBe(inDocument);
  }
}

describe.each(frameworks)('%s', (framework) => {
  for (const each of callCases) verifies(['ADP-4', 'ADP-6'], each.title, () => keeps(each, framework), { timeout });
  for (const each of pauseCases) verifies(['ADP-4', 'APR-8'], each.title, () => keeps(each, framework), { timeout });
  for (const each of approvalCases) verifies(['ADP-4', 'APR-5'], each.title, () => keeps(each, framework), { timeout });
  for (const each of pathCases) verifies(['ADP-4'], each.title, () => keeps(each, framework), { timeout });
  for (const each of pathPauseCases)
    verifies(['ADP-4', 'APR-8'], each.title, () => keeps(each, framework), { timeout });
  for (const each of inputCases) verifies(['ADP-4', 'REL-4'], each.title, () => keeps(each, framework), { timeout });

  verifies(
    'ADP-5',
    'the inventory names what is governed and what is not, and a tool that runs past the gate is refused at start-up',
    async () => {
      expect(await bench.inventory(framework, ['read', 'unmapped', 'search'])).toEqual({
        governed: ['read'],
        ungoverned: ['unmapped', 'web_search'],
        guarding: 'ToolNotGovernable',
      });
    },
    { timeout },
  );
});

describe('the ledger', () => {
  const mixed = cases.find(({ id }) => id === 'parallel-mixed');
  for (const framework of frameworks) {
    verifies(
      ['APR-10', 'AUD-1'],
      `holds the outcome of every gate, also where nobody was asked (${framework})`,
      async () => {
        // Each process writes a chain of its own, so that only the order within one is known.
        const recorded = await bench.recorded(mixed as Case, framework);
        const of = (tool: string): string[] => [...(recorded[tool] ?? [])].toSorted();
        const ran = ['claim claimed', 'outcome completed'];
        expect(of('read')).toEqual([ran[0], 'decision allow', ran[1]]);
        expect(of('pay')).toEqual(['decision deny']);
        expect(of('deploy')).toEqual(['approval approved', 'approval opened', ran[0], 'decision review', ran[1]]);
        expect(of('wire')).toEqual(expect.arrayContaining(['approval opened', 'approval rejected', 'decision review']));
        expect(of('wire')).not.toContain(ran[0]);
      },
      { timeout },
    );
    verifies(
      ['APR-10', 'AUD-1'],
      `holds the denial of a tool that was hidden from the model (${framework})`,
      async () => {
        const hidden = cases.find(({ id }) => id === 'deny-tool') as Case;
        expect(await bench.recorded(hidden, framework)).toEqual({ vault: ['decision deny'] });
      },
      { timeout },
    );
  }
});

describe('docs/conformance.md', () => {
  test('names every case, and these versions', () => {
    const cell = (...name: Parameters<typeof cellName>): string => documented.get(cellName(...name)) ?? 'missing';
    expect(readDocument()).toBe(renderTable(cell, versionOf));
  });

  test('only cases that exist are excused', () => {
    const known = new Set(cases.map(({ id }) => id));
    expect(namedCases.filter((name) => !known.has(name))).toEqual([]);
    expect(known.size).toBe(cases.length);
  });

  test('every way past a wrapper names a case or a test that exists', () => {
    const missing = bypassPaths.filter(({ framework, outcome, case: id, test: shown }) => {
      if (id !== undefined)
        return !cases.some((each) => each.id === id && whyNotApplicable(id, framework, 'guarded') === undefined);
      if (shown === undefined) return outcome !== 'open';
      return !readFileSync(`${repositoryRoot}/packages/${framework}/test/${shown[0]}`, 'utf8').includes(shown[1]);
    });
    expect(missing).toEqual([]);
  });
});

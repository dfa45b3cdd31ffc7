import process from 'node:process';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, Vitest } from 'vitest/node';
import './parts.ts';

interface Summary {
  passed: number;
  failed: number;
  skipped: number;
  missingParts: Map<string, string>;
}

/** The closing lines of a run: each part that tests had to do without, then one line of totals. */
export default class SummaryReporter implements Reporter {
  #watching = false;
  #text = '';

  onInit(vitest: Vitest): void {
    this.#watching = vitest.config.watch;
    // After everything else, also what vitest prints while it closes.
    if (!this.#watching) process.once('exit', () => process.stdout.write(this.#text));
  }

  onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    this.#text = formatSummary(summarize(modules, unhandled.length));
    if (this.#watching) process.stdout.write(this.#text);
  }
}

function summarize(modules: readonly TestModule[], unhandled: number): Summary {
  // An error outside any test (a file that cannot be loaded, a rejected hook) is a failure too.
  const summary: Summary = { passed: 0, failed: unhandled, skipped: 0, missingParts: new Map() };
  for (const module of modules) {
    summary.failed += module.errors().length;
    for (const suite of module.children.allSuites()) summary.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      // A test without a result (a run cut short) did not pass.
      summary[state === 'pending' ? 'skipped' : state] += 1;
      const { missingPart } = test.meta();
      if (missingPart !== undefined) summary.missingParts.set(missingPart.name, missingPart.reason);
    }
  }
  return summary;
}

export function formatSummary({ passed, failed, skipped, missingParts }: Summary): string {
  const parts = [...missingParts].map(([name, reason]) => `Missing part: ${name} (${reason})\n`);
  return `${parts.join('')}Tests: ${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}

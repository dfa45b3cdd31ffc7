import type { Command } from 'commander';
import { openLedger, type LedgerStats } from '@countersign/core';
import { keyFrom, withStore } from '../files.ts';
import { queryOf, withQueryOptions, type QueryOptions } from '../ledger-options.ts';
import { printJson, printLine } from '../output.ts';

/** `countersign audit stats`: counts of decisions, tools, agents and approvals, and how long calls took. */
export function statsCommand(group: Command): void {
  withQueryOptions(group.command('stats').description('count decisions, approvals and durations')).action(stats);
}

async function stats(options: QueryOptions): Promise<void> {
  const key = keyFrom(options.keyFile);
  await withStore(options.store, async (store) => {
    const found = await openLedger({ store, key }).stats(queryOf(options));
    await (options.json ? printJson(found) : printStats(found));
  });
}

const headings = ['kinds', 'decisions', 'denials', 'tools', 'agents', 'approvals', 'outcomes'] as const;

async function printStats(found: LedgerStats): Promise<void> {
  const { records, first, last, durations } = found;
  const time = (value: number | undefined): string => (value === undefined ? '-' : new Date(value).toISOString());
  await printLine(`${records} records, ${time(first)} to ${time(last)}`);
  for (const heading of headings) {
    const counts = Object.entries(found[heading]);
    if (counts.length === 0) continue;
    await printLine(`${heading}: ${counts.map(([name, count]) => `${name} ${count}`).join(', ')}`);
  }
  if (durations.count === 0) return;
  const { count, median, p95, max } = durations;
  await printLine(`durations: median ${median} ms, 95 % ${p95} ms, longest ${max} ms, of ${count} calls`);
}

import type { Command } from 'commander';
import { openLedger, visible, type OpenedRecord } from '@countersign/core';
import { keyFrom, withStore } from '../files.ts';
import { queryOf, withQueryOptions, type QueryOptions } from '../ledger-options.ts';
import { printJson, printLine } from '../output.ts';

/** `countersign audit query`: what happened, one line each, oldest first. It reads; `audit verify` proves. */
export function queryCommand(group: Command): void {
  withQueryOptions(group.command('query').description('list records, oldest first')).action(query);
}

async function query(options: QueryOptions): Promise<void> {
  const key = keyFrom(options.keyFile);
  await withStore(options.store, async (store) => {
    const found = openLedger({ store, key }).query(queryOf(options));
    const records: OpenedRecord[] = [];
    for await (const record of found) {
      if (options.json) records.push(record);
      else await printLine(describeRecord(record));
    }
    if (options.json) await printJson({ records });
  });
}

const details = [
  'code',
  'risk',
  'capability',
  'approver',
  'approval',
  'service',
  'lease',
  'durationMs',
  'detail',
] as const;

function describeRecord(record: OpenedRecord): string {
  const columns = [
    new Date(record.time).toISOString(),
    `${record.kind}:${record.event}`.padEnd(20),
    (record.tool ?? '-').padEnd(20),
    (record.user ?? '-').padEnd(10),
    (record.agent ?? '-').padEnd(10),
  ];
  const more = details.flatMap((name) => (record[name] === undefined ? [] : [`${name}=${String(record[name])}`]));
  const sealed = record.sealedState === 'erased' || record.sealedState === 'damaged' ? [`(${record.sealedState})`] : [];
  return [...columns, ...more, ...sealed].map(visible).join('  ');
}

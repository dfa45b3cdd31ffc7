import { Option, type Command } from 'commander';
import { ocsfEvent, openLedger } from '@countersign/core';
import { keyFrom, withStore } from '../files.ts';
import { queryOf, withQueryOptions, type QueryOptions } from '../ledger-options.ts';
import { printableJson, printLine } from '../output.ts';

/** `countersign audit export`: JSON Lines, one record each. Copies are out of reach of a later erasure. */
export function exportCommand(group: Command): void {
  withQueryOptions(group.command('export').description('print records as JSON Lines'))
    .addOption(new Option('--format <format>', 'of each line').choices(['record', 'ocsf']).default('record'))
    .action(exportRecords);
}

async function exportRecords(options: QueryOptions & { readonly format: 'record' | 'ocsf' }): Promise<void> {
  const key = keyFrom(options.keyFile);
  await withStore(options.store, async (store) => {
    for await (const record of openLedger({ store, key }).query(queryOf(options)))
      await printLine(printableJson(options.format === 'ocsf' ? ocsfEvent(record) : record));
  });
}

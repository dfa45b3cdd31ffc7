import type { Command } from 'commander';
import type { ChainHead } from '@countersign/core';
import { withStore } from '../files.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { printJson, printTable } from '../output.ts';

interface HeadsOptions extends StoreOption {
  readonly tenant?: string;
  readonly json?: true;
}

/** `countersign audit heads --json > elsewhere`: what a later `audit verify --heads` compares with. */
export function headsCommand(group: Command): void {
  withStoreOption(
    group.command('heads').description('print the newest record of each chain, to keep outside the store'),
  )
    .option('--tenant <id>', 'only of this tenant')
    .option('--json', 'print JSON')
    .action(printHeads);
}

async function printHeads(options: HeadsOptions): Promise<void> {
  await withStore(options.store, async (store) => {
    const tenants = options.tenant === undefined ? await store.system.tenants() : [options.tenant];
    const heads: ChainHead[] = [];
    for (const tenant of tenants) heads.push(...(await store.heads(tenant)));
    if (options.json) return printJson({ heads });
    return printTable(
      ['TENANT', 'WRITER', 'RECORDS', 'HASH'],
      heads.map(({ tenant, writer, seq, hash }) => [tenant, writer, String(seq), hash]),
    );
  });
}

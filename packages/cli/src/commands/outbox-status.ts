import type { Command } from 'commander';
import { outboxStatus, type OutboxStatus } from '@countersign/core';
import { withStore } from '../files.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { printJson, printTable } from '../output.ts';

interface StatusOptions extends StoreOption {
  readonly json?: true;
}

/** `countersign outbox status`: who gets the ledger, and how far behind they are. */
export function statusCommand(group: Command): void {
  withStoreOption(
    group.command('status').description('list the receivers of each tenant and what they do not have yet'),
  )
    .option('--json', 'print JSON')
    .action(printStatus);
}

async function printStatus(options: StatusOptions): Promise<void> {
  await withStore(options.store, async (store) => {
    const receivers: OutboxStatus[] = [];
    for (const tenant of await store.system.tenants()) receivers.push(...(await outboxStatus(store, tenant)));
    if (options.json === true) return printJson({ receivers });
    return printTable(
      ['TENANT', 'RECEIVER', 'WAITING', 'REFUSED'],
      receivers.map(({ tenant, sink, waiting, refused }) => [tenant, sink, String(waiting), String(refused)]),
    );
  });
}

import type { Command } from 'commander';
import { forgetReceiver } from '@countersign/core';
import { CommandFailure } from '../exit-codes.ts';
import { withStore } from '../files.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { printJson, printLine } from '../output.ts';

interface ForgetOptions extends StoreOption {
  readonly name: string;
  readonly json?: true;
}

/** `countersign outbox forget`: a receiver that is used no more keeps records from being pruned; this ends it. */
export function forgetCommand(group: Command): void {
  withStoreOption(group.command('forget').description('remove the cursors of a receiver that is used no more'))
    .requiredOption('--name <name>', 'as it was given to `outbox run`')
    .option('--json', 'print JSON')
    .action(forget);
}

async function forget({ store: path, name, json }: ForgetOptions): Promise<void> {
  await withStore(path, async (store) => {
    let removed = 0;
    for (const tenant of await store.system.tenants()) removed += await forgetReceiver(store, tenant, name, Date.now());
    if (removed === 0) throw new CommandFailure('failed', 'there are no cursors of this name');
    if (json === true) return printJson({ removed });
    return printLine(`${removed} cursors removed`);
  });
}

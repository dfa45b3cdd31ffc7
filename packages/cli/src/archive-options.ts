/** What the commands of retention have in common. */
import type { Command } from 'commander';
import { withStoreOption, type StoreOption } from './ledger-options.ts';

export interface ActOptions extends StoreOption {
  readonly keyFile: string;
  readonly tenant: string;
  readonly by: string;
  readonly archive: string;
  readonly json?: true;
}

export function withActOptions(command: Command): Command {
  return withStoreOption(command)
    .requiredOption('--key-file <path>', 'the key that records are sealed under, mode 0600')
    .requiredOption('--tenant <id>', 'whose records')
    .requiredOption('--by <id>', 'who orders it; recorded')
    .requiredOption('--archive <folder>', 'where exported segments are kept')
    .option('--json', 'print JSON');
}

import type { Command } from 'commander';
import { openLedger, visible } from '@countersign/core';
import { archiveFolder } from '../archive-folder.ts';
import { keyFrom, withStore } from '../files.ts';
import { timeOf, withStoreOption, type StoreOption } from '../ledger-options.ts';
import { defaultName, signerFrom, verifierFrom } from '../notary-options.ts';
import { printJson, printLine } from '../output.ts';

interface ActOptions extends StoreOption {
  readonly keyFile: string;
  readonly tenant: string;
  readonly by: string;
  readonly archive: string;
  readonly json?: true;
}

function withActOptions(command: Command): Command {
  return withStoreOption(command)
    .requiredOption('--key-file <path>', 'the key that records are sealed under, mode 0600')
    .requiredOption('--tenant <id>', 'whose records')
    .requiredOption('--by <id>', 'who orders it; recorded')
    .requiredOption('--archive <folder>', 'where exported segments are kept')
    .option('--json', 'print JSON');
}

/** `countersign audit archive`: exports what was sealed, as it stands; what is encrypted stays so. */
export function archiveCommand(group: Command): void {
  withActOptions(group.command('archive').description('export sealed segments to files'))
    .requiredOption('--public-key <key>', "the notary's public key, or its file")
    .action(archive);
}

async function archive(options: ActOptions & { readonly publicKey: string }): Promise<void> {
  const { tenant, by, json } = options;
  const key = keyFrom(options.keyFile);
  const verifier = verifierFrom(options.publicKey);
  const place = archiveFolder(options.archive);
  await withStore(options.store, async (store) => {
    const archived = [];
    for await (const segment of openLedger({ store, key }).archive({ tenant, by, verifier, place })) {
      archived.push(segment);
      if (!json) await printLine(visible(`${segment.name}: ${segment.records} records, sha256 ${segment.digest}`));
    }
    if (json) await printJson({ archived });
    else await printLine(`${archived.length} segments exported`);
  });
}

interface PruneOptions extends ActOptions {
  readonly notaryKeyFile: string;
  readonly name: string;
  readonly before: number;
}

/** `countersign audit prune`: removes what was sealed and exported. The notary signs for it. */
export function pruneCommand(group: Command): void {
  withActOptions(group.command('prune').description('remove old records that were sealed and exported'))
    .requiredOption('--before <time>', 'ISO 8601: only segments that are older', timeOf)
    .requiredOption('--notary-key-file <path>', "the notary's key, mode 0600, outside every git tree")
    .option('--name <name>', 'which installation: as it was sealed', defaultName)
    .action(prune);
}

const reasons = {
  not_archived: 'not exported: run `audit archive`, and give its folder',
  not_exported_elsewhere: 'an exporter has not delivered it yet',
  newest_of_its_chain: 'holds the newest record of its chain',
} as const;

async function prune(options: PruneOptions): Promise<void> {
  const { tenant, by, before, json } = options;
  const key = keyFrom(options.keyFile);
  const signer = signerFrom(options.notaryKeyFile, options.name);
  const place = archiveFolder(options.archive);
  await withStore(options.store, async (store) => {
    const { pruned, kept } = await openLedger({ store, key }).prune({ tenant, by, before, signer, place });
    if (json) return printJson({ pruned, kept });
    for (const { index, writer, from, to } of pruned) {
      await printLine(visible(`segment ${index}: records ${from} to ${to} of writer ${writer} removed`));
    }
    for (const { index, because } of kept) await printLine(`segment ${index} stays: ${reasons[because]}`);
    await printLine(`${pruned.length} segments removed`);
  });
}

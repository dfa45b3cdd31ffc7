import type { Command } from 'commander';
import { openLedger, visible } from '@countersign/core';
import { archiveFolder } from '../archive-folder.ts';
import { withActOptions, type ActOptions } from '../archive-options.ts';
import { keyFrom, withStore } from '../files.ts';
import { verifierFrom } from '../notary-options.ts';
import { printJson, printLine } from '../output.ts';

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

import { type Command } from 'commander';
import { createKeyFile, formatVerifierKey } from '@countersign/core';
import { defaultName, signerFrom } from '../notary-options.ts';
import { printJson, printLine } from '../output.ts';

interface KeyOptions {
  readonly keyFile: string;
  readonly name: string;
  readonly create?: true;
  readonly json?: true;
}

/** `countersign audit key`: the public half of the notary's key, for everybody who verifies. */
export function keyCommand(group: Command): void {
  group
    .command('key')
    .description("print the notary's public key, or make a new key")
    .requiredOption('--key-file <path>', "the notary's key, mode 0600, outside every git tree")
    .option('--name <name>', 'which installation: a name such as audit.example.com/production', defaultName)
    .option('--create', 'make a new key file; one that exists is never replaced')
    .option('--json', 'print JSON')
    .action(async ({ keyFile, name, create, json }: KeyOptions) => {
      if (create) createKeyFile(keyFile, { outsideGitTree: true });
      const publicKey = formatVerifierKey(signerFrom(keyFile, name));
      await (json ? printJson({ name, publicKey }) : printLine(publicKey));
    });
}

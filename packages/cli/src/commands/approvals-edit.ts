import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describeApproval } from '@countersign/core';
import { connect, withApproverOptions, type ApproverOptions } from '../approver-options.ts';
import { requireFile } from '../files.ts';
import { printJson, printLine } from '../output.ts';

interface EditOptions extends ApproverOptions {
  readonly argumentsFile: string;
  readonly digest?: string;
}

/** `countersign approvals edit <id>`: other arguments for one call. Approves nothing. */
export function editCommand(group: Command): void {
  withApproverOptions(group.command('edit').description('change the arguments of one call before it is decided'))
    .argument('<id>')
    .requiredOption('--arguments-file <path>', 'the arguments as they shall run, JSON')
    .option('--digest <digest>', 'the digest of the request as you saw it')
    .action(edit);
}

async function edit(id: string, options: EditOptions): Promise<void> {
  const { service, credential } = connect(options);
  requireFile('arguments', options.argumentsFile);
  const digest = options.digest ?? (await service.show(credential, id)).digest;
  const edited = await service.edit(credential, {
    id,
    digest,
    arguments: readFileSync(options.argumentsFile, 'utf8'),
  });
  return options.json ? printJson(edited) : printLine(describeApproval(edited).trimEnd());
}

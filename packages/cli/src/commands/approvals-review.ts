import type { Command } from 'commander';
import { askInTerminal } from '@countersign/core';
import { connect, withApproverOptions, type ApproverOptions } from '../approver-options.ts';
import { CommandFailure } from '../exit-codes.ts';
import { printJson, printLine } from '../output.ts';

/** `countersign approvals review`: goes through what waits, one by one, and asks. */
export function reviewCommand(group: Command): void {
  withApproverOptions(group.command('review').description('go through all pending approvals and decide')).action(
    review,
  );
}

async function review(options: ApproverOptions): Promise<void> {
  if (!process.stdin.isTTY)
    throw new CommandFailure('usage', 'nobody can be asked here: use `approvals approve <id> --digest`');
  const { service, credential } = connect(options);
  const decided = await askInTerminal({ service, credential, input: process.stdin, output: process.stderr });
  if (options.json) return printJson({ decided });
  for (const { id, state } of decided) await printLine(`${state}: ${id}`);
  if (decided.length === 0) await printLine('nothing was decided');
}

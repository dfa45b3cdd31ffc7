/**
 * The command line, put together from one file per command.
 * @module
 */
import { Command } from 'commander';
import { approveCommand } from './commands/approvals-approve.ts';
import { editCommand } from './commands/approvals-edit.ts';
import { listCommand } from './commands/approvals-list.ts';
import { rejectCommand } from './commands/approvals-reject.ts';
import { reviewCommand } from './commands/approvals-review.ts';
import { showCommand } from './commands/approvals-show.ts';
import { exportCommand } from './commands/audit-export.ts';
import { headsCommand } from './commands/audit-heads.ts';
import { queryCommand } from './commands/audit-query.ts';
import { verifyCommand } from './commands/audit-verify.ts';
import { checkCommand } from './commands/policy-check.ts';
import { showPolicyCommand } from './commands/policy-show.ts';
import { printable } from './output.ts';

export function createProgram(): Command {
  const program = new Command('countersign')
    .description('A checkpoint in front of every tool call of an AI agent')
    .exitOverride()
    .configureOutput({
      // Its messages repeat what was typed, which may have been pasted.
      writeErr: (text) => process.stderr.write(printable(text)),
    });
  const groups = {
    approvals: [listCommand, showCommand, editCommand, approveCommand, rejectCommand, reviewCommand],
    audit: [queryCommand, verifyCommand, exportCommand, headsCommand],
    policy: [checkCommand, showPolicyCommand],
  };
  const descriptions: Readonly<Record<keyof typeof groups, string>> = {
    approvals: 'see and decide what waits for a person',
    audit: 'read and verify the ledger',
    policy: 'check and show a policy file',
  };
  for (const name of Object.keys(groups) as (keyof typeof groups)[]) {
    const group = program.command(name).description(descriptions[name]);
    for (const add of groups[name]) add(group);
  }
  return program;
}

/**
 * The command line, put together from one file per command.
 * @module
 */
import { Command } from 'commander';
import { approveCommand } from './commands/approvals-approve.ts';
import { editCommand } from './commands/approvals-edit.ts';
import { listCommand } from './commands/approvals-list.ts';
import { loadCommand } from './commands/approvals-load.ts';
import { rejectCommand } from './commands/approvals-reject.ts';
import { reviewCommand } from './commands/approvals-review.ts';
import { showCommand } from './commands/approvals-show.ts';
import { keyCommand } from './commands/audit-key.ts';
import { proveCommand, verifyProofCommand } from './commands/audit-prove.ts';
import { archiveCommand } from './commands/audit-archive.ts';
import { pruneCommand } from './commands/audit-prune.ts';
import { sealCommand } from './commands/audit-seal.ts';
import { statsCommand } from './commands/audit-stats.ts';
import { exportCommand } from './commands/audit-export.ts';
import { headsCommand } from './commands/audit-heads.ts';
import { queryCommand } from './commands/audit-query.ts';
import { verifyCommand } from './commands/audit-verify.ts';
import { consoleCommand } from './commands/console.ts';
import { listCredentialsCommand } from './commands/credentials-list.ts';
import { revokeCommand } from './commands/credentials-revoke.ts';
import { rotateCommand } from './commands/credentials-rotate.ts';
import { doctorCommand } from './commands/doctor.ts';
import { holdCommand, holdsCommand, releaseCommand } from './commands/hold.ts';
import { forgetCommand } from './commands/outbox-forget.ts';
import { runCommand } from './commands/outbox-run.ts';
import { statusCommand } from './commands/outbox-status.ts';
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
    approvals: [listCommand, showCommand, editCommand, approveCommand, rejectCommand, reviewCommand, loadCommand],
    audit: [
      ...[queryCommand, statsCommand, exportCommand],
      ...[keyCommand, sealCommand, verifyCommand, headsCommand, proveCommand, verifyProofCommand],
      ...[archiveCommand, pruneCommand],
    ],
    hold: [holdCommand, releaseCommand, holdsCommand],
    credentials: [listCredentialsCommand, rotateCommand, revokeCommand],
    outbox: [runCommand, statusCommand, forgetCommand],
    policy: [checkCommand, showPolicyCommand],
  };
  const descriptions: Readonly<Record<keyof typeof groups, string>> = {
    approvals: 'see and decide what waits for a person',
    audit: 'read, seal and verify the ledger',
    hold: 'stop a tenant, a user or an agent at once',
    credentials: 'see, rotate and revoke credentials',
    outbox: 'deliver the ledger to the tools that you run',
    policy: 'check and show a policy file',
  };
  for (const name of Object.keys(groups) as (keyof typeof groups)[]) {
    const group = program.command(name).description(descriptions[name]);
    for (const add of groups[name]) add(group);
  }
  consoleCommand(program);
  doctorCommand(program);
  return program;
}

import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { describeApproval, type ApprovalView } from '@countersign/core';
import { connect, withApproverOptions, type ApproverOptions } from '../approver-options.ts';
import { CommandFailure } from '../exit-codes.ts';
import { printAside, printJson, printLine } from '../output.ts';

interface ApproveOptions extends ApproverOptions {
  readonly digest?: string;
  readonly reason?: string;
}

/** `countersign approvals approve <id>`: never without having been shown the request, here or wherever the digest comes from. */
export function approveCommand(group: Command): void {
  withApproverOptions(group.command('approve').description('approve one call: show it, ask, sign'))
    .argument('<id>')
    .option('--digest <digest>', 'the digest of the request as you saw it; asks nothing')
    .option('--reason <text>', 'kept with your vote')
    .action(approve);
}

async function approve(id: string, options: ApproveOptions): Promise<void> {
  const { service, credential } = connect(options);
  const approval = await service.show(credential, id);
  if (approval.state !== 'pending') throw new CommandFailure('refused', `approval ${id} is ${approval.state}`);
  if (!options.json || options.digest === undefined) printAside(describeApproval(approval));
  const digest = options.digest ?? (await confirm(approval));
  if (digest !== approval.digest)
    throw new CommandFailure('refused', 'the digest is not that of the request: look at it again');
  const reason = options.reason === undefined ? {} : { reason: options.reason };
  const decided = await service.decide(credential, { id, verdict: 'approve', digest, ...reason });
  return options.json ? printJson(decided) : printLine(`${decided.state}: ${decided.id}`);
}

/** The digest of what was shown, after the person typed `approve`. */
async function confirm(approval: ApprovalView): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new CommandFailure(
      'usage',
      'nobody can be asked here: give the --digest of the request that you mean to approve',
    );
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  // End of input closes it without an answer.
  const silence = new Promise<string>((resolve) => lines.once('close', () => resolve('')));
  try {
    const answer = await Promise.race([lines.question('Type "approve" to approve this call: '), silence]);
    if (answer.trim() === 'approve') return approval.digest;
    throw new CommandFailure('refused', 'not approved: nothing was decided');
  } finally {
    lines.close();
  }
}

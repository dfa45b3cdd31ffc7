import type { Command } from 'commander';
import { describeApproval, visible, type ApprovalView } from '@countersign/core';
import { connect, withApproverOptions, type ApproverOptions } from '../approver-options.ts';
import { printJson, printLine } from '../output.ts';

/** `countersign approvals show <id>`: everything that the digest covers, and who decided. */
export function showCommand(group: Command): void {
  withApproverOptions(group.command('show').description('show an approval with its arguments'))
    .argument('<id>')
    .action(show);
}

async function show(id: string, options: ApproverOptions): Promise<void> {
  const { service, credential } = connect(options);
  const approval = await service.show(credential, id);
  return options.json ? printJson(approval) : printLine(describeState(approval));
}

function describeState(approval: ApprovalView): string {
  const votes = approval.votes.map(({ approver, verdict, time, reason }) => {
    const why = reason === undefined ? '' : `: ${visible(reason)}`;
    return `  ${verdict === 'approve' ? 'approved' : 'rejected'} by ${visible(approver)} at ${new Date(time).toISOString()}${why}`;
  });
  const state = `  state      ${visible(approval.state)}${approval.consumed ? ', executed' : ''}`;
  return [describeApproval(approval).trimEnd(), state, ...votes].join('\n');
}

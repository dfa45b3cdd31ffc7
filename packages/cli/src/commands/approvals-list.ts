import { Option, type Command } from 'commander';
import type { ApprovalState } from '@countersign/core';
import { connect, withApproverOptions, type ApproverOptions } from '../approver-options.ts';
import { printJson, printLine, printTable } from '../output.ts';

interface ListOptions extends ApproverOptions {
  readonly state: ApprovalState | 'all';
}

const states = ['pending', 'approved', 'rejected', 'expired', 'cancelled', 'all'];

/** `countersign approvals list`: what waits for you, oldest first. */
export function listCommand(group: Command): void {
  withApproverOptions(group.command('list').description('list approvals, oldest first'))
    .addOption(new Option('--state <state>', 'which ones').choices(states).default('pending'))
    .action(list);
}

async function list(options: ListOptions): Promise<void> {
  const { service, credential } = connect(options);
  const approvals = await service.list(credential, options.state === 'all' ? {} : { state: options.state });
  if (options.json) return printJson({ approvals });
  if (approvals.length === 0)
    return printLine(options.state === 'all' ? 'no approvals' : `no ${options.state} approvals`);
  const rows = approvals.map(({ id, state, risk, tool, requester, agent, expiresAt }) => {
    return [id, state, risk, tool, requester, agent, new Date(expiresAt).toISOString()];
  });
  return printTable(['APPROVAL', 'STATE', 'RISK', 'TOOL', 'FOR USER', 'AGENT', 'EXPIRES'], rows);
}

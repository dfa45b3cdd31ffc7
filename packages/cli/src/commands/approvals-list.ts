import { InvalidArgumentError, Option, type Command } from 'commander';
import type { ApprovalState } from '@countersign/core';
import { connect, withApproverOptions, type ApproverOptions } from '../approver-options.ts';
import { printJson, printLine, printTable } from '../output.ts';

interface ListOptions extends ApproverOptions {
  readonly state: ApprovalState | 'all';
  readonly run?: string;
  readonly limit: number;
}

const states = ['pending', 'approved', 'rejected', 'expired', 'cancelled', 'all'];
const maxLimit = 10_000;

/** `countersign approvals list`: what waits for you, oldest first. */
export function listCommand(group: Command): void {
  withApproverOptions(group.command('list').description('list approvals, oldest first'))
    .addOption(new Option('--state <state>', 'which ones').choices(states).default('pending'))
    .option('--run <run>', 'only those of one run')
    .option('--limit <count>', 'at most this many', countOf, 1_000)
    .action(list);
}

async function list({ state, run, limit, ...options }: ListOptions): Promise<void> {
  const { service, credential } = connect(options);
  const { approvals, more } = await service.first(credential, {
    limit,
    ...(state === 'all' ? {} : { state }),
    ...(run === undefined ? {} : { run }),
  });
  if (options.json) return printJson({ approvals, more });
  if (approvals.length === 0) return printLine(state === 'all' ? 'no approvals' : `no ${state} approvals`);
  const rows = approvals.map(({ id, state: current, risk, tool, requester, agent, expiresAt }) => {
    return [id, current, risk, tool, requester, agent, new Date(expiresAt).toISOString()];
  });
  await printTable(['APPROVAL', 'STATE', 'RISK', 'TOOL', 'FOR USER', 'AGENT', 'EXPIRES'], rows);
  if (more) await printLine(`there are more than these ${approvals.length}: see --limit`);
}

function countOf(text: string): number {
  const count = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= maxLimit) return count;
  throw new InvalidArgumentError(`a number from 1 to ${maxLimit}`);
}

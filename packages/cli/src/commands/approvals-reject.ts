import type { Command } from 'commander';
import { connect, withApproverOptions, type ApproverOptions } from '../approver-options.ts';
import { printJson, printLine } from '../output.ts';

interface RejectOptions extends ApproverOptions {
  readonly reason?: string;
}

/** `countersign approvals reject <id>`: needs no confirmation, because nothing runs by it. Final. */
export function rejectCommand(group: Command): void {
  withApproverOptions(group.command('reject').description('reject one call, for good'))
    .argument('<id>')
    .option('--reason <text>', 'kept with your vote')
    .action(reject);
}

async function reject(id: string, options: RejectOptions): Promise<void> {
  const { service, credential } = connect(options);
  const { digest } = await service.show(credential, id);
  const reason = options.reason === undefined ? {} : { reason: options.reason };
  const decided = await service.decide(credential, { id, verdict: 'reject', digest, ...reason });
  return options.json ? printJson(decided) : printLine(`${decided.state}: ${decided.id}`);
}

/**
 * Where the approvals service is and who asks: the options that its commands share.
 * @module
 */
import type { Command } from 'commander';
import { approvalsClient, type ApprovalsClient } from './approvals-client.ts';
import { CommandFailure } from './exit-codes.ts';
import { tokenFrom } from './files.ts';

export interface ApproverOptions {
  readonly url?: string;
  readonly tokenFile?: string;
  readonly json?: true;
}

export function withApproverOptions(command: Command): Command {
  return command
    .option('--url <url>', 'address of the approvals service (or COUNTERSIGN_URL)')
    .option('--token-file <path>', 'file of mode 0600 with your token (or the token in COUNTERSIGN_APPROVER_TOKEN)')
    .option('--json', 'print JSON');
}

export function connect(options: ApproverOptions): {
  readonly service: ApprovalsClient;
  readonly credential: string;
} {
  const url = options.url ?? process.env['COUNTERSIGN_URL'];
  if (url === undefined)
    throw new CommandFailure('usage', 'where is the approvals service? Give --url or set COUNTERSIGN_URL');
  const service = approvalsClient(url);
  const credential =
    options.tokenFile === undefined ? process.env['COUNTERSIGN_APPROVER_TOKEN'] : tokenFrom(options.tokenFile);
  if (credential !== undefined && credential !== '') return { service, credential };
  throw new CommandFailure('usage', 'who asks? Give --token-file or set COUNTERSIGN_APPROVER_TOKEN');
}

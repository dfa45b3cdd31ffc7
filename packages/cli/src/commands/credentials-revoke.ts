import type { Command } from 'commander';
import type { RevokeAllResult } from '@countersign/core';
import { withConfiguration } from '../config-module.ts';
import { CommandFailure } from '../exit-codes.ts';
import { printJson, printLine } from '../output.ts';
import { needsAttention } from './credentials-rotate.ts';

interface RevokeOptions {
  readonly config: string;
  readonly tenant: string;
  readonly by: string;
  readonly reason: string;
  readonly agent?: string;
  readonly user?: string;
  readonly all?: true;
  readonly json?: true;
}

/** `countersign credentials revoke <id>`, or everything of an agent, a user or the tenant on compromise. */
export function revokeCommand(group: Command): void {
  group
    .command('revoke')
    .description('end one open lease; or hold and end everything of an agent, a user or the tenant')
    .argument('[lease]', 'as `credentials list` shows it')
    .requiredOption('--config <module>', 'makes the Countersign instance')
    .requiredOption('--tenant <id>', 'whose')
    .requiredOption('--by <id>', 'who orders it')
    .requiredOption('--reason <text>', 'why')
    .option('--agent <id>', 'everything of this agent')
    .option('--user <id>', 'everything of this user')
    .option('--all', 'everything of the tenant')
    .option('--json', 'print JSON')
    .action(revoke);
}

async function revoke(id: string | undefined, options: RevokeOptions): Promise<void> {
  const { config, tenant, by, reason, agent, user, all } = options;
  const targets = [id, agent, user, all].filter((each) => each !== undefined);
  if (targets.length !== 1) throw new CommandFailure('usage', 'give exactly one of a lease, --agent, --user and --all');
  await withConfiguration(config, async ({ credentials }) => {
    if (id !== undefined) {
      await credentials.revoke({ tenant, id, by, reason });
      return options.json ? printJson({ revoked: [id] }) : printLine(`revoked ${id}`);
    }
    const whose = { ...(agent && { agent }), ...(user && { user }), ...(all && { all }) };
    const result = await credentials.revokeAll({ tenant, by, reason, ...whose });
    await (options.json ? printJson(result) : report(result));
    const unrotated = result.rotated.filter((each) => needsAttention(each) || each.status === 'busy');
    const left = result.open.length + result.residual.length + unrotated.length;
    if (left > 0) throw new CommandFailure('failed', `${left} credential(s) could not be ended`, 'revocation');
  });
}

async function report({ hold, revoked, open, residual, rotated }: RevokeAllResult): Promise<void> {
  const until = (at: number): string => new Date(at).toISOString();
  await printLine(`on hold: ${hold}`);
  await printLine(`revoked: ${revoked.length} lease(s)`);
  for (const { lease, service, reason, validUntil } of open) {
    await printLine(`STILL OPEN: lease ${lease} of ${service}, valid until ${until(validUntil)}: ${reason}`);
  }
  for (const { service, leases, validUntil } of residual) {
    await printLine(`CANNOT BE REVOKED: ${leases} lease(s) of ${service}, valid until ${until(validUntil)}`);
  }
  for (const { id, status } of rotated) await printLine(`rotation of ${id}: ${status}`);
}

import type { Command } from 'commander';
import { withConfiguration } from '../config-module.ts';
import { printJson, printLine, printTable } from '../output.ts';

interface ListOptions {
  readonly config: string;
  readonly tenant: string;
  readonly json?: true;
}

/** `countersign credentials list`: what is rotated, and which leases are open. No secret is in it. */
export function listCredentialsCommand(group: Command): void {
  group
    .command('list')
    .description('list the credentials that are rotated, and the leases that are open')
    .requiredOption('--config <module>', 'makes the Countersign instance')
    .requiredOption('--tenant <id>', 'whose')
    .option('--json', 'print JSON')
    .action(list);
}

async function list({ config, tenant, json }: ListOptions): Promise<void> {
  const view = await withConfiguration(config, ({ credentials }) => credentials.list(tenant));
  if (json) return printJson(view);
  const time = (at: number | undefined): string => (at === undefined ? '-' : new Date(at).toISOString());
  if (view.rotated.length === 0 && view.leases.length === 0) return printLine('no credentials');
  await printTable(
    ['CREDENTIAL', 'PROVIDER', 'ROTATED', 'EXPIRES', 'DUE', 'OLD ONES'],
    view.rotated.map((each) => [
      ...[each.id, each.provider, time(each.rotatedAt), time(each.expiresAt)],
      ...[each.dueAt === 0 ? 'now' : time(each.dueAt), String(each.superseded)],
    ]),
  );
  await printLine('');
  await printTable(
    ['OPEN LEASE', 'SERVICE', 'PROVIDER', 'STATE', 'AGENT', 'EXPIRES'],
    view.leases.map(({ id, service, provider, state, agent = '-', expiresAt }) => {
      return [id, service, provider, state, agent, time(expiresAt)];
    }),
  );
}

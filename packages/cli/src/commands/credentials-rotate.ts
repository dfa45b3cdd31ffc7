import type { Command } from 'commander';
import type { RotationResult } from '@countersign/core';
import { withConfiguration } from '../config-module.ts';
import { CommandFailure } from '../exit-codes.ts';
import { printJson, printTable } from '../output.ts';

interface RotateOptions {
  readonly config: string;
  readonly due?: true;
  readonly compromised?: true;
  readonly tenant?: string;
  readonly by?: string;
  readonly reason?: string;
  readonly json?: true;
}

/** `countersign credentials rotate --due` for cron, `rotate <id>` on demand. */
export function rotateCommand(group: Command): void {
  group
    .command('rotate')
    .description('replace the credentials that are due, or one of them now')
    .argument('[id]', 'as `credentials list` shows it')
    .requiredOption('--config <module>', 'makes the Countersign instance')
    .option('--due', 'all that are due, of all tenants; for cron')
    .option('--compromised', 'with an id: retire what it replaces at once')
    .option('--tenant <id>', 'with an id: whose')
    .option('--by <id>', 'with an id: who orders it')
    .option('--reason <text>', 'with an id: why')
    .option('--json', 'print JSON')
    .action(rotate);
}

async function rotate(id: string | undefined, options: RotateOptions): Promise<void> {
  const results = await withConfiguration(options.config, async ({ credentials }) => {
    if ((id === undefined) !== (options.due === true)) throw new CommandFailure('usage', 'give either an id or --due');
    if (id === undefined) return credentials.rotateDue();
    const { tenant, by, reason, compromised = false } = options;
    if (tenant === undefined || by === undefined || reason === undefined) {
      throw new CommandFailure('usage', 'whose is it, who orders it and why? Give --tenant, --by and --reason');
    }
    return [await credentials.rotate({ tenant, id, by, reason, compromised })];
  });
  if (options.json) await printJson({ results });
  else await printTable(['TENANT', 'CREDENTIAL', 'STATUS', 'DETAIL'], results.map(rowOf));
  // For cron another worker is as good; who asked for one credential wants to know that it was not done here.
  const bad = results.filter((each) => needsAttention(each) || (id !== undefined && each.status === 'busy'));
  if (bad.length > 0) throw new CommandFailure('failed', `${bad.length} credential(s) need attention`, 'rotation');
}

/** Whether something of it is left to do. */
export function needsAttention(result: RotationResult): boolean {
  return result.status === 'failed' || (result.status === 'rotated' && result.unretired > 0);
}

function rowOf(result: RotationResult): readonly string[] {
  return [result.tenant, result.id, result.status, detailOf(result)];
}

function detailOf(result: RotationResult): string {
  switch (result.status) {
    case 'failed':
      return result.reason;
    case 'rotated':
      return `retired ${result.retired}, still to retire ${result.unretired}`;
    case 'fresh':
      return 'not due';
    case 'busy':
      return 'another worker has it';
    default:
      return result satisfies never;
  }
}

/**
 * Which part of which ledger: the options that the reading commands share.
 * @module
 */
import { InvalidArgumentError, Option, type Command } from 'commander';
import type { LedgerQuery, Verdict } from '@countersign/core';

export interface StoreOption {
  readonly store: string;
}

export interface QueryOptions extends StoreOption {
  readonly keyFile: string;
  readonly tenant: string;
  readonly user?: string;
  readonly agent?: string;
  readonly run?: string;
  readonly tool?: string;
  readonly decision?: Verdict;
  readonly since?: number;
  readonly until?: number;
  readonly limit?: number;
  readonly json?: true;
}

export function withStoreOption(command: Command): Command {
  return command.requiredOption(
    '--store <path>',
    'the SQLite file; or `postgres`, for the database of COUNTERSIGN_POSTGRES_URL',
  );
}

export function withQueryOptions(command: Command): Command {
  return withStoreOption(command)
    .requiredOption('--key-file <path>', 'the key that records were sealed under, mode 0600')
    .requiredOption('--tenant <id>', 'whose records')
    .option('--user <id>', 'only for this user')
    .option('--agent <id>', 'only of this agent')
    .option('--run <id>', 'only of this run')
    .option('--tool <name>', 'only of this tool')
    .addOption(
      new Option('--decision <verdict>', 'only records with this verdict').choices(['allow', 'deny', 'review']),
    )
    .option('--since <time>', 'ISO 8601, inclusive', timeOf)
    .option('--until <time>', 'ISO 8601, inclusive', timeOf)
    .option('--limit <count>', 'at most so many', countOf)
    .option('--json', 'print JSON');
}

export function queryOf({ tenant, user, agent, run, tool, decision, since, until, limit }: QueryOptions): LedgerQuery {
  const conditions = { user, agent, run, tool, verdict: decision, since, until, limit };
  const given = Object.entries(conditions).filter(([, value]) => value !== undefined);
  return { tenant, ...(Object.fromEntries(given) as Partial<LedgerQuery>) };
}

export function timeOf(text: string): number {
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isFinite(time)) return time;
  throw new InvalidArgumentError('Expected a time such as 2026-01-31 or 2026-01-31T12:00:00Z.');
}

function countOf(text: string): number {
  const count = /^[1-9]\d{0,14}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isFinite(count)) return count;
  throw new InvalidArgumentError('Expected a whole number from 1.');
}

import type { Command } from 'commander';
import { openHolds, visible, type Hold, type HoldRequest } from '@countersign/core';
import { CommandFailure } from '../exit-codes.ts';
import { keyFrom, withStore } from '../files.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { printJson, printLine } from '../output.ts';

interface HoldsOptions extends StoreOption {
  readonly keyFile: string;
  readonly tenant: string;
  readonly json?: true;
}

interface HoldOptions extends HoldsOptions {
  readonly user?: string;
  readonly agent?: string;
  readonly by: string;
  readonly reason?: string;
}

function withHoldsOptions(command: Command): Command {
  return withStoreOption(command)
    .requiredOption('--key-file <path>', 'the key that records are sealed under, mode 0600')
    .requiredOption('--tenant <id>', 'the tenant; held as a whole unless --user or --agent is given')
    .option('--json', 'print JSON');
}

function withHoldOptions(command: Command): Command {
  return withHoldsOptions(command)
    .option('--user <id>', 'only calls for this user')
    .option('--agent <id>', 'only calls of this agent, wherever it stands in a chain')
    .requiredOption('--by <id>', 'who orders it; recorded')
    .option('--reason <text>', 'recorded');
}

/** `countersign hold set`: no call of the tenant, user or agent is claimed from now on, in any process. */
export function holdCommand(group: Command): void {
  withHoldOptions(group.command('set').description('stop a tenant, a user or an agent at once')).action(hold);
}

async function hold(options: HoldOptions): Promise<void> {
  const request = requestOf(options);
  await withStore(options.store, (store) => openHolds({ store, key: keyFrom(options.keyFile) }).hold(request));
  await (options.json ? printJson({ ok: true }) : printLine(visible(`${nameOf(request)} is on hold`)));
}

/** `countersign hold release`: exit code 1 when there was no such hold. */
export function releaseCommand(group: Command): void {
  withHoldOptions(group.command('release').description('let it go on')).action(release);
}

async function release(options: HoldOptions): Promise<void> {
  const request = requestOf(options);
  const released = await withStore(options.store, (store) =>
    openHolds({ store, key: keyFrom(options.keyFile) }).release(request),
  );
  if (!released) throw new CommandFailure('failed', `${nameOf(request)} is not on hold`);
  await (options.json ? printJson({ ok: true }) : printLine(visible(`${nameOf(request)} is released`)));
}

/** `countersign hold list`: what is on hold in a tenant, and who ordered it. */
export function holdsCommand(group: Command): void {
  withHoldsOptions(group.command('list').description('what is on hold')).action(list);
}

async function list(options: HoldsOptions): Promise<void> {
  const holds = await withStore(options.store, (store) =>
    openHolds({ store, key: keyFrom(options.keyFile) }).holds(options.tenant),
  );
  if (options.json) return printJson({ holds });
  for (const one of holds) await printLine(visible(describe(one)));
}

function describe(one: Hold): string {
  const reason = one.reason === undefined ? '' : `: ${one.reason}`;
  return `${nameOf(one)} since ${new Date(one.since).toISOString()} by ${one.by}${reason}`;
}

interface Named {
  readonly tenant: string;
  readonly user?: string | undefined;
  readonly agent?: string | undefined;
}

function nameOf({ tenant, user, agent }: Named): string {
  if (user !== undefined) return `user ${user} of tenant ${tenant}`;
  return agent === undefined ? `tenant ${tenant}` : `agent ${agent} of tenant ${tenant}`;
}

function requestOf({ tenant, user, agent, by, reason }: HoldOptions): HoldRequest {
  if (user !== undefined && agent !== undefined) {
    throw new CommandFailure('usage', 'give --user or --agent, not both: two holds stop both');
  }
  const target = user === undefined ? (agent === undefined ? {} : { agent }) : { user };
  return { tenant, by, ...target, ...(reason === undefined ? {} : { reason }) };
}

import { InvalidArgumentError, Option, type Command } from 'commander';
import { approvalLoad, type ApprovalLoad, type Delays, type VoteCounts } from '@countersign/core';
import { keyFrom, withStore } from '../files.ts';
import { timeOf, withStoreOption, type StoreOption } from '../ledger-options.ts';
import { printJson, printLine, printTable } from '../output.ts';

interface LoadOptions extends StoreOption {
  readonly keyFile: string;
  readonly tenant: string;
  readonly window: number;
  readonly until?: number;
  readonly json?: true;
}

/** `countersign approvals load`: what approvals ask of people, and how they answer. */
export function loadCommand(group: Command): void {
  withStoreOption(group.command('load').description('how much approvals ask of people, and how fast they answer'))
    .requiredOption('--key-file <path>', 'the key that records were sealed under, mode 0600')
    .requiredOption('--tenant <id>', 'whose approvals')
    .addOption(
      new Option('--window <duration>', 'how far back, such as 90m, 24h or 30d')
        .argParser(windowOf)
        .default(7 * 86_400_000, '7d'),
    )
    .option('--until <time>', 'end of the window, ISO 8601; default: now', timeOf)
    .option('--json', 'print JSON')
    .action(load);
}

const units: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const longest = 366 * 86_400_000;

function windowOf(text: string): number {
  const [, count = '', unit = ''] = /^([1-9]\d{0,6})([mhd])$/.exec(text) ?? [];
  const window = Number(count) * (units[unit] ?? Number.NaN);
  if (window > 0 && window <= longest) return window;
  throw new InvalidArgumentError('Expected minutes, hours or days such as 90m, 24h or 30d, at most 366d.');
}

async function load({ store: place, keyFile, tenant, window, until, json }: LoadOptions): Promise<void> {
  const key = keyFrom(keyFile);
  await withStore(place, async (store) => {
    const end = until === undefined ? {} : { until };
    const found = await approvalLoad({ store, key, tenant, windowMs: window, ...end });
    await (json ? printJson(found) : printLoad(found));
  });
}

async function printLoad(found: ApprovalLoad): Promise<void> {
  const { since, until, requests, perHour, approved, rejected, expired, cancelled, pending } = found;
  await printLine(`${new Date(since).toISOString()} to ${new Date(until).toISOString()}, tenant ${found.tenant}`);
  await printLine(`${requests} requests, ${perHour.toFixed(2)} an hour`);
  await printLine(
    `${approved} approved, ${rejected} rejected, ${expired} expired without the answer that was needed, ${cancelled} cancelled, ${pending} wait`,
  );
  await printLine(`approve rate ${rate(approved, approved + rejected)}`);
  await printLine(`time to decision: ${delays(found.toDecision)}`);
  await printLine(`decided in less than ${found.quickMs / 1000} s: ${found.quick} of ${found.votes} votes`);
  if (found.backwards > 0) await printLine(`${found.backwards} votes lie before their request: a clock was set back`);
  if (found.unreadEdits > 0) await printLine(`the time of ${found.unreadEdits} edits was not found in the ledger`);
  if (!found.complete) await printLine('only the newest requests were counted: there were more');
  const columns = ['VOTES', 'APPROVE RATE', 'MEDIAN', '95 %', 'QUICK'];
  if (found.approvers.length > 0) {
    await printTable(
      ['APPROVER', ...columns],
      found.approvers.map((each) => [each.approver, ...votesOf(each)]),
    );
  }
  if (found.tools.length > 0) {
    await printTable(
      ['TOOL', 'REQUESTS', 'EXPIRED', ...columns],
      found.tools.map((each) => [each.tool, String(each.requests), String(each.expired), ...votesOf(each)]),
    );
  }
}

function votesOf({ votes, approvals, quick, delay }: VoteCounts): readonly string[] {
  const [median, p95] = delay === undefined ? ['-', '-'] : [span(delay.median), span(delay.p95)];
  return [String(votes), rate(approvals, votes), median, p95, String(quick)];
}

function rate(part: number, whole: number): string {
  return whole === 0 ? '-' : `${Math.round((part / whole) * 100)} %`;
}

function delays(found: Delays | undefined): string {
  return found === undefined ? '-' : `median ${span(found.median)}, 95 % within ${span(found.p95)}`;
}

/** @param ms milliseconds */
function span(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  return ms < 3_600_000 ? `${(ms / 60_000).toFixed(1)} min` : `${(ms / 3_600_000).toFixed(1)} h`;
}

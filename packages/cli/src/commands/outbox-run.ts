import { diag, DiagLogLevel } from '@opentelemetry/api';
import { Option, type Command } from 'commander';
import { createOutbox, visible, type Outbox, type OutboxReport } from '@countersign/core';
import { CommandFailure } from '../exit-codes.ts';
import { keyFrom, withStore } from '../files.ts';
import { withStoreOption } from '../ledger-options.ts';
import { sinkOf, type OutboxRunOptions } from '../outbox-options.ts';
import { printAside, printJson, printLine } from '../output.ts';

/** `countersign outbox run`: delivers the ledger until it is told to end. */
export function runCommand(group: Command): void {
  withStoreOption(group.command('run').description('deliver every record to an OTLP/HTTP endpoint, at least once'))
    .requiredOption('--endpoint <url>', 'base address of the receiver: /v1/traces and /v1/logs are appended')
    .addOption(
      new Option('--signals <names...>', 'what each record becomes')
        .choices(['traces', 'logs'])
        .default(['traces', 'logs']),
    )
    .addOption(new Option('--encoding <name>', 'of the requests').choices(['protobuf', 'json']).default('protobuf'))
    .option('--gzip', 'compress the requests')
    .option('--headers-file <path>', 'headers such as `authorization: …`, one a line, mode 0600')
    .option('--name <name>', 'names the cursors: another name is another receiver', 'otlp')
    .option('--service-name <name>', '`service.name` of the records', 'countersign')
    .option('--disclose-with <path>', 'the audit key, mode 0600: also send users, reasons and redacted arguments')
    .option('--once', 'deliver what there is, and end')
    .option('--json', 'print reports as JSON')
    .action(run);
}

async function run(options: OutboxRunOptions): Promise<void> {
  // Its warnings quote what a receiver said, cleaned; nobody else prints them here.
  const say = (message: string): void => printAside(visible(message));
  diag.setLogger({ error: say, warn: say, info: say, debug: say, verbose: say }, DiagLogLevel.WARN);
  const disclose = options.discloseWith === undefined ? {} : { disclose: { key: keyFrom(options.discloseWith) } };
  const sink = sinkOf(options);
  await withStore(options.store, async (store) => {
    const outbox = createOutbox({ store, sink, ...disclose });
    if (options.once === true) await once(outbox, options);
    else await untilEnded(outbox, options);
  });
}

async function once(outbox: Outbox, options: OutboxRunOptions): Promise<void> {
  let report: OutboxReport;
  do {
    report = await outbox.tick();
    await print(report, options);
  } while (report.delivered > 0 && report.backlog > 0 && report.retryAfterMs === undefined);
  if (report.backlog > 0) throw new CommandFailure('unreachable', `${report.backlog} records were not delivered`);
}

async function untilEnded(outbox: Outbox, options: OutboxRunOptions): Promise<void> {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  let printed: Promise<void> = Promise.resolve();
  let before = '';
  await outbox.start(ending.signal, {
    onReport(report) {
      const now = JSON.stringify({ ...report, delivered: report.delivered > 0 });
      // A second that changed nothing is no news.
      if (report.delivered === 0 && now === before) return;
      before = now;
      printed = printed.then(() => print(report, options));
    },
  });
  await printed;
}

async function print(report: OutboxReport, { json }: OutboxRunOptions): Promise<void> {
  if (json === true) return printJson(report);
  const { delivered, refused, backlog, busy, problems } = report;
  const more = [refused > 0 ? `${refused} refused` : '', busy > 0 ? `${busy} tenants in other hands` : ''].filter(
    Boolean,
  );
  await printLine([`${delivered} delivered`, `${backlog} waiting`, ...more].join(', '));
  for (const problem of problems) printAside(visible(problem));
}

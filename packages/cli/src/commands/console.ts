import { InvalidArgumentError, type Command } from 'commander';
import { approverFile, createApprovals, policyFile, type ApproverDirectory } from '@countersign/core';
import { signInsFrom, withSignInOptions, type SignInOptions } from '../console-options.ts';
import { CommandFailure } from '../exit-codes.ts';
import { keyFrom, requireFile, withStore } from '../files.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { printAside, printJson, printLine } from '../output.ts';

interface ConsoleOptions extends StoreOption, SignInOptions {
  readonly keyFile: string;
  readonly voteKey: string;
  readonly policy?: string;
  readonly ledgerGroup?: readonly string[];
  readonly listen: string;
  readonly port: number;
  readonly url?: string;
  readonly json?: true;
}

/** `countersign console`: the web console, until it is told to end. Whoever runs it can sign votes. */
export function consoleCommand(program: Command): void {
  const command = program.command('console').description('serve the web console for approvals');
  withSignInOptions(withStoreOption(command))
    .requiredOption('--key-file <path>', 'the key that records are sealed under, mode 0600')
    .requiredOption('--vote-key <path>', 'the key that signs votes, mode 0600')
    .option('--policy <path>', "the agents' policy; without it nothing can be edited, and no policy is shown")
    .option('--ledger-group <name...>', 'only approvers of these groups see runs and load; default: all')
    .option('--listen <address>', 'another address than this machine needs --url with https', '127.0.0.1')
    .option('--port <number>', '0 is any free one', portOf, 0)
    .option('--url <url>', 'where browsers reach it, when a proxy is in front')
    .option('--json', 'print JSON')
    .action(serve);
}

async function serve(options: ConsoleOptions): Promise<void> {
  const ending = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  });
  await withStore(options.store, async (store) => {
    const { serveConsole } = await import('@countersign/console');
    const approvers = directoryFrom(options.approvers);
    const policy = options.policy === undefined ? {} : { policy: policyFile(requireFile('policy', options.policy)) };
    const approvals = createApprovals({
      store,
      approvers,
      signingKey: keyFrom(options.voteKey),
      audit: { key: keyFrom(options.keyFile) },
      ...policy,
      ...(options.ledgerGroup === undefined ? {} : { ledger: { groups: options.ledgerGroup } }),
    });
    const console = await serveConsole({
      service: approvals,
      signIn: await signInsFrom(options, approvers),
      tenant: options.tenant,
      ...policy,
      hostname: options.listen,
      port: options.port,
      onFailure: (error) => printAside(`countersign: ${error instanceof Error ? error.message : 'a page failed'}`),
      ...(options.url === undefined ? {} : { url: options.url }),
    }).catch((error: unknown) => {
      throw cannotListen(error) ?? error;
    });
    try {
      await (options.json ? printJson({ url: console.url }) : printLine(`The console is at ${console.url}`));
      await ending;
    } finally {
      await console.close();
      await approvals.flush();
    }
  });
}

function cannotListen(error: unknown): CommandFailure | undefined {
  if (!(error instanceof Error && 'syscall' in error && error.syscall === 'listen')) return undefined;
  return new CommandFailure('unreachable', `nobody can listen there: ${error.message}`);
}

function directoryFrom(path: string | undefined): ApproverDirectory {
  return path === undefined ? { authenticate: () => undefined } : approverFile(requireFile('file of approvers', path));
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError('Expected a port from 0 to 65535.');
}

import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidArgumentError, type Command } from 'commander';
import { createNotary, visible, type Notary, type Sealed } from '@countersign/core';
import { CommandFailure } from '../exit-codes.ts';
import { withStore } from '../files.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { defaultName, signerFrom, witnessFrom } from '../notary-options.ts';
import { printAside, printJson, printLine } from '../output.ts';

interface SealOptions extends StoreOption {
  readonly keyFile: string;
  readonly name: string;
  readonly witness?: string;
  readonly tenant?: string;
  readonly watch?: true | number;
  readonly json?: true;
}

const defaultSeconds = 60;

/** `countersign audit seal`: signs what was written since the last time. Runs under a user that the agents are not. */
export function sealCommand(group: Command): void {
  withStoreOption(group.command('seal').description('seal what was written, with a key that no agent can read'))
    .requiredOption('--key-file <path>', "the notary's key, mode 0600, outside every git tree")
    .option('--name <name>', 'which installation: part of every checkpoint', defaultName)
    .option('--witness <directory>', 'where checkpoints are kept outside the store')
    .option('--tenant <id>', 'only of this tenant')
    .option('--watch [seconds]', `again and again, every ${defaultSeconds} seconds unless said otherwise`, secondsOf)
    .option('--json', 'print JSON')
    .action(seal);
}

async function seal(options: SealOptions): Promise<void> {
  const signer = signerFrom(options.keyFile, options.name);
  const witness = witnessFrom(options.witness, signer);
  if (witness === undefined) printAside('No --witness: a store that is rolled back would be sealed again unnoticed.');
  const run = (store: Parameters<Parameters<typeof withStore>[1]>[0]): Promise<boolean> =>
    sealOnce(createNotary({ store, signer, ...(witness === undefined ? {} : { witness }) }), options);
  if (options.watch === undefined) {
    // What the witness saw must not be lost with the power.
    if (await withStore(options.store, run, { durability: 'power' })) return;
    throw new CommandFailure('failed', 'not everything could be sealed', 'ERR_LEDGER');
  }
  const seconds = options.watch === true ? defaultSeconds : options.watch;
  await withStore(
    options.store,
    (store) => watch(createNotary({ store, signer, ...(witness === undefined ? {} : { witness }) }), options, seconds),
    {
      durability: 'power',
    },
  );
}

/** Until a signal asks for the end. A round that fails is said, and tried again in the next. */
async function watch(notary: Notary, options: SealOptions, seconds: number): Promise<void> {
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => ending.abort());
  while (!ending.signal.aborted) {
    await sealOnce(notary, options);
    await sleep(seconds * 1000, undefined, { signal: ending.signal }).catch(() => undefined);
  }
}

async function sealOnce(notary: Notary, { tenant, json }: SealOptions): Promise<boolean> {
  const { sealed, failed } =
    tenant === undefined ? await notary.sealAll() : { sealed: [await notary.seal(tenant)], failed: [] };
  if (json) await printJson({ ok: failed.length === 0, sealed, failed: failed.map(describeFailure) });
  else for (const one of sealed) await printLine(describe(one));
  for (const failure of failed)
    printAside(`tenant ${failure.tenant} was not sealed: ${describeFailure(failure).message}`);
  return failed.length === 0;
}

function describe({ tenant, records, segments, size }: Sealed): string {
  return visible(`tenant ${tenant}: ${records} records sealed in ${segments} segments; the log has ${size}`);
}

function describeFailure({ tenant, error }: { readonly tenant: string; readonly error: unknown }) {
  return { tenant, message: error instanceof Error ? error.message : String(error) };
}

function secondsOf(text: string): number {
  const seconds = /^[1-9]\d{0,5}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isFinite(seconds)) return seconds;
  throw new InvalidArgumentError('Expected whole seconds from 1.');
}

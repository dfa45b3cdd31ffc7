import type { Command } from 'commander';
import { verifyLedger, visible, type ChainHead, type Verification } from '@countersign/core';
import { CommandFailure } from '../exit-codes.ts';
import { jsonFrom, withStore } from '../files.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { printJson, printLine } from '../output.ts';

interface VerifyCommandOptions extends StoreOption {
  readonly tenant?: string;
  readonly heads?: string;
  readonly json?: true;
}

type VerifiedTenant = Verification & { readonly tenant: string };

/** `countersign audit verify`: recomputes every chain. Needs no key. */
export function verifyCommand(group: Command): void {
  withStoreOption(group.command('verify').description('recompute every chain of the ledger; needs no key'))
    .option('--tenant <id>', 'only of this tenant')
    .option('--heads <path>', 'output of `audit heads --json` that was kept outside the store')
    .option('--json', 'print JSON')
    .action(verify);
}

async function verify(options: VerifyCommandOptions): Promise<void> {
  const kept = options.heads === undefined ? [] : headsFrom(options.heads);
  await withStore(options.store, async (store) => {
    const known = [...(await store.system.tenants()), ...kept.map(({ tenant }) => tenant)];
    const tenants = options.tenant === undefined ? [...new Set(known)] : [options.tenant];
    const verified: VerifiedTenant[] = [];
    for (const tenant of tenants) {
      const expectedHeads = kept.filter((head) => head.tenant === tenant);
      verified.push({ tenant, ...(await verifyLedger(store, tenant, { expectedHeads })) });
    }
    const records = verified.reduce((sum, one) => sum + one.records, 0);
    // An emptied ledger must not pass for a sound one.
    const ok = records > 0 && verified.every((one) => one.ok);
    if (options.json) await printJson({ ok, records, tenants: verified });
    else for (const one of verified) await report(one, options.heads !== undefined);
    if (ok) return;
    throw new CommandFailure(
      'failed',
      records === 0 ? 'there are no records to verify' : 'the ledger does not verify',
      'ERR_LEDGER',
    );
  });
}

async function report({ tenant, ok, records, writers, problems }: VerifiedTenant, headsGiven: boolean): Promise<void> {
  const found = ok ? 'ledger verified' : `LEDGER DOES NOT VERIFY, ${problems.length} problem(s)`;
  await printLine(visible(`tenant ${tenant}: ${found}: ${records} records of ${writers.length} writers`));
  for (const { writer, problem, message } of problems)
    await printLine(visible(`  ${problem}: writer ${writer}: ${message}`));
  if (!headsGiven)
    return printLine('  No heads from outside were given: records cut off at the end would not be noticed.');
  for (const { writer, provenUpTo } of writers) {
    await printLine(visible(`  writer ${writer}: unchanged up to record ${provenUpTo}, says the head kept outside`));
  }
}

function headsFrom(path: string): readonly ChainHead[] {
  const value = jsonFrom('heads file', path);
  const heads: unknown = typeof value === 'object' && value !== null && 'heads' in value ? value.heads : undefined;
  if (Array.isArray(heads) && heads.length > 0 && heads.every(isHead)) return heads;
  throw new CommandFailure('usage', `${path} does not hold the output of \`audit heads --json\``);
}

function isHead(value: unknown): value is ChainHead {
  if (typeof value !== 'object' || value === null) return false;
  const head = value as Readonly<Record<string, unknown>>;
  return ['tenant', 'writer', 'hash'].every((name) => typeof head[name] === 'string') && Number.isInteger(head['seq']);
}

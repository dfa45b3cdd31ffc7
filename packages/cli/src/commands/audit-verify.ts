import type { Command } from 'commander';
import { readFileSync } from 'node:fs';
import {
  verifyLedger,
  visible,
  type ChainHead,
  type NoteVerifier,
  type Store,
  type Verification,
  type Witness,
} from '@countersign/core';
import { CommandFailure } from '../exit-codes.ts';
import { jsonFrom, requireFile, withStore } from '../files.ts';
import { verifierFrom, witnessFrom } from '../notary-options.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { printJson, printLine } from '../output.ts';

interface VerifyCommandOptions extends StoreOption {
  readonly tenant?: string;
  readonly heads?: string;
  readonly publicKey?: string;
  readonly witness?: string;
  readonly checkpoint?: readonly string[];
  readonly json?: true;
}

type VerifiedTenant = Verification & { readonly tenant: string };

/** `countersign audit verify`: recomputes every chain. Needs no key but the public one. */
export function verifyCommand(group: Command): void {
  withStoreOption(group.command('verify').description('recompute every chain of the ledger, and check its seals'))
    .option('--tenant <id>', 'only of this tenant')
    .option('--public-key <key>', "the notary's public key, or its file: checks the seals")
    .option('--witness <directory>', 'checkpoints that were kept outside the store')
    .option('--checkpoint <file...>', 'checkpoints that another verifier saw')
    .option('--heads <path>', 'output of `audit heads --json` that was kept outside the store')
    .option('--json', 'print JSON')
    .action(verify);
}

/** What is known from outside the store. */
interface Outside {
  readonly heads: readonly ChainHead[];
  readonly verifier?: NoteVerifier;
  readonly witness?: Witness;
  readonly notes: readonly string[];
}

async function outsideOf(options: VerifyCommandOptions): Promise<Outside> {
  const heads = options.heads === undefined ? [] : headsFrom(options.heads);
  const notes = (options.checkpoint ?? []).map((path) => readFileSync(requireFile('checkpoint', path), 'utf8'));
  if (options.publicKey === undefined) {
    if (options.witness === undefined && notes.length === 0) return { heads, notes };
    throw new CommandFailure('usage', 'checkpoints are signed: give --public-key too');
  }
  const verifier = verifierFrom(options.publicKey);
  if (options.witness !== undefined) requireFile('witness', options.witness);
  const witness = witnessFrom(options.witness, verifier);
  return { heads, verifier, notes, ...(witness === undefined ? {} : { witness }) };
}

async function verify(options: VerifyCommandOptions): Promise<void> {
  const outside = await outsideOf(options);
  await withStore(options.store, async (store) => {
    const tenants = options.tenant === undefined ? await tenantsOf(store, outside) : [options.tenant];
    const verified: VerifiedTenant[] = [];
    for (const tenant of tenants) verified.push(await verifyTenant(store, tenant, outside));
    const records = verified.reduce((sum, one) => sum + one.records, 0);
    // An emptied ledger must not pass for a sound one.
    const ok = records > 0 && verified.every((one) => one.ok);
    if (options.json) await printJson({ ok, records, tenants: verified });
    else for (const one of verified) await report(one, outside);
    if (ok) return;
    throw new CommandFailure(
      'failed',
      records === 0 ? 'there are no records to verify' : 'the ledger does not verify',
      'ERR_LEDGER',
    );
  });
}

/** Those of the store, and those that somebody outside knows of: a tenant that is gone must be missed. */
async function tenantsOf(store: Store, { heads, witness, notes, verifier }: Outside): Promise<readonly string[]> {
  const origins = [...((await witness?.origins()) ?? []), ...notes.map((note) => note.split('\n')[0] ?? '')];
  const prefix = `${verifier?.name ?? ''}/`;
  const witnessed = origins.filter((origin) => origin.startsWith(prefix)).map((origin) => origin.slice(prefix.length));
  return [...new Set([...(await store.system.tenants()), ...heads.map(({ tenant }) => tenant), ...witnessed])];
}

async function verifyTenant(store: Store, tenant: string, outside: Outside): Promise<VerifiedTenant> {
  const { heads, verifier, witness, notes } = outside;
  const expectedHeads = heads.filter((head) => head.tenant === tenant);
  if (verifier === undefined) return { tenant, ...(await verifyLedger(store, tenant, { expectedHeads })) };
  const origin = `${verifier.name}/${tenant}`;
  const witnessed = await witness?.newest(origin);
  const own = notes.filter((note) => note.startsWith(`${origin}\n`));
  const seals = { verifier, kept: [...own, ...(witnessed === undefined ? [] : [witnessed])] };
  return { tenant, ...(await verifyLedger(store, tenant, { expectedHeads, seals })) };
}

async function report(one: VerifiedTenant, { heads, verifier, witness, notes }: Outside): Promise<void> {
  const { tenant, ok, records, writers, problems, checkpoint } = one;
  const found = ok ? 'ledger verified' : `LEDGER DOES NOT VERIFY, ${problems.length} problem(s)`;
  await printLine(visible(`tenant ${tenant}: ${found}: ${records} records of ${writers.length} writers`));
  for (const { writer, problem, message } of problems) {
    await printLine(visible(writer === '' ? `  ${problem}: ${message}` : `  ${problem}: writer ${writer}: ${message}`));
  }
  if (checkpoint !== undefined) {
    await printLine(visible(`  sealed: ${checkpoint.size} segments, signed by ${verifier?.name ?? ''}`));
  }
  if (heads.length === 0 && verifier === undefined) {
    return printLine('  No heads from outside were given: records cut off at the end would not be noticed.');
  }
  for (const { writer, records: count, provenUpTo, prunedUpTo } of writers) {
    const pruned = prunedUpTo === 0 ? '' : `, of which ${prunedUpTo} were pruned`;
    const open = prunedUpTo + count - provenUpTo;
    const rest = open > 0 ? `; ${open} later ones are not sealed yet` : '';
    await printLine(visible(`  writer ${writer}: unchanged up to record ${provenUpTo}${pruned}${rest}`));
  }
  if (verifier !== undefined && witness === undefined && notes.length === 0) {
    await printLine('  No checkpoint from outside was given: an older copy of the whole store would not be noticed.');
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

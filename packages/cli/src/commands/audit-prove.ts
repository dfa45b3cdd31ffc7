import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { findRecord, proveRecord, verifyProof } from '@countersign/core';
import { CommandFailure } from '../exit-codes.ts';
import { requireFile, withStore } from '../files.ts';
import { withStoreOption, type StoreOption } from '../ledger-options.ts';
import { verifierFrom } from '../notary-options.ts';
import { printJson, printLine } from '../output.ts';

interface ProveOptions extends StoreOption {
  readonly tenant: string;
  readonly publicKey: string;
  readonly out: string;
  readonly archive?: string;
}

/** `countersign audit prove <record>`: a file that shows the record to whoever holds the public key. */
export function proveCommand(group: Command): void {
  withStoreOption(group.command('prove').description('write a proof of one record, to be verified offline'))
    .argument('<record>', 'id of the record')
    .requiredOption('--tenant <id>', 'whose record')
    .requiredOption('--public-key <key>', "the notary's public key, or its file")
    .requiredOption('--out <path>', 'the proof; a file that exists is not replaced')
    .option('--archive <file>', 'the exported segment that holds the record, when it was pruned')
    .action(prove);
}

async function prove(id: string, options: ProveOptions): Promise<void> {
  const verifier = verifierFrom(options.publicKey);
  if (existsSync(options.out)) throw new CommandFailure('usage', `${options.out} exists already`);
  await withStore(options.store, async (store) => {
    const record =
      options.archive === undefined
        ? await findRecord(store, options.tenant, id)
        : recordIn(options.archive, options.tenant, id);
    if (record === undefined) {
      throw new CommandFailure('failed', `there is no record ${id}; when it was pruned, give --archive`, 'ERR_LEDGER');
    }
    const proof = await proveRecord(store, record, verifier);
    verifyProof(proof, verifier);
    writeFileSync(options.out, proof, { flag: 'wx' });
    await printLine(`proof of record ${id} written to ${options.out}`);
  });
}

interface ArchivedRecord {
  readonly tenant: string;
  readonly writer: string;
  readonly seq: number;
  readonly body: string;
}

function recordIn(file: string, tenant: string, id: string): ArchivedRecord | undefined {
  const lines = readFileSync(requireFile('archive', file), 'utf8').split('\n');
  return lines.flatMap((line) => parseLine(line)).find((record) => record.tenant === tenant && idOf(record) === id);
}

/** What is not a record proves nothing: the proof itself is checked against the seal. */
function parseLine(line: string): readonly ArchivedRecord[] {
  try {
    const record = JSON.parse(line) as Partial<ArchivedRecord>;
    const sound = typeof record.body === 'string' && typeof record.writer === 'string' && Number.isInteger(record.seq);
    return sound ? [record as ArchivedRecord] : [];
  } catch {
    return [];
  }
}

function idOf({ body }: ArchivedRecord): unknown {
  const value: unknown = JSON.parse(body);
  return typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
}

/** `countersign audit verify-proof <file>`: needs neither store nor network. */
export function verifyProofCommand(group: Command): void {
  group
    .command('verify-proof')
    .description('verify a proof, offline')
    .argument('<file>', 'what `audit prove` wrote')
    .requiredOption('--public-key <key>', "the notary's public key, or its file")
    .option('--json', 'print JSON')
    .action(verifyProofFile);
}

async function verifyProofFile(
  file: string,
  options: { readonly publicKey: string; readonly json?: true },
): Promise<void> {
  const verifier = verifierFrom(options.publicKey);
  const { record, hash, checkpoint } = verifyProof(readFileSync(requireFile('proof', file), 'utf8'), verifier);
  const signed = { origin: checkpoint.origin, size: checkpoint.size, root: checkpoint.root.toString('base64') };
  const body: unknown = JSON.parse(record.body);
  if (options.json) return printJson({ ok: true, record: { ...record, body }, hash, checkpoint: signed });
  await printLine(
    `proven: record ${record.seq} of writer ${record.writer} of tenant ${record.tenant}, sealed by ${verifier.name}`,
  );
  await printJson(body);
}

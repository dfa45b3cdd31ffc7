/**
 * Verification of the ledger: every chain is recomputed from its genesis, and held against what was sealed.
 *
 * What it proves: up to the newest checkpoint that the notary signed, and up to heads kept outside the store, nothing
 * was changed. What it cannot prove: whoever can write to the store can cut off or rewrite records that came later,
 * and, where no checkpoint is kept elsewhere, put an older copy in its place. `provenUpTo` says how far the proof reaches.
 * @module
 */
import { LedgerError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Store } from '../store/store.ts';
import { genesisHash, hashRecord } from './chain.ts';
import {
  openSeals,
  type BrokenSegment,
  type SealFinding,
  type SealOptions,
  type Seals,
  type SealTrail,
} from './notary/check-seals.ts';
import { parseRecordBody } from './open-record.ts';
import type { ChainHead, StoredRecord } from './record.ts';

export type LedgerProblem =
  /** A body, a hash or a column does not match: a record, or its place in the chain, was changed. */
  | 'edited'
  | 'missing'
  | 'inserted'
  | 'reordered'
  /** The chain ends before a head says it does. */
  | 'truncated'
  /** Records of a writer that never registered a head. */
  | 'unknown_writer'
  /** The record says that it belongs to another tenant or writer. */
  | 'foreign'
  /** Of the whole log: no checkpoint; one that does not hold; an older copy; another log than was seen elsewhere. */
  | SealFinding['problem'];

export interface Finding {
  /** Empty for what concerns the whole log. */
  readonly writer: string;
  /** Where in the writer's chain; 0 for what concerns the whole log. */
  readonly seq: number;
  readonly problem: LedgerProblem;
  readonly message: string;
}

export interface VerifiedWriter {
  readonly writer: string;
  readonly records: number;
  /** Up to where it is proven: by the newest checkpoint or expected head that the chain leads to without a problem. */
  readonly provenUpTo: number;
  /** The last record that was pruned; 0: none. */
  readonly prunedUpTo: number;
}

export interface Verification {
  readonly ok: boolean;
  readonly records: number;
  readonly writers: readonly VerifiedWriter[];
  /** At most 20 of each writer: one change near the beginning breaks everything after it. */
  readonly problems: readonly Finding[];
  /** The newest checkpoint that holds, when a public key was given. */
  readonly checkpoint?: { readonly origin: string; readonly size: number; readonly root: string };
  /** The last record of each chain as it was read. Keep them outside the store as the next `expectedHeads`. */
  readonly heads: readonly ChainHead[];
}

export interface VerifyOptions {
  /** Heads of earlier verifications, kept where the writer of the store cannot reach them. */
  readonly expectedHeads?: readonly ChainHead[];
  /** The notary's public key, and checkpoints that are kept elsewhere. Without it no seal is looked at. */
  readonly seals?: SealOptions;
  /** Called after each page. */
  readonly onProgress?: (progress: { readonly writer: string; readonly records: number }) => void;
  /** Records per read. Default 1,000. */
  readonly pageSize?: number;
}

/** The operations that verification reads by; entries only where seals are checked. */
export type VerifiableStore = Pick<Store, 'records' | 'heads' | 'writers'> & Partial<Pick<Store, 'entry' | 'entries'>>;

const maxProblemsPerWriter = 20;

/** Streams all records of a tenant. Rejects when the store cannot be read; what it finds wrong is in the answer. */
export async function verifyLedger(
  store: VerifiableStore,
  tenant: string,
  { expectedHeads = [], onProgress, pageSize = 1000, seals: sealOptions }: VerifyOptions = {},
): Promise<Verification> {
  requireId('tenant', tenant);
  const foreign = expectedHeads.find((head) => head.tenant !== tenant);
  if (foreign !== undefined) throw new LedgerError(`an expected head is of tenant ${foreign.tenant}, not of ${tenant}`);

  const seals = sealOptions === undefined ? undefined : await openSeals(sealedStore(store), tenant, sealOptions);
  const headsBefore = await store.heads(tenant);
  const names = [...headsBefore, ...expectedHeads].map((head) => head.writer);
  const writers = [...new Set([...names, ...(await store.writers(tenant)), ...(seals?.writers ?? [])])];
  const chains: Chain[] = [];
  for (const writer of writers) {
    const expected = expectedHeads.filter((head) => head.writer === writer);
    const known = [...expected, ...headsBefore.filter((head) => head.writer === writer)];
    const chain = createChain(tenant, writer, known, seals?.trailOf(writer));
    for await (const page of pagesOf(store, tenant, writer, pageSize)) {
      for (const record of page) {
        checkRecord(chain, record);
        const broken = chain.trail?.record(record.seq, record.hash);
        if (broken !== undefined) reportOnce(chain, await broken);
      }
      onProgress?.({ writer, records: chain.records });
    }
    checkSealedEnd(chain);
    for (const head of expected) checkHead(chain, head, 'a head kept outside');
    chains.push(chain);
  }
  const headsAfter = await store.heads(tenant);
  for (const chain of chains) checkStoredHeads(chain, headsBefore, headsAfter);
  return conclude(chains, expectedHeads, seals);
}

function sealedStore(store: VerifiableStore): Pick<Store, 'entry' | 'entries'> {
  if (store.entry !== undefined && store.entries !== undefined) return store as Pick<Store, 'entry' | 'entries'>;
  throw new LedgerError('this store keeps no entries, so that no seal can be checked: verify the store itself');
}

/** What is known of one chain while it is read. */
interface Chain {
  readonly tenant: string;
  readonly writer: string;
  readonly trail: SealTrail | undefined;
  /** The last record that was pruned. */
  readonly start: number;
  /** Hashes at the places that heads speak of. */
  readonly seen: Map<number, string | undefined>;
  readonly problems: Finding[];
  records: number;
  seq: number;
  previous: string;
  time: number;
}

function createChain(tenant: string, writer: string, heads: readonly ChainHead[], trail: SealTrail | undefined): Chain {
  const start = trail?.start ?? { seq: 0, hash: genesisHash(tenant, writer) };
  return {
    tenant,
    writer,
    trail,
    start: start.seq,
    seen: new Map<number, string | undefined>(heads.map((head) => [head.seq, undefined])).set(start.seq, start.hash),
    problems: [],
    records: 0,
    seq: start.seq,
    previous: start.hash,
    time: 0,
  };
}

/** The first page asks for no sequence, so that a record smuggled in before the first is read too. */
async function* pagesOf(
  store: VerifiableStore,
  tenant: string,
  writer: string,
  limit: number,
): AsyncGenerator<readonly StoredRecord[]> {
  let page = await store.records(tenant, { writer, limit });
  while (page.length > 0) {
    yield page;
    const afterSeq = page.at(-1)?.seq ?? Number.NaN;
    page = await store.records(tenant, { writer, limit, afterSeq });
    const next = page[0]?.seq;
    if (next !== undefined && !(next > afterSeq)) {
      throw new LedgerError(`the store answered record ${next} of ${writer} when asked for those after ${afterSeq}`);
    }
  }
}

/** After a problem the chain goes on from what is stored, so that one change is one problem. */
function checkRecord(chain: Chain, record: StoredRecord): void {
  const { tenant, writer } = chain;
  if (record.tenant !== tenant || record.writer !== writer) {
    report(chain, record.seq, 'foreign', `is stored as of tenant ${record.tenant}, writer ${record.writer}`);
  }
  checkSequence(chain, record);
  const expected = hashRecord({ tenant, writer, seq: record.seq, previous: chain.previous, body: record.body });
  const columns = checkBody(chain, record);
  if (expected !== record.hash) {
    const backInTime = columns !== undefined && columns < chain.time;
    report(
      chain,
      record.seq,
      backInTime ? 'reordered' : 'edited',
      'does not match its hash: it, or its place in the chain, was changed',
    );
  }
  chain.records += 1;
  chain.seq = Math.max(chain.seq, record.seq);
  chain.previous = record.hash;
  chain.time = columns ?? chain.time;
  if (chain.seen.has(record.seq)) chain.seen.set(record.seq, record.hash);
}

function checkSequence(chain: Chain, { seq }: StoredRecord): void {
  const expected = chain.seq + 1;
  if (seq === expected) return;
  if (seq > expected) {
    report(chain, expected, 'missing', seq === expected + 1 ? 'is missing' : `to ${seq - 1} are missing`);
  } else if (seq < 1 || seq === chain.seq || !Number.isInteger(seq)) {
    report(chain, seq, 'inserted', 'does not belong into the sequence');
  } else {
    report(chain, seq, 'reordered', `comes after record ${chain.seq}`);
  }
}

/** The columns that queries filter by must say what the hashed body says. Answers the body's time. */
function checkBody(chain: Chain, record: StoredRecord): number | undefined {
  try {
    const body = parseRecordBody(record);
    if (body.tenant !== chain.tenant) report(chain, record.seq, 'foreign', `has a body of tenant ${body.tenant}`);
    for (const column of ['time', 'kind', 'event', 'call'] as const) {
      if (body[column] !== record[column]) {
        report(chain, record.seq, 'edited', `has a column "${column}" that its body contradicts`);
      }
    }
    return body.time;
  } catch {
    report(chain, record.seq, 'edited', 'has no readable body');
    return undefined;
  }
}

/** Also when nothing is left: what was sealed must be there, or have been pruned. */
function checkSealedEnd(chain: Chain): void {
  const sealed = chain.trail?.sealedTo ?? 0;
  if (chain.seq < sealed) report(chain, chain.seq + 1, 'truncated', `is missing: the chain was sealed up to ${sealed}`);
}

/** What was pruned can no longer be compared; the notary signed for it. */
function checkHead(chain: Chain, head: ChainHead, source: string): void {
  if (head.seq < chain.start) return;
  if (head.seq > chain.seq) {
    report(chain, chain.seq + 1, 'truncated', `is missing: ${source} says that the chain reaches ${head.seq}`);
  } else if (chain.seen.get(head.seq) !== head.hash) {
    report(chain, head.seq, 'edited', `is not the one that ${source} confirms`);
  }
}

/** Records may be appended while the chain is read: it must reach the head of before, and not pass that of after. */
function checkStoredHeads(chain: Chain, before: readonly ChainHead[], after: readonly ChainHead[]): void {
  const { writer } = chain;
  for (const head of before) if (head.writer === writer) checkHead(chain, head, 'its head in the store');
  const head = after.find((candidate) => candidate.writer === writer);
  if (chain.records === 0) return;
  if (head === undefined) report(chain, chain.seq, 'unknown_writer', `belongs to ${writer}, which has no head`);
  else if (head.seq < chain.seq) report(chain, head.seq + 1, 'inserted', 'comes after the head of its chain');
}

function report(chain: Chain, seq: number, problem: LedgerProblem, what: string): void {
  if (chain.problems.length >= maxProblemsPerWriter) return;
  chain.problems.push({ writer: chain.writer, seq, problem, message: `record ${seq} ${what}` });
}

/** One change is one problem: what the chain showed already is not said again by the seal. */
function reportOnce(chain: Chain, { seq, message }: BrokenSegment): void {
  if (!chain.problems.some((finding) => finding.seq === seq)) report(chain, seq, 'edited', message);
}

/** A head, or a seal, proves what is before it only as far as every link up to it holds. */
function provenUpTo({ writer, seen, problems, trail }: Chain, expectedHeads: readonly ChainHead[]): number {
  const proven = expectedHeads
    .filter((head) => head.writer === writer && seen.get(head.seq) === head.hash)
    .map((head) => head.seq);
  const reached = [...proven, trail?.sealedTo ?? 0].filter((seq) => problems.every((finding) => finding.seq > seq));
  return Math.max(0, ...reached);
}

function conclude(
  chains: readonly Chain[],
  expectedHeads: readonly ChainHead[],
  seals: Seals | undefined,
): Verification {
  const ofLog = (seals?.problems ?? []).map((finding) => ({ writer: '', seq: 0, ...finding }));
  const problems = [...ofLog, ...chains.flatMap((chain) => chain.problems)];
  const checkpoint = seals?.checkpoint;
  return {
    ok: problems.length === 0,
    records: chains.reduce((sum, chain) => sum + chain.records, 0),
    writers: chains.map((chain) => ({
      writer: chain.writer,
      records: chain.records,
      provenUpTo: provenUpTo(chain, expectedHeads),
      prunedUpTo: chain.start,
    })),
    ...(checkpoint === undefined ? {} : { checkpoint: { ...checkpoint, root: checkpoint.root.toString('base64') } }),
    problems,
    heads: chains
      .filter((chain) => chain.records > 0)
      .map(({ tenant, writer, seq, previous }) => ({ tenant, writer, seq, hash: previous })),
  };
}

/**
 * What the seals say about the chains of a tenant: which records were sealed, and which of them may be gone.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import { genesisHash } from '../chain.ts';
import { openCheckpoint, originOf, type Checkpoint } from './checkpoint.ts';
import { rootOfSegments, segmentAt, segmentsOf, storedCheckpoint, type LogStore, type SegmentHead } from './log.ts';
import { leafHash, sameBytes } from './merkle.ts';
import { isPruned } from './pruned.ts';
import { checkedHashes, segmentLeaf } from './segment.ts';
import type { NoteVerifier } from './signed-note.ts';

/** What is wrong with the log itself, not with one record. */
export interface SealFinding {
  readonly problem: 'unsealed' | 'forged' | 'rolled_back' | 'forked';
  readonly message: string;
}

export interface SealOptions {
  readonly verifier: NoteVerifier;
  /** Checkpoints from elsewhere: of a witness, of another verifier. */
  readonly kept: readonly string[];
}

export interface Seals {
  /** The newest checkpoint that the stored segments bear out. */
  readonly checkpoint: Checkpoint | undefined;
  readonly problems: readonly SealFinding[];
  readonly writers: readonly string[];
  trailOf(writer: string): SealTrail;
}

/** The segments of one writer, against which its records are held as they are read. */
export interface SealTrail {
  /** Where the chain begins: its genesis, or the end of what was pruned. */
  readonly start: { readonly seq: number; readonly hash: string };
  /** The last record that was sealed; 0: none. */
  readonly sealedTo: number;
  /** To be told of every record, in order. Answers only where a segment ended here and does not have this head. */
  readonly record: (seq: number, hash: string) => Promise<BrokenSegment> | undefined;
}

export interface BrokenSegment {
  /** The first record that is not the one that was sealed. */
  readonly seq: number;
  readonly message: string;
}

/** @throws LedgerError when a checkpoint from elsewhere is none of this log */
export async function openSeals(store: LogStore, tenant: string, options: SealOptions): Promise<Seals> {
  const origin = originOf(options.verifier.name, tenant);
  const kept = options.kept.map((note) => openCheckpoint(note, options.verifier, origin));
  const problems: SealFinding[] = [];
  const stored = await readStored(store, tenant, options.verifier, origin, problems);
  const limit = Math.max(stored?.size ?? 0, ...kept.map(({ size }) => size));
  const segments = await readSegments(store, tenant, limit, problems);

  const sound = [
    ...(stored === undefined ? [] : checkStored(stored, segments, problems)),
    ...kept.filter((checkpoint) => checkKept(checkpoint, segments, problems)),
  ];
  const checkpoint = sound.reduce<Checkpoint | undefined>(
    (best, one) => (best === undefined || one.size > best.size ? one : best),
    undefined,
  );
  const signed = segments.slice(0, checkpoint?.size ?? 0);
  checkOrder(tenant, signed, problems);
  return {
    checkpoint,
    problems,
    writers: [...new Set(signed.map(({ writer }) => writer))],
    trailOf: (writer) => createTrail(store, tenant, writer, signed, { verifier: options.verifier, origin }),
  };
}

async function readStored(
  store: LogStore,
  tenant: string,
  verifier: NoteVerifier,
  origin: string,
  problems: SealFinding[],
): Promise<Checkpoint | undefined> {
  const note = (await storedCheckpoint(store, tenant))?.value ?? '';
  if (note === '') {
    problems.push({ problem: 'unsealed', message: `${origin} has no checkpoint: seal it, or find out who removed it` });
    return undefined;
  }
  try {
    return openCheckpoint(note, verifier, origin);
  } catch (error) {
    problems.push({ problem: 'forged', message: `the stored checkpoint does not hold: ${messageOf(error)}` });
    return undefined;
  }
}

/** As many as can be read: what is missing is said of the checkpoint that needs it. */
async function readSegments(
  store: LogStore,
  tenant: string,
  limit: number,
  problems: SealFinding[],
): Promise<readonly SegmentHead[]> {
  const segments: SegmentHead[] = [];
  try {
    for await (const { hashes: _, ...segment } of segmentsOf(store, tenant, limit)) {
      segments.push({ ...segment, leaf: leafHash(segmentLeaf(segment)) });
    }
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    problems.push({ problem: 'forged', message: error.message });
  }
  return segments;
}

function checkStored(
  stored: Checkpoint,
  segments: readonly SegmentHead[],
  problems: SealFinding[],
): readonly Checkpoint[] {
  if (segments.length < stored.size) return [];
  if (sameBytes(rootOfSegments(segments, stored.size), stored.root)) return [stored];
  problems.push({ problem: 'forged', message: 'the stored segments do not give the root that was signed' });
  return [];
}

function checkKept(kept: Checkpoint, segments: readonly SegmentHead[], problems: SealFinding[]): boolean {
  if (segments.length < kept.size) {
    problems.push({
      problem: 'rolled_back',
      message: `a checkpoint kept elsewhere has ${kept.size} segments, the store has ${segments.length}`,
    });
    return false;
  }
  if (sameBytes(rootOfSegments(segments, kept.size), kept.root)) return true;
  problems.push({
    problem: 'forked',
    message: `the first ${kept.size} segments are not those of a checkpoint kept elsewhere: two logs were signed`,
  });
  return false;
}

/** What an honest notary never signs. */
function checkOrder(tenant: string, segments: readonly SegmentHead[], problems: SealFinding[]): void {
  const last = new Map<string, { readonly to: number; readonly head: string }>();
  for (const { writer, from, to, previous, head, index } of segments) {
    const before = last.get(writer) ?? { to: 0, head: genesisHash(tenant, writer) };
    if (from !== before.to + 1 || previous !== before.head) {
      problems.push({ problem: 'forged', message: `segment ${index} does not follow the one before of its writer` });
    }
    last.set(writer, { to, head });
  }
}

function createTrail(
  store: LogStore,
  tenant: string,
  writer: string,
  signed: readonly SegmentHead[],
  log: { readonly verifier: NoteVerifier; readonly origin: string },
): SealTrail {
  const own = signed.filter((segment) => segment.writer === writer);
  const firstKept = own.findIndex((segment) => !isPruned(segment, log));
  const pruned = firstKept < 0 ? own : own.slice(0, firstKept);
  const waiting = own.slice(pruned.length);
  const before = pruned.at(-1);
  const start = { seq: before?.to ?? 0, hash: before?.head ?? genesisHash(tenant, writer) };
  let place = 0;
  let held: string[] = [];

  return {
    start,
    sealedTo: own.at(-1)?.to ?? 0,
    record(seq, hash) {
      const segment = waiting[place];
      if (segment === undefined || seq < segment.from) return undefined;
      if (seq <= segment.to) held[seq - segment.from] = hash;
      if (seq < segment.to) return undefined;
      const found = held;
      [place, held] = [place + 1, []];
      // The chain is recomputed while it is read, so that its last link stands for all before it.
      if (found.at(-1) === segment.head) return undefined;
      return broken(store, tenant, segment, found);
    },
  };
}

async function broken(
  store: LogStore,
  tenant: string,
  { index, from, to }: SegmentHead,
  found: readonly (string | undefined)[],
): Promise<BrokenSegment> {
  try {
    const sealed = checkedHashes(await segmentAt(store, tenant, index)).map((bytes) => bytes.toString('hex'));
    const place = sealed.findIndex((hash, at) => found[at] !== hash);
    return { seq: from + place, message: `is not the one that was sealed in segment ${index}` };
  } catch (error) {
    if (!(error instanceof LedgerError)) throw error;
    return { seq: from, message: `to ${to} are not those that were sealed in segment ${index} (${error.message})` };
  }
}

function messageOf(error: unknown): string {
  if (error instanceof LedgerError) return error.message;
  throw error;
}

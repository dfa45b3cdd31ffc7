/**
 * The notary: seals what the agents wrote. It runs in a process of its own, with a key that no agent can read, and signs
 * nothing that contradicts what it signed before.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { openCheckpoint, originOf, signCheckpoint } from './checkpoint.ts';
import {
  newestCheckpoint,
  rootOfSegments,
  signedLog,
  storedCheckpoint,
  type SegmentHead,
  type SignedLog,
} from './log.ts';
import { consistencyPath, leafHash, sameBytes } from './merkle.ts';
import { formatSegment, segmentId, segmentLeaf, type SealedSegment } from './segment.ts';
import type { NoteSigner } from './signed-note.ts';
import { unsealedSegments } from './unsealed.ts';
import type { Witness } from './witness.ts';

export interface NotaryOptions {
  readonly store: Pick<Store, 'entry' | 'entries' | 'putEntry' | 'records' | 'heads' | 'writers' | 'system'>;
  readonly signer: NoteSigner;
  /** Its memory outside the store. Without one it cannot notice that the store was rolled back. */
  readonly witness?: Witness | undefined;
  /** Records in one segment, at most. Default 1,024. */
  readonly segmentRecords?: number;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

export interface Sealed {
  readonly tenant: string;
  readonly origin: string;
  /** Records and segments that were added now. */
  readonly records: number;
  readonly segments: number;
  /** Segments of the whole log. */
  readonly size: number;
  /** The newest checkpoint; `undefined` when there was never anything to sign. */
  readonly note: string | undefined;
}

export interface Notary {
  /**
   * Seals every record that is not yet. Rejects with `LedgerError` when a record does not fit its chain, when the store
   * or the witness holds another log than was signed, or when another notary came in between; then nothing was signed.
   */
  seal(tenant: string): Promise<Sealed>;
  /** All tenants, one after the other. One that cannot be sealed does not keep the others from it. */
  sealAll(): Promise<{ readonly sealed: readonly Sealed[]; readonly failed: readonly SealFailure[] }>;
}

export interface SealFailure {
  readonly tenant: string;
  readonly error: unknown;
}

export function createNotary({ store, signer, witness, segmentRecords = 1024, now = Date.now }: NotaryOptions): Notary {
  /** What was signed last, by tenant: not read again while the store still holds that checkpoint. */
  const remembered = new Map<string, SignedLog>();

  async function seal(tenant: string): Promise<Sealed> {
    const log = { store, signer, tenant, origin: originOf(signer.name, tenant), now };
    const begun = await begin(log);
    const before = await logBefore(log, begun.note, remembered.get(tenant));
    const segments = [...(before?.segments ?? [])];
    await checkWitness(log, segments, witness);
    const size = segments.length;
    let records = 0;
    for await (const segment of unsealedSegments({ store, tenant, known: [...segments], segmentRecords })) {
      await keepSegment(log, begun.version, segment);
      segments.push(headOf(segment));
      records += segment.hashes.length;
    }
    const signed = segments.length === size ? before : await sign(log, begun.version, segments);
    if (signed !== undefined) {
      remembered.set(tenant, signed);
      await inform(log, signed, witness);
    }
    const { origin } = log;
    return { tenant, origin, records, segments: segments.length - size, size: segments.length, note: signed?.note };
  }

  return {
    seal,
    async sealAll() {
      const sealed: Sealed[] = [];
      const failed: SealFailure[] = [];
      for (const tenant of await store.system.tenants()) {
        try {
          sealed.push(await seal(tenant));
        } catch (error) {
          failed.push({ tenant, error });
        }
      }
      return { sealed, failed };
    },
  };
}

/** The log of one tenant, while it is sealed. */
interface OpenLog extends Required<Pick<NotaryOptions, 'store' | 'signer' | 'now'>> {
  readonly tenant: string;
  readonly origin: string;
}

/** Writes the checkpoint anew: a notary that began before can no longer end. */
async function begin(log: OpenLog): Promise<{ readonly note: string; readonly version: string }> {
  const stored = await storedCheckpoint(log.store, log.tenant);
  const note = stored?.value ?? '';
  return { note, version: await putCheckpoint(log, stored?.version, note) };
}

async function putCheckpoint(log: OpenLog, expected: string | undefined, value: string): Promise<string> {
  const { store, tenant, now } = log;
  const place = { tenant, kind: 'checkpoint', id: newestCheckpoint } as const;
  const version = await store.putEntry({ ...place, expected, value, now: now(), records: [] });
  if (version === undefined) throw interrupted(tenant);
  return version;
}

async function logBefore(
  { store, signer, tenant, origin }: OpenLog,
  note: string,
  known: SignedLog | undefined,
): Promise<SignedLog | undefined> {
  if (known !== undefined && known.note === note) return known;
  return note === '' ? undefined : signedLog(store, tenant, note, { verifier: signer, origin });
}

/** What stands at this place was never signed: left over by a notary that died, or put there by somebody else. */
async function keepSegment({ store, tenant, now }: OpenLog, version: string, segment: SealedSegment): Promise<void> {
  const id = segmentId(segment.index);
  const stale = await store.entry(tenant, 'segment', id);
  // In this order: whoever begins after this look writes the segment after it, before signing, and one of us sees that.
  if ((await storedCheckpoint(store, tenant))?.version !== version) throw interrupted(tenant);
  const put = { tenant, kind: 'segment', id, expected: stale?.version, value: formatSegment(segment) } as const;
  if ((await store.putEntry({ ...put, now: now(), records: [] })) === undefined) throw interrupted(tenant);
}

async function sign(log: OpenLog, version: string, segments: readonly SegmentHead[]): Promise<SignedLog> {
  const checkpoint = { origin: log.origin, size: segments.length, root: rootOfSegments(segments) };
  const note = await signCheckpoint(checkpoint, log.signer);
  await putCheckpoint(log, version, note);
  return { note, checkpoint, segments };
}

/** Nothing is signed beside what the witness saw. */
async function checkWitness(
  { signer, origin }: OpenLog,
  known: readonly SegmentHead[],
  witness: Witness | undefined,
): Promise<void> {
  const kept = await witness?.newest(origin);
  if (kept === undefined) return;
  const seen = openCheckpoint(kept, signer, origin);
  if (seen.size > known.length) {
    throw new LedgerError(
      `the witness saw ${seen.size} segments of ${origin}, the store has ${known.length}: it was rolled back`,
    );
  }
  if (sameBytes(rootOfSegments(known, seen.size), seen.root)) return;
  throw new LedgerError(`the log of ${origin} in the store is another than the witness saw: it was rewritten`);
}

async function inform(
  { signer, origin }: OpenLog,
  { note, segments }: SignedLog,
  witness: Witness | undefined,
): Promise<void> {
  const kept = await witness?.newest(origin);
  if (witness === undefined || kept === note) return;
  const oldSize = kept === undefined ? 0 : openCheckpoint(kept, signer, origin).size;
  const leaves = segments.map(({ leaf }) => leaf);
  await witness.add({ origin, oldSize, path: consistencyPath(leaves, oldSize), note });
}

function headOf({ hashes: _, ...segment }: SealedSegment): SegmentHead {
  return { ...segment, leaf: leafHash(segmentLeaf(segment)) };
}

function interrupted(tenant: string): LedgerError {
  return new LedgerError(`another notary works on the log of ${tenant}: run one at a time, then seal again`);
}

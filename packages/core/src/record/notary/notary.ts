/**
 * The notary: seals what the agents wrote. It runs in a process of its own, with a key that no agent can read, and signs
 * nothing that contradicts what it signed before.
 * @module
 */
import { LedgerError } from '../../errors.ts';
import type { Store } from '../../store/store.ts';
import { genesisHash, hashRecord } from '../chain.ts';
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
import { formatSegment, segmentId, segmentLeaf, segmentRoot, type SealedSegment } from './segment.ts';
import type { NoteSigner } from './signed-note.ts';
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

const recordPage = 500;

export function createNotary(options: NotaryOptions): Notary {
  const { store, signer, witness, segmentRecords = 1024, now = Date.now } = options;
  /** What was signed last, by tenant: not read again while the store still holds that checkpoint. */
  const remembered = new Map<string, SignedLog>();

  async function seal(tenant: string): Promise<Sealed> {
    const origin = originOf(signer.name, tenant);
    const begun = await begin(tenant);
    const before = await logBefore(tenant, origin, begun.note);
    const segments = [...(before?.segments ?? [])];
    await checkWitness(origin, segments);
    const size = segments.length;
    let records = 0;
    for await (const segment of unsealed(tenant, segments)) {
      await keepSegment(tenant, segment);
      segments.push(headOf(segment));
      records += segment.hashes.length;
    }
    const signed = segments.length === size ? before : await sign(tenant, origin, begun.version, segments);
    if (signed !== undefined) await inform(origin, signed);
    return { tenant, origin, records, segments: segments.length - size, size: segments.length, note: signed?.note };
  }

  async function logBefore(tenant: string, origin: string, note: string): Promise<SignedLog | undefined> {
    const known = remembered.get(tenant);
    if (known !== undefined && known.note === note) return known;
    return note === '' ? undefined : signedLog(store, tenant, note, { verifier: signer, origin });
  }

  async function sign(
    tenant: string,
    origin: string,
    version: string,
    segments: readonly SegmentHead[],
  ): Promise<SignedLog> {
    const checkpoint = { origin, size: segments.length, root: rootOfSegments(segments) };
    const note = await signCheckpoint(checkpoint, signer);
    if ((await putCheckpoint(tenant, version, note)) === undefined) throw interrupted(tenant);
    const signed = { note, checkpoint, segments };
    remembered.set(tenant, signed);
    return signed;
  }

  /** Writes the checkpoint anew: a notary that began before can no longer end. */
  async function begin(tenant: string): Promise<{ readonly note: string; readonly version: string }> {
    const stored = await storedCheckpoint(store, tenant);
    const note = stored?.value ?? '';
    const version = await putCheckpoint(tenant, stored?.version, note);
    if (version === undefined) throw interrupted(tenant);
    return { note, version };
  }

  function putCheckpoint(tenant: string, expected: string | undefined, value: string): Promise<string | undefined> {
    return store.putEntry({
      ...{ tenant, kind: 'checkpoint', id: newestCheckpoint, expected, value },
      now: now(),
      records: [],
    });
  }

  /** What stands at this place was never signed: left over by a notary that died, or put there by somebody else. */
  async function keepSegment(tenant: string, segment: SealedSegment): Promise<void> {
    const id = segmentId(segment.index);
    const stale = await store.entry(tenant, 'segment', id);
    const put = { tenant, kind: 'segment', id, expected: stale?.version, value: formatSegment(segment) } as const;
    if ((await store.putEntry({ ...put, now: now(), records: [] })) === undefined) throw interrupted(tenant);
  }

  /** Nothing is signed beside what the witness saw. */
  async function checkWitness(origin: string, known: readonly SegmentHead[]): Promise<void> {
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

  async function inform(origin: string, { note, segments }: SignedLog): Promise<void> {
    const kept = await witness?.newest(origin);
    if (witness === undefined || kept === note) return;
    const oldSize = kept === undefined ? 0 : openCheckpoint(kept, signer, origin).size;
    const path = consistencyPath(
      segments.map(({ leaf }) => leaf),
      oldSize,
    );
    await witness.add({ origin, oldSize, path, note });
  }

  async function* unsealed(tenant: string, known: readonly SegmentHead[]): AsyncGenerator<SealedSegment, void, void> {
    const last = new Map(known.map((segment) => [segment.writer, segment]));
    const heads = (await store.heads(tenant)).map(({ writer }) => writer);
    const writers = new Set([...heads, ...(await store.writers(tenant))]);
    let index = known.length;
    for (const writer of writers) {
      const start = last.get(writer);
      const from = { seq: start?.to ?? 0, hash: start?.head ?? genesisHash(tenant, writer) };
      for await (const part of segmentsOfWriter(tenant, writer, from)) {
        yield { ...part, index };
        index += 1;
      }
    }
  }

  /** Recomputes each hash: what does not follow from the record before is never signed. */
  async function* segmentsOfWriter(
    tenant: string,
    writer: string,
    begin: { readonly seq: number; readonly hash: string },
  ): AsyncGenerator<Omit<SealedSegment, 'index'>, void, void> {
    let { seq, hash: previous } = begin;
    let open = { from: seq + 1, previous, hashes: [] as Buffer[] };
    const close = (): Omit<SealedSegment, 'index'> => {
      const segment = { tenant, writer, to: seq, head: previous, root: segmentRoot(open.hashes), ...open };
      open = { from: seq + 1, previous, hashes: [] };
      return segment;
    };
    for (;;) {
      const records = await store.records(tenant, { writer, afterSeq: seq, limit: recordPage });
      if (records.length === 0) break;
      for (const record of records) {
        const hash = hashRecord({ tenant, writer, seq: seq + 1, previous, body: record.body });
        if (record.seq !== seq + 1 || record.hash !== hash) {
          throw new LedgerError(`record ${seq + 1} of writer ${writer} does not fit its chain: run the verification`);
        }
        [seq, previous] = [record.seq, hash];
        open.hashes.push(Buffer.from(hash, 'hex'));
        if (open.hashes.length >= segmentRecords) yield close();
      }
    }
    if (open.hashes.length > 0) yield close();
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

function headOf({ hashes: _, ...segment }: SealedSegment): SegmentHead {
  return { ...segment, leaf: leafHash(segmentLeaf(segment)) };
}

function interrupted(tenant: string): LedgerError {
  return new LedgerError(`another notary works on the log of ${tenant}: run one at a time, then seal again`);
}

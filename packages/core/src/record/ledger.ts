/**
 * The reading side of the ledger: queries, export, verification, and the erasure of a subject.
 *
 * A query reads; it does not verify. Whoever relies on the answer verifies the ledger first.
 * @module
 */
import type { ObservedResults } from '../authorize/observed-results.ts';
import type { Verdict } from '../call.ts';
import { ConfigurationError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from './clock.ts';
import {
  archiveSegments,
  pruneSegments,
  type ArchivedSegment,
  type DraftAct,
  type KeptSegment,
  type PrunedSegment,
} from './notary/archive.ts';
import type { NoteSigner, NoteVerifier } from './notary/signed-note.ts';
import { createKeyFinder, openFor } from './key-finder.ts';
import { parseRecordBody } from './open-record.ts';
import type { OpenedRecord } from './open-record.ts';
import type { RecordBody } from './record-body.ts';
import type { ChainHead, RecordKind, StoredRecord } from './record.ts';
import { mergeByTime, recordsOfWriter } from './record-stream.ts';
import type { Recorder } from './recorder.ts';
import type { Sealer } from './sealing.ts';
import { createStatsCounter, type LedgerStats } from './stats.ts';
import { removeEntriesOf } from './subject-entries.ts';
import { verifyLedger } from './verify.ts';
import type { Verification, VerifyOptions } from './verify.ts';

/** Every condition must hold. Without conditions: all records of the tenant. */
export interface LedgerQuery {
  readonly tenant: string;
  readonly user?: string;
  readonly agent?: string;
  readonly run?: string;
  /** The call key. */
  readonly call?: string;
  readonly tool?: string;
  readonly verdict?: Verdict;
  readonly kind?: RecordKind;
  /** Milliseconds since the epoch, inclusive. */
  readonly since?: number;
  readonly until?: number;
  /** At most this many records. Default: all. */
  readonly limit?: number;
}

export interface EraseRequest {
  readonly tenant: string;
  readonly user: string;
  /** Who ordered it. */
  readonly by: string;
  readonly reason?: string;
}

/** Where exported segments are kept: files by name. */
export interface ArchivePlace {
  /** Resolves once the file is durable. A file of this name may be there from an earlier attempt: it is the same. */
  write(name: string, contents: string): Promise<void>;
  read(name: string): Promise<string | undefined>;
}

export interface ArchiveRequest {
  readonly tenant: string;
  /** The notary's public key. */
  readonly verifier: NoteVerifier;
  readonly place: ArchivePlace;
  /** Who ordered it. */
  readonly by: string;
}

export interface PruneRequest {
  readonly tenant: string;
  /** The notary: only it can say that records were removed on purpose. */
  readonly signer: NoteSigner;
  readonly place: ArchivePlace;
  readonly by: string;
  /** Milliseconds since the epoch: only records older than this. */
  readonly before: number;
}

export interface Pruned {
  readonly pruned: readonly PrunedSegment[];
  /** Old enough, and there still: why. */
  readonly kept: readonly KeptSegment[];
}

export interface Ledger {
  verify(tenant: string, options?: VerifyOptions): Promise<Verification>;
  /** Heads to keep outside the store, as the `expectedHeads` of a later verification. */
  heads(tenant: string): Promise<readonly ChainHead[]>;
  /** Merged by time; the records of one writer stay in the order of their chain. Reads page by page, as far as asked. */
  query(query: LedgerQuery): AsyncGenerator<OpenedRecord, void, void>;
  /** The same as JSON Lines: one record each, with its line feed. */
  export(query: LedgerQuery): AsyncGenerator<string, void, void>;
  /** Counts over the records that match. */
  stats(query: LedgerQuery): Promise<LedgerStats>;
  /**
   * Exports sealed segments as they stand, encrypted parts encrypted, one by one, each recorded. Rejects with
   * `LedgerError` when one is not what was sealed.
   */
  archive(request: ArchiveRequest): AsyncGenerator<ArchivedSegment, void, void>;
  /**
   * Removes segments that are sealed, exported, older than `before`, and delivered by every exporter; each is recorded.
   * What remains verifies from the heads that were signed.
   */
  prune(request: PruneRequest): Promise<Pruned>;
  /**
   * Destroys the key of a user, after a record of it in the same atomic step, and what is kept for them beside the ledger
   * (consents, tokens). Copies made by `export` are out of its
   * reach. Other processes stop using the key when their cache entry expires.
   */
  eraseSubject(request: EraseRequest): Promise<void>;
}

export interface LedgerOptions {
  readonly store: Pick<
    Store,
    'records' | 'heads' | 'writers' | 'eraseSubject' | 'entry' | 'entries' | 'putEntry' | 'system'
  >;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
  readonly clock: Clock;
  /** Where this process remembers what calls of the user answered. */
  readonly results?: Pick<ObservedResults, 'forget'>;
}

export function createLedger({ store, sealer, recorder, clock, results }: LedgerOptions): Ledger {
  /** An act of administration, sealed under the tenant's key. */
  const draftBy =
    (tenant: string, by: string): DraftAct =>
    (event, detail) =>
      recorder.draft(
        { kind: 'administration', event, tenant, approver: requireId('user', by), detail },
        sealer.tenant(tenant),
      );

  async function* query(conditions: LedgerQuery): AsyncGenerator<OpenedRecord, void, void> {
    const keyOf = createKeyFinder(sealer, conditions.tenant);
    for await (const { record, body } of matching(store, sealer, conditions)) yield await openFor(record, body, keyOf);
  }

  return {
    verify: (tenant, options) => verifyLedger(store, tenant, options),
    heads: (tenant) => store.heads(requireId('tenant', tenant)),
    query,
    async *export(conditions) {
      for await (const record of query(conditions)) yield `${JSON.stringify(record)}\n`;
    },
    async stats(conditions) {
      const counter = createStatsCounter();
      for await (const { body } of matching(store, sealer, conditions)) counter.add(body);
      return counter.result();
    },
    async *archive({ tenant, verifier, place, by }) {
      await sealer.check(requireId('tenant', tenant));
      const act = { store, tenant, verifier, draft: draftBy(tenant, by), now: () => clock.now() };
      yield* archiveSegments({ ...act, write: (name, contents) => place.write(name, contents) });
    },
    async prune({ tenant, signer, place, by, before }) {
      if (!Number.isFinite(before)) throw new ConfigurationError(`before must be milliseconds, got ${before}`);
      await sealer.check(requireId('tenant', tenant));
      const act = { store, tenant, signer, draft: draftBy(tenant, by), now: () => clock.now(), before };
      return pruneSegments({ ...act, read: (name) => place.read(name) });
    },
    async eraseSubject({ tenant, user, by, reason }) {
      const subject = sealer.pseudonym(tenant, user);
      const draft = recorder.draft(
        {
          kind: 'administration',
          event: 'subject_erased',
          tenant,
          approver: requireId('user', by),
          ...(reason === undefined ? {} : { detail: reason }),
        },
        { ...sealer.tenant(tenant), pseudonym: subject },
      );
      await removeEntriesOf(store, tenant, subject, clock.now());
      await store.eraseSubject(tenant, subject, [draft]);
      sealer.forget(tenant, user);
      results?.forget(tenant, subject);
    },
  };
}

async function* matching(
  store: LedgerOptions['store'],
  sealer: Sealer,
  conditions: LedgerQuery,
): AsyncGenerator<{ readonly record: StoredRecord; readonly body: RecordBody }, void, void> {
  const { tenant, limit = Number.POSITIVE_INFINITY } = checkQuery(conditions);
  const subject = conditions.user === undefined ? undefined : sealer.pseudonym(tenant, conditions.user);
  await sealer.check(tenant);
  const writers = await store.writers(tenant);
  const streams = writers.map((writer) => recordsOfWriter(store, writer, conditions, writers.length));
  let found = 0;
  for await (const record of mergeByTime(streams)) {
    const body = parseRecordBody(record);
    if (!matches(body, conditions, subject)) continue;
    yield { record, body };
    found += 1;
    if (found >= limit) return;
  }
}

/** A mistaken condition must not widen the answer. */
function checkQuery(query: LedgerQuery): LedgerQuery {
  for (const field of ['since', 'until'] as const) {
    const value = query[field];
    if (value !== undefined && !Number.isFinite(value))
      throw new ConfigurationError(`${field} must be milliseconds, got ${value}`);
  }
  const { limit } = query;
  if (limit !== undefined && !(limit > 0)) throw new ConfigurationError(`limit must be at least 1, got ${limit}`);
  return query;
}

const bodyConditions = ['agent', 'run', 'tool', 'verdict', 'kind', 'call'] as const;

function matches(body: RecordBody, query: LedgerQuery, subject: string | undefined): boolean {
  if (subject !== undefined && body.subject !== subject) return false;
  if (query.since !== undefined && body.time < query.since) return false;
  if (query.until !== undefined && body.time > query.until) return false;
  return bodyConditions.every((field) => query[field] === undefined || query[field] === body[field]);
}

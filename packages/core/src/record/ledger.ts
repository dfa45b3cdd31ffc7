/**
 * The reading side of the ledger: queries, export, verification, and the erasure of a subject.
 *
 * A query reads; it does not verify. Whoever relies on the answer verifies the ledger first.
 * @module
 */
import type { Verdict } from '../call.ts';
import { ConfigurationError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Store } from '../store/store.ts';
import { createKeyFinder, type KeyFinder } from './key-finder.ts';
import { openRecord, parseRecordBody } from './open-record.ts';
import type { OpenedRecord } from './open-record.ts';
import type { RecordBody } from './record-body.ts';
import type { ChainHead, RecordKind, StoredRecord } from './record.ts';
import { mergeByTime, recordsOfWriter } from './record-stream.ts';
import type { Recorder } from './recorder.ts';
import type { Sealer } from './sealing.ts';
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

export interface Ledger {
  verify(tenant: string, options?: VerifyOptions): Promise<Verification>;
  /** Heads to keep outside the store, as the `expectedHeads` of a later verification. */
  heads(tenant: string): Promise<readonly ChainHead[]>;
  /** Merged by time; the records of one writer stay in the order of their chain. Reads page by page, as far as asked. */
  query(query: LedgerQuery): AsyncGenerator<OpenedRecord, void, void>;
  /** The same as JSON Lines: one record each, with its line feed. */
  export(query: LedgerQuery): AsyncGenerator<string, void, void>;
  /**
   * Destroys the key of a user, after a record of it in the same atomic step. Copies made by `export` are out of its
   * reach. Other processes stop using the key when their cache entry expires.
   */
  eraseSubject(request: EraseRequest): Promise<void>;
}

export interface LedgerOptions {
  readonly store: Pick<Store, 'records' | 'heads' | 'writers' | 'eraseSubject'>;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
}

export function createLedger({ store, sealer, recorder }: LedgerOptions): Ledger {
  async function* query(conditions: LedgerQuery): AsyncGenerator<OpenedRecord, void, void> {
    const { tenant, limit = Number.POSITIVE_INFINITY } = checkQuery(conditions);
    const subject = conditions.user === undefined ? undefined : sealer.pseudonym(tenant, conditions.user);
    await sealer.check(tenant);
    const keyOf = createKeyFinder(sealer, tenant);
    const writers = await store.writers(tenant);
    const streams = writers.map((writer) => recordsOfWriter(store, writer, conditions, writers.length));
    let found = 0;
    for await (const record of mergeByTime(streams)) {
      const body = parseRecordBody(record);
      if (!matches(body, conditions, subject)) continue;
      yield await open(record, body, keyOf);
      found += 1;
      if (found >= limit) return;
    }
  }

  return {
    verify: (tenant, options) => verifyLedger(store, tenant, options),
    heads: (tenant) => store.heads(requireId('tenant', tenant)),
    query,
    async *export(conditions) {
      for await (const record of query(conditions)) yield `${JSON.stringify(record)}\n`;
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
      await store.eraseSubject(tenant, subject, [draft]);
      sealer.forget(tenant, user);
    },
  };
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

/** A user who comes back after an erasure has a new key: only what that key opens is known to be theirs. */
async function open(record: StoredRecord, body: RecordBody, keyOf: KeyFinder): Promise<OpenedRecord> {
  const key = await keyOf(body);
  const opened = openRecord(record, key);
  return key?.user === undefined || opened.sealedState !== 'open' ? opened : { ...opened, user: key.user };
}

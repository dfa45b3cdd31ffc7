/**
 * The rows behind an embedded store. A driver keeps them and nothing more: what an operation means is written once, in
 * `operations.ts`, for all of them. Every method is synchronous and runs inside the operation's transaction.
 * @module
 */
import type { ApprovalState } from '../call.ts';
import type { ChainHead, StoredRecord } from '../record/record.ts';
import type {
  ApprovalFilter,
  CallFacts,
  EntryFilter,
  EntryKind,
  LeasePlan,
  NewApproval,
  RecordFilter,
  StoredApproval,
  StoredCall,
  StoredEdit,
  StoredEntry,
  StoredLease,
  StoredOutcome,
  Vote,
} from './store.ts';

/** A call and the decisions that the ledger already holds for its key. */
export interface CallRow {
  readonly call: StoredCall;
  readonly decisions: readonly string[];
}

export interface CallTable {
  /** The call in this slot, whatever its key. */
  inSlot(call: Pick<CallFacts, 'tenant' | 'run' | 'slot'>): CallRow | undefined;
  insert(row: CallRow): void;
  /** Replaces everything but the facts. */
  update(row: CallRow): void;
  /** `claimed` → `settled`; answers whether this attempt held the claim. */
  settle(call: CallFacts, claim: string, outcome: StoredOutcome, now: number): boolean;
  /** Keys of the claimed calls of this run with the same tool that were asked for, or ran, with the same arguments. */
  claimedAlike(call: CallFacts): readonly string[];
  settledAsynchronous(tenant: string, run: string): readonly StoredCall[];
}

export interface ApprovalTable {
  find(tenant: string, id: string): StoredApproval | undefined;
  list(tenant: string, filter: ApprovalFilter): readonly StoredApproval[];
  insert(approval: NewApproval, call: CallFacts, epoch: number): void;
  update(tenant: string, id: string, change: { state: ApprovalState; consumedAt: number | undefined }): void;
  addVote(vote: Vote): void;
  edit(tenant: string, id: string, digest: string, edit: StoredEdit): void;
  /** How many of this run, and of this subject, a human could still decide on. */
  countPending(
    call: Pick<CallFacts, 'tenant' | 'run' | 'subject'>,
    now: number,
    epoch: number,
  ): { readonly ofRun: number; readonly ofUser: number };
  /** `pending`, or `approved` and not consumed, past their expiry; soonest first. */
  expired(now: number, limit: number): readonly { tenant: string; id: string }[];
  runnable(input: {
    epoch: number;
    now: number;
    limit: number;
    offset: number;
  }): readonly { tenant: string; id: string }[];
}

export interface LeaseTable {
  find(tenant: string, id: string): StoredLease | undefined;
  insert(tenant: string, callKey: string, plan: LeasePlan): void;
  update(lease: StoredLease): void;
  open(before: number, limit: number): readonly StoredLease[];
}

export interface RecordTable {
  append(record: StoredRecord): void;
  list(tenant: string, filter: RecordFilter): readonly StoredRecord[];
  head(tenant: string, writer: string): ChainHead | undefined;
  heads(tenant: string): readonly ChainHead[];
  writers(tenant: string): readonly string[];
  /** Of one tenant, or of all. 0 when there is no record. */
  latestTime(tenant?: string): number;
  /** Removes what is at or below `through`; answers how many. */
  prune(tenant: string, writer: string, through: number): number;
}

export interface SubjectTable {
  find(tenant: string, subject: string): string | undefined;
  insert(tenant: string, subject: string, key: string): void;
  remove(tenant: string, subject: string): void;
}

export interface EntryTable {
  find(tenant: string, kind: EntryKind, id: string): StoredEntry | undefined;
  list(tenant: string, kind: EntryKind, filter: EntryFilter): readonly StoredEntry[];
  /** Inserts or replaces. */
  put(entry: StoredEntry): void;
  remove(tenant: string, kind: EntryKind, id: string): void;
}

export interface Tables {
  readonly calls: CallTable;
  readonly approvals: ApprovalTable;
  readonly leases: LeaseTable;
  readonly records: RecordTable;
  readonly subjects: SubjectTable;
  readonly entries: EntryTable;
  tenants(): readonly string[];
  epoch(): number;
  setEpoch(epoch: number): void;
}

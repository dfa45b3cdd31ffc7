/**
 * The store: whole asynchronous operations, each atomic, each for one tenant. There is no transaction to hold and no
 * query without a tenant; work across tenants goes through {@link SystemStore}.
 *
 * Every operation appends the record drafts it is given in the same atomic step, or nothing at all, and rejects with
 * `StoreError` when it cannot be durable. Times are milliseconds since the epoch, given by the caller's clock.
 * @module
 */
import type { ApprovalMode, ApprovalState, Risk, ToolIdentity } from '../call.ts';
import type { ChainHead, RecordDraft, RecordKind, StoredRecord } from '../record/record.ts';

/** `process`: survives a crash of the process. `power`: survives loss of power (the commit is flushed to the device). */
export type Durability = 'process' | 'power';

/** What identifies a call in the store. */
export interface CallFacts {
  readonly tenant: string;
  readonly run: string;
  /** Pseudonym of the user: no user id stands in the store in the clear. */
  readonly subject: string;
  readonly agent: string;
  readonly delegation: readonly string[];
  readonly tool: ToolIdentity;
  /** Digest of run, agent path, step and call id. One slot holds one call. */
  readonly slot: string;
  /** Digest of the slot and everything the call would run with. */
  readonly key: string;
  /**
   * Stands for the arguments: their digest under the user's key (HMAC-SHA-256, base64url), so that who reads the store
   * cannot guess a short argument, and nobody can once the key was erased.
   */
  readonly argumentsDigest: string;
}

/**
 * `seen` first sight, nothing decided for it to run · `review` waits for a human · `claimed` body may have begun ·
 * `settled` outcome is known · `released` the claim was given back before the body was entered · `denied`.
 */
export type CallState = 'seen' | 'denied' | 'review' | 'claimed' | 'settled' | 'released';

export type SettledStatus = 'completed' | 'failed';

/** The outcome of a settled call. `sealed` is absent when the policy says not to keep it, or it could not be encoded. */
export interface StoredOutcome {
  readonly status: SettledStatus;
  readonly sealed?: string;
}

export interface StoredCall extends CallFacts {
  readonly state: CallState;
  readonly approval?: string;
  readonly outcome?: StoredOutcome;
  readonly claimedAt?: number;
  /** Which attempt holds the claim, or held it when it settled. */
  readonly claim?: string;
  readonly settledAt?: number;
}

/** A request for a human. `digest` binds everything the grant will be bound to; votes are signed over it. */
export interface NewApproval {
  readonly id: string;
  readonly digest: string;
  readonly ruleDigest: string;
  readonly policyVersion: string;
  readonly capability: string;
  readonly risk: Risk;
  readonly mode: ApprovalMode;
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Who may decide on it, as the policy said when it was opened: {@link ApprovalRule} as JSON. Under the digest. */
  readonly rule: string;
  /** The arguments as the model sent them, canonical JSON, sealed under the subject's key. */
  readonly sealedArguments: string;
  /** Where their values came from, sealed under the subject's key. Under the digest; absent where it is not known. */
  readonly sealedProvenance?: string;
}

export interface Vote {
  readonly tenant: string;
  readonly approval: string;
  readonly approver: string;
  readonly verdict: 'approve' | 'reject';
  readonly time: number;
  /** Signature of the approvals service over the approval digest and this vote, base64url. */
  readonly signature: string;
  readonly keyId: string;
  /** Sealed under the subject's key. */
  readonly sealedReason?: string;
}

export interface StoredApproval extends NewApproval {
  readonly call: CallFacts;
  readonly state: ApprovalState;
  /** Store epoch in which it was opened; a grant of an older epoch is void. */
  readonly epoch: number;
  /** When its grant was consumed. */
  readonly consumedAt?: number;
  /** What an approver made of the arguments. They run in place of the first ones, and the digest covers them. */
  readonly edit?: StoredEdit;
  readonly votes: readonly Vote[];
}

export interface StoredEdit {
  /** Of the edited arguments; `call.argumentsDigest` stays that of the first ones. */
  readonly argumentsDigest: string;
  /** Canonical JSON, sealed under the subject's key. */
  readonly sealedArguments: string;
}

/** Replaces the arguments of a pending approval that nobody has voted on. */
export interface EditInput {
  readonly tenant: string;
  readonly approval: string;
  /** The digest that the editor saw. */
  readonly expected: string;
  /** Pseudonym of the editor as a user of the tenant: whoever made the request cannot edit it. */
  readonly subject: string;
  readonly digest: string;
  readonly edit: StoredEdit;
  readonly now: number;
  readonly records: readonly RecordDraft[];
}

export type EditResult =
  | { readonly status: 'edited'; readonly approval: StoredApproval }
  | {
      readonly status: 'refused';
      readonly code: 'not_found' | 'not_pending' | 'expired' | 'digest_mismatch' | 'requester' | 'already_voted';
    };

/**
 * First sight or re-evaluation of a call that does not simply run: its verdict is `deny` or `review`, or its framework
 * pauses it although the verdict is `allow`. Idempotent per call key.
 */
export interface ObserveInput {
  readonly call: CallFacts;
  readonly origin: 'model' | 'resume';
  readonly verdict: 'allow' | 'deny' | 'review';
  readonly now: number;
  /** Opened for a `review` when the call has no approval yet. */
  readonly approval?: NewApproval;
  /** Upper bounds of pending approvals of this run and of this user; one more is refused. */
  readonly maxPendingPerRun: number;
  readonly maxPendingPerUser: number;
  readonly records: readonly RecordDraft[];
}

export type ObserveResult =
  | {
      readonly status: 'observed';
      readonly call: StoredCall;
      readonly approval?: StoredApproval;
      readonly opened: boolean;
    }
  | { readonly status: 'refused'; readonly code: 'call_id_reused' | 'call_never_made' | 'too_many_pending' };

/** A lease to come, durable before any provider is asked. */
export interface LeasePlan {
  readonly id: string;
  readonly service: string;
  readonly provider: string;
  readonly expiresAt: number;
}

export interface ClaimInput {
  readonly call: CallFacts;
  readonly origin: 'model' | 'resume';
  readonly now: number;
  /** Names this attempt: only it may settle or release what it claimed. */
  readonly claim: string;
  readonly durability: Durability;
  /** The approval whose verified votes allow this claim; absent when the decision was `allow`. */
  readonly approval?: { readonly id: string; readonly digest: string };
  readonly idempotent: boolean;
  /** Call keys running now in this process: an unsettled claim of theirs is in flight, not unknown. */
  readonly live: ReadonlySet<string>;
  readonly leases: readonly LeasePlan[];
  readonly records: readonly RecordDraft[];
}

export type ClaimResult =
  | { readonly status: 'claimed' }
  /** This call key was executed before. */
  | { readonly status: 'settled'; readonly outcome: StoredOutcome }
  /** This call key was claimed before and has no outcome: it runs elsewhere now, or its process died. */
  | { readonly status: 'unsettled' }
  | {
      readonly status: 'refused';
      readonly code:
        | 'call_id_reused'
        | 'call_never_made'
        | 'approval_required'
        | 'approval_rejected'
        | 'approval_expired'
        | 'approval_cancelled'
        | 'approval_stale'
        | 'approval_consumed'
        /** Another claim of the same tool with the same arguments in this run has no outcome. */
        | 'earlier_outcome_unknown'
        /** The tenant, the user or an agent of the chain is on hold. */
        | 'held';
    };

/** Settling again what the same attempt settled is no error: the first answer may have been lost. */
export interface SettleInput {
  readonly call: CallFacts;
  readonly claim: string;
  readonly now: number;
  readonly outcome: StoredOutcome;
  /** Leases that were revoked; the others stay open for the sweeper. */
  readonly closedLeases: readonly string[];
  readonly records: readonly RecordDraft[];
}

/** The body was not entered, or may be entered again: the claim is undone and the approval can be claimed again. */
export interface ReleaseInput {
  readonly call: CallFacts;
  readonly claim: string;
  readonly now: number;
  readonly approval?: string;
  readonly closedLeases: readonly string[];
  readonly records: readonly RecordDraft[];
}

export interface VoteInput {
  readonly vote: Vote;
  /** The digest the voter saw; a vote on anything else is refused. */
  readonly digest: string;
  /** Pseudonym of the approver as a user of the tenant: whoever made the request cannot decide on it. */
  readonly subject: string;
  /** How many approvers must agree, at least 1. One rejection rejects. */
  readonly quorum: number;
  readonly now: number;
  /** Appended when this vote decides. */
  readonly records: readonly RecordDraft[];
  /** Appended when it does not yet. */
  readonly undecidedRecords: readonly RecordDraft[];
}

export type VoteResult =
  | { readonly status: 'recorded'; readonly approval: StoredApproval }
  | {
      readonly status: 'refused';
      readonly code: 'not_found' | 'not_pending' | 'expired' | 'digest_mismatch' | 'requester' | 'already_voted';
    };

export interface TransitionInput {
  readonly tenant: string;
  readonly approval: string;
  readonly to: 'expired' | 'cancelled';
  readonly now: number;
  readonly records: readonly RecordDraft[];
}

export interface StoredLease extends LeasePlan {
  readonly tenant: string;
  readonly callKey: string;
  readonly state: 'planned' | 'issued' | 'closed';
  /** What the provider needs to revoke it, sealed under the tenant's key. */
  readonly sealedHandle?: string;
}

export interface ApprovalFilter {
  readonly state?: ApprovalState;
  readonly run?: string;
  readonly mode?: ApprovalMode;
  readonly consumed?: boolean;
  /** Only those opened before this one. None, when there is no approval of this id. */
  readonly before?: string;
  /** Only those opened after this one. None, when there is no approval of this id. */
  readonly after?: string;
  /** Default: oldest first. */
  readonly newestFirst?: boolean;
  /** At most this many. Default 100. */
  readonly limit?: number;
}

export interface RecordFilter {
  readonly call?: string;
  readonly kind?: RecordKind;
  readonly since?: number;
  readonly until?: number;
  readonly writer?: string;
  readonly afterSeq?: number;
  readonly limit?: number;
}

/** What an entry is for. Each kind has one owner in the code, which alone knows its values. */
export type EntryKind =
  | 'hold'
  | 'checkpoint'
  | 'segment'
  | 'cursor'
  | 'consent'
  | 'token'
  | 'credential'
  | 'lock'
  | 'budget'
  | 'notice';

/** A small piece of state that is none of calls, approvals, leases and records. */
export interface StoredEntry {
  readonly tenant: string;
  readonly kind: EntryKind;
  readonly id: string;
  /** New with every write, and never the same again. */
  readonly version: string;
  /** Opaque to the store. Who keeps something secret or personal seals it first. */
  readonly value: string;
  readonly updatedAt: number;
}

export interface EntryFilter {
  /** Only ids after this one, in the order of their UTF-8 bytes. */
  readonly after?: string;
  /** Default 100. */
  readonly limit?: number;
}

export interface PutEntryInput {
  readonly tenant: string;
  readonly kind: EntryKind;
  readonly id: string;
  /** The version that is to be replaced; `undefined`: there is none. */
  readonly expected: string | undefined;
  /** `undefined` removes the entry. */
  readonly value: string | undefined;
  readonly now: number;
  readonly records: readonly RecordDraft[];
}

/** What is removed from one chain, and the segment entry that stands for it from now on. */
export interface PruneInput {
  readonly tenant: string;
  readonly writer: string;
  /** The last sequence number that goes. The newest record of a chain always stays. */
  readonly through: number;
  readonly entry: { readonly id: string; readonly value: string };
  readonly now: number;
  readonly records: readonly RecordDraft[];
}

export interface Store {
  /** Registered name of this process's chain; new for every opened store. */
  readonly writer: string;
  readonly durability: Durability;

  /** Records the first sight of a call that does not simply run, and opens its approval. Finds both on later evaluations. */
  observe(input: ObserveInput): Promise<ObserveResult>;
  /** Consumes the grant (or creates and consumes it, where none is needed) and appends the intent: all or nothing. */
  claim(input: ClaimInput): Promise<ClaimResult>;
  settle(input: SettleInput): Promise<void>;
  release(input: ReleaseInput): Promise<void>;
  /** The call in this slot, if it is the one with this key. */
  call(call: Pick<CallFacts, 'tenant' | 'run' | 'slot' | 'key'>): Promise<StoredCall | undefined>;
  /** Settled calls of a run that were executed by a worker, oldest first. */
  settledAsynchronous(tenant: string, run: string): Promise<readonly StoredCall[]>;

  approval(tenant: string, id: string): Promise<StoredApproval | undefined>;
  approvals(tenant: string, filter: ApprovalFilter): Promise<readonly StoredApproval[]>;
  /** Adds a vote and, where it decides, moves the approval out of `pending`, compare-and-set. One vote per approver. */
  vote(input: VoteInput): Promise<VoteResult>;
  /** Compare-and-set on the digest. */
  edit(input: EditInput): Promise<EditResult>;
  /** Ends an approval that is `pending`, or `approved` and not consumed. Answers whether it did. */
  transition(input: TransitionInput): Promise<boolean>;
  /**
   * Resolves when the approval may have changed, or when `signal` aborts. Only shortens a wait: it may come too often, or
   * never, and whoever waits looks for themselves now and then. Absent where nobody can tell.
   */
  approvalChanged?(tenant: string, id: string, signal: AbortSignal): Promise<void>;

  leaseIssued(input: {
    tenant: string;
    id: string;
    sealedHandle: string;
    expiresAt: number;
    records: readonly RecordDraft[];
  }): Promise<void>;
  leaseClosed(input: { tenant: string; id: string; records: readonly RecordDraft[] }): Promise<void>;

  /** Appends records that belong to no other operation. */
  append(tenant: string, records: readonly RecordDraft[]): Promise<void>;
  /** Ordered by writer and sequence. */
  records(tenant: string, filter: RecordFilter): Promise<readonly StoredRecord[]>;
  heads(tenant: string): Promise<readonly ChainHead[]>;
  /** Every writer that has a record, found in the records themselves: also one that has no head. */
  writers(tenant: string): Promise<readonly string[]>;

  /**
   * Keeps the wrapped key of a subject if there is none yet, and answers the one that is kept. Without a candidate it
   * only reads.
   */
  subjectKey(tenant: string, subject: string, candidate: string | undefined): Promise<string | undefined>;
  /** Destroys the key: everything sealed under it is unreadable from now on. */
  eraseSubject(tenant: string, subject: string, records: readonly RecordDraft[]): Promise<void>;

  entry(tenant: string, kind: EntryKind, id: string): Promise<StoredEntry | undefined>;
  /** Ordered by id. */
  entries(tenant: string, kind: EntryKind, filter?: EntryFilter): Promise<readonly StoredEntry[]>;
  /** Compare-and-set. Answers the new version (`''` when removed), or `undefined` when another version is stored. */
  putEntry(input: PutEntryInput): Promise<string | undefined>;

  readonly system: SystemStore;
  close(): Promise<void>;
}

/** Work across tenants, for sweepers, workers and verification. Never reachable from a gate. */
export interface SystemStore {
  tenants(): Promise<readonly string[]>;
  expiredApprovals(now: number, limit: number): Promise<readonly { tenant: string; id: string }[]>;
  /** Approved, asynchronous, not consumed and not expired; oldest first across tenants, from `offset` on. */
  runnableApprovals(input: {
    readonly now: number;
    readonly limit: number;
    readonly offset: number;
  }): Promise<readonly { tenant: string; id: string }[]>;
  /** Leases past their expiry that nobody closed. */
  openLeases(before: number, limit: number): Promise<readonly StoredLease[]>;
  epoch(): Promise<number>;
  /** Voids every open grant and approval, as after a restore or a failover. */
  newEpoch(): Promise<number>;
  /** Time of the newest record: a clock that reads less has jumped back. */
  latestTime(): Promise<number>;
  /** Removes the oldest records of a chain. Answers how many went. What may go is decided by the caller. */
  prune(input: PruneInput): Promise<number>;
}

/**
 * What one entry of the ledger is, and the interface that turns events into drafts ready to be chained.
 *
 * A record's body is JSON in a fixed field order. Personal parts (user, arguments, reasons, results) are sealed
 * under the subject's key, so that destroying that key erases them and breaks no hash.
 * @module
 */
import type { Risk, Verdict } from '../call.ts';
import type { RedactionRules } from './redaction-rules.ts';

export type RecordKind = 'identity' | 'decision' | 'approval' | 'claim' | 'credential' | 'outcome' | 'administration';

/** One thing that happened, before it is sealed. Fields that do not apply are left out. */
export interface RecordEvent {
  readonly kind: RecordKind;
  /** What happened within the kind, e.g. `approved`, `issued`, `revoked`, `completed`. */
  readonly event: string;
  readonly tenant: string;
  readonly agent?: string;
  /** Agents above this one, outermost first. */
  readonly delegation?: readonly string[];
  readonly run?: string;
  /** The call key. */
  readonly call?: string;
  /** Id of the record that caused this one. */
  readonly parent?: string;
  readonly tool?: string;
  readonly source?: string;
  readonly capability?: string;
  readonly risk?: Risk;
  readonly verdict?: Verdict;
  /** A `ReasonCode`; of what an approver was refused a `RefusalCode`; of other refused requests the word of their channel. */
  readonly code?: string;
  /** Operator detail; sealed. */
  readonly detail?: string;
  readonly policyVersion?: string;
  readonly ruleDigest?: string;
  readonly approval?: string;
  /** Where a request came from that was refused before anybody was authenticated. */
  readonly channel?: string;
  /** Who voted, or who ordered an administrative change; sealed. */
  readonly approver?: string;
  readonly lease?: string;
  readonly service?: string;
  readonly durationMs?: number;
  /** How many times it happened, where one record stands for several. */
  readonly count?: number;
  /** SHA-256 of the canonical arguments; sealed, with a salted commitment in the clear. */
  readonly argumentsDigest?: string;
  /** SHA-256 of the encoded result; sealed, with a salted commitment in the clear. */
  readonly resultDigest?: string;
  /** Arguments; redacted, then sealed. */
  readonly arguments?: unknown;
  /** How: the tool's own rules. Not written down. */
  readonly redact?: RedactionRules;
  /** Trace and span the record belongs to (W3C trace context, hexadecimal). */
  readonly trace?: string;
  readonly span?: string;
}

/** A record ready to be appended; `seq` and `hash` are given by the chain at commit. */
export interface RecordDraft {
  readonly id: string;
  readonly tenant: string;
  /** Milliseconds since the epoch, when it was drafted. Calls that run at once may be chained in another order. */
  readonly time: number;
  readonly kind: RecordKind;
  readonly event: string;
  readonly call: string | undefined;
  /** JSON, fixed field order; what the chain hashes. */
  readonly body: string;
  /** Set on decisions: written once per call key, policy version and verdict. */
  readonly decision?: string;
}

/** A record as stored. `hash = SHA-256(domain, tenant, writer, seq, previous hash, body)`, hexadecimal. */
export interface StoredRecord {
  readonly tenant: string;
  readonly writer: string;
  /** 1, 2, 3 … without a gap, per tenant and writer. */
  readonly seq: number;
  readonly time: number;
  readonly kind: RecordKind;
  readonly event: string;
  readonly call: string | undefined;
  readonly body: string;
  readonly hash: string;
}

/** The sealed part of a record, opened. */
export interface RecordSecrets {
  readonly user?: string;
  readonly approver?: string;
  readonly detail?: string;
  readonly argumentsDigest?: string;
  readonly resultDigest?: string;
  readonly arguments?: unknown;
}

/** The head of one writer's chain. */
export interface ChainHead {
  readonly tenant: string;
  readonly writer: string;
  readonly seq: number;
  readonly hash: string;
}

/**
 * Approval: what a `review` decision becomes, and what a person sees of it.
 *
 * States: `pending → approved | rejected | expired | cancelled`; terminal states never reopen. An approval that is
 * approved yields one grant, consumed by the claim.
 * @module
 */
import type { ApprovalMode, ApprovalState, Risk } from '../call.ts';
import type { ApprovalRule } from './approval-rule.ts';

/** What `ApprovalView.provenance` says of one value. `approver`: an approver wrote it into the request. */
export interface ShownOrigin {
  /** JSON Pointer (RFC 6901) of a value in `ApprovalView.arguments` that is no object and no array. */
  readonly pointer: string;
  /** `model`: nothing that this server saw holds the value. */
  readonly origin: 'user' | 'tool' | 'system' | 'model' | 'approver';
  /** Whose result it was in. */
  readonly tool?: string;
  /** Whether rules take the source as one that may choose values. Never for `model`. */
  readonly trusted: boolean;
}

/** What a person is shown: the canonical arguments that will run, opened. */
export interface ApprovalView {
  readonly id: string;
  readonly tenant: string;
  readonly state: ApprovalState;
  readonly mode: ApprovalMode;
  readonly requester: string;
  readonly agent: string;
  readonly delegation: readonly string[];
  readonly run: string;
  /** Where in the run the call stands: see `callSlot`. Tells two equal requests apart. */
  readonly slot: string;
  readonly tool: string;
  readonly source: string;
  readonly capability: string;
  readonly risk: Risk;
  readonly policyVersion: string;
  /** RFC 8785 text of the arguments that would run: exactly what the digest covers. */
  readonly arguments: string;
  /** What the model had sent, when an approver changed it. */
  readonly originalArguments?: string;
  /**
   * Where the values of `arguments` came from, as far as the gate saw it when the call was made. A value that is not
   * listed, and all of them where this is absent, is of unknown origin: show it as such, never as trusted.
   */
  readonly provenance?: readonly ShownOrigin[];
  readonly rule: ApprovalRule;
  /** What the approver signs; shown so that two screens can be compared. */
  readonly digest: string;
  /** Milliseconds since the epoch, as all times here. */
  readonly createdAt: number;
  readonly expiresAt: number;
  /** Whether its grant was used. */
  readonly consumed: boolean;
  readonly votes: readonly {
    readonly approver: string;
    readonly verdict: 'approve' | 'reject';
    readonly time: number;
    readonly reason?: string;
  }[];
}

/** A person (or a service acting for one) who was authenticated as such. */
export interface Approver {
  readonly tenant: string;
  readonly id: string;
  /** Groups that the policy's rules name. Default: none. */
  readonly groups?: readonly string[];
}

/** Authenticates approvers. A throw or `undefined` refuses. */
export interface ApproverDirectory {
  /** @param credential what the person presented, e.g. a bearer token */
  authenticate(credential: string): Approver | undefined | Promise<Approver | undefined>;
  /** Everybody who may decide in this tenant, for people to read: it gives nobody a right. */
  list?(tenant: string): readonly Approver[] | Promise<readonly Approver[]>;
}

/**
 * A way to tell people. It is told at least once, and again when it failed; failing to tell never approves, and never
 * holds up a call.
 */
export interface ApprovalChannel {
  /** Unique among the channels of one notifier: letters, digits, `-` and `_`, and not `outbox`. */
  readonly name: string;
  /** Its messages can be changed: it is also told of each vote. */
  readonly live?: boolean;
  /**
   * A request waits, waits for more groups than before, or was edited: then its digest is another one.
   * @param reference what this method answered the last time, if it was called before
   * @returns how the channel finds its message again, e.g. a timestamp; at most 1,000 characters
   * @throws PartlyTold when some people were told, so that they are not told again
   */
  opened(notice: ApprovalNotice, reference: string | undefined): Promise<string | undefined>;
  /**
   * The request was decided, here or elsewhere, or has ended by itself: show it.
   * @throws PartlyTold when some people were told, so that they are not told again
   */
  closed(notice: ApprovalNotice, reference: string | undefined): Promise<void>;
}

/** What a channel may show: a redacted summary. The full view needs an authenticated approver. */
export interface ApprovalNotice {
  readonly id: string;
  readonly tenant: string;
  readonly state: ApprovalState;
  readonly tool: string;
  readonly source: string;
  readonly capability: string;
  readonly risk: Risk;
  readonly mode: ApprovalMode;
  readonly agent: string;
  readonly requester: string;
  /** Arguments without secrets, cut to a few kilobytes; JSON with hidden characters made visible. */
  readonly summary: string;
  /** Groups that may decide now. Empty: every approver of the tenant. */
  readonly groups: readonly string[];
  readonly quorum: number;
  /** Of what was told here: a decision that carries it is refused when the arguments were edited since. */
  readonly digest: string;
  readonly votes: readonly { readonly approver: string; readonly verdict: 'approve' | 'reject' }[];
  /** Whether a decision needs a reason. */
  readonly reasonRequired?: boolean;
  /** Whether the arguments may be edited. Not known: offer no edit. */
  readonly edit?: boolean;
  /** Milliseconds since the epoch, as `expiresAt`. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

/**
 * Approval: what a `review` decision becomes, and what a person sees of it.
 *
 * States: `pending → approved | rejected | expired | cancelled`; terminal states never reopen. An approval that is
 * approved yields one grant, consumed by the claim.
 * @module
 */
import type { ApprovalMode, ApprovalState, Risk } from '../call.ts';

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
  /** RFC 8785 text of the arguments: exactly what the digest covers. */
  readonly arguments: string;
  /** What the approver signs; shown so that two screens can be compared. */
  readonly digest: string;
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
}

/** Authenticates approvers. A throw or `undefined` refuses. */
export interface ApproverDirectory {
  /** @param credential what the person presented, e.g. a bearer token */
  authenticate(credential: string): Approver | undefined | Promise<Approver | undefined>;
}

/** Told when an approval was opened. Failing to tell never approves and never blocks the call. */
export interface ApprovalChannel {
  readonly name: string;
  opened(notice: ApprovalNotice): void | Promise<void>;
}

/** What a channel may show to anybody: no arguments. */
export interface ApprovalNotice {
  readonly id: string;
  readonly tenant: string;
  readonly tool: string;
  readonly capability: string;
  readonly risk: Risk;
  readonly mode: ApprovalMode;
  readonly expiresAt: number;
}

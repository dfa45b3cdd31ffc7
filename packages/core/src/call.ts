/**
 * The values that flow through the gate. All are plain and readonly; only {@link ToolCall} comes from outside.
 * @module
 */
import type { ApprovalRule } from './approve/approval-rule.ts';
import type { Observed } from './authorize/heard.ts';
import type { BudgetRule } from './lease/budget.ts';
import type { FetchRule } from './lease/lease-fetch.ts';
import type { RedactionRules } from './record/redaction-rules.ts';

/** Ordered: `low` < `medium` < `high`. Whatever is not known is `high`. */
export type Risk = 'low' | 'medium' | 'high';

export type Verdict = 'allow' | 'deny' | 'review';

/** Which tool this is. The name alone is no identity: two MCP servers may offer the same one. */
export interface ToolIdentity {
  readonly name: string;
  /** `local`, `mcp:<server>`, `provider:<id>` … as declared by the adapter, never by the model. */
  readonly source: string;
  /** SHA-256 (base64url) of description and input schema, where the adapter can know them. Part of the approval's digest. */
  readonly schemaDigest?: string;
}

/** One tool invocation that a model asked for, as an adapter hands it to the gate. */
export interface ToolCall {
  readonly tool: ToolIdentity;
  /** The provider's call id. Providers reuse ids, so it is never a key by itself. */
  readonly callId: string;
  /** Where in the run it was asked for: a step number or checkpoint namespace, the same on every evaluation of the call. */
  readonly step: string;
  /** `resume`: the framework replays a call of an earlier request. It needs a record of its first sight. */
  readonly origin: 'model' | 'resume';
  /** The parsed arguments that the body would get. */
  readonly arguments: unknown;
  /** The arguments as the model wrote them, where the adapter has the text. Duplicate members are refused. */
  readonly wire?: string;
  /**
   * What the adapter saw of the conversation, where the application said that it may count. Asked only when a rule or an
   * approval needs it, and not inside the body of another guarded call.
   */
  readonly observed?: () => Observed;
}

/** A call as a model's answer holds it, before the framework parsed anything. */
export interface AskedCall {
  readonly tool: string;
  readonly callId: string;
  /** Names the answer in the run. */
  readonly step: string;
  readonly arguments: unknown;
}

export type ReasonCode =
  | 'permitted'
  | 'risk_requires_approval'
  | 'earlier_outcome_unknown'
  | 'principal_missing'
  | 'tenant_unknown'
  | 'agent_unknown'
  | 'user_unknown'
  | 'user_inactive'
  | 'tool_unmapped'
  | 'tool_source_mismatch'
  | 'capability_missing'
  | 'capability_missing_user'
  | 'capability_missing_delegation'
  | 'constraint_failed'
  | 'arguments_invalid'
  | 'call_malformed'
  | 'call_aborted'
  | 'call_id_reused'
  | 'call_never_made'
  | 'authorizer_failed'
  | 'approval_required'
  | 'approval_rejected'
  | 'approval_expired'
  | 'approval_cancelled'
  | 'approval_stale'
  | 'approval_unverified'
  | 'approval_consumed'
  | 'too_many_pending'
  | 'held'
  | 'budget_exceeded'
  | 'delivery_backlog'
  | 'credential_unavailable'
  | 'ledger_unavailable';

/** Why what an approver did, or somebody who wanted to pass for one, was refused. */
export type RefusalCode =
  | 'unauthenticated'
  | 'not_found'
  | 'own_request'
  | 'not_eligible'
  | 'outside_hours'
  | 'digest_mismatch'
  | 'already_voted'
  | 'not_pending'
  | 'expired'
  | 'verdict_invalid'
  | 'reason_missing'
  | 'edit_not_permitted'
  | 'edit_invalid'
  | 'edit_denied'
  /** The request cannot be opened: its user was erased, or its row was changed. */
  | 'unreadable'
  | 'failed';

/** Why a decision fell. `detail` is for the operator (which rule, what would make it pass) and never shown to a model. */
export interface Reason {
  readonly code: ReasonCode;
  readonly detail?: string;
}

/** What a tool's policy entry says about running it, once authorized. */
export interface ToolRule {
  readonly capability: string;
  readonly idempotent: boolean;
  /** The tool only calls other guarded tools: when its body pauses, it may be entered again. */
  readonly orchestrates: boolean;
  /** Whether the encrypted outcome is kept so that asking again returns it. */
  readonly retain: 'run' | 'none';
  /** How approvals are decided, by the risk of the call. Default: any approver of the tenant, within 15 minutes. */
  readonly approval?: Readonly<Record<'medium' | 'high', ApprovalRule>>;
  readonly credentials: readonly CredentialRequest[];
  /** Its results are a source that may choose values of later calls. */
  readonly trusted?: boolean;
  /** Which arguments are hidden in records and spans. */
  readonly redact?: RedactionRules;
}

/** A credential that the policy attaches to a tool. */
export interface CredentialRequest {
  readonly service: string;
  /** Provider-specific scope, narrowed to the operation. Plain JSON. */
  readonly scope: Readonly<Record<string, unknown>>;
  /** Life of the lease in milliseconds, at most 15 minutes. */
  readonly ttlMs: number;
  /** Accepts a credential that cannot be revoked, or that its provider lets live longer than 15 minutes. */
  readonly acceptResidual?: boolean;
  /** The body gets no secret, only a `fetch` that adds it for these origins. */
  readonly fetch?: FetchRule;
  /** What calls with it may cost. */
  readonly budget?: BudgetRule;
}

/** The outcome of authorization. Pure: the same call under the same policy gives an equal decision. */
export interface Decision {
  readonly verdict: Verdict;
  readonly capability: string | undefined;
  readonly risk: Risk;
  readonly reasons: readonly Reason[];
  readonly policyVersion: string;
  /** Identifies the rules that decided. Unchanged by a reload that leaves those rules alone. */
  readonly ruleDigest: string;
  /** Present unless the tool is unmapped. */
  readonly rule?: ToolRule;
}

/** How an approval is waited for. `asynchronous`: filed, and run later by a worker. `blocking`: the call waits or suspends. */
export type ApprovalMode = 'asynchronous' | 'blocking';

/** What `gate.check` answers. `approval` is present when the verdict is `review`. */
export interface CheckResult {
  readonly decision: Decision;
  readonly approval?: { readonly id: string; readonly state: ApprovalState; readonly mode: ApprovalMode };
  /** Safe for a model and a user. */
  readonly message: string;
}

export type ApprovalState = 'pending' | 'approved' | 'rejected' | 'expired' | 'cancelled';

/** What became of a call. Everything but `completed` means that no result of the body is in it. */
export type Outcome<Result = unknown> =
  | { readonly status: 'completed'; readonly result: Result; readonly replayed: boolean; readonly callKey: string }
  | {
      readonly status: 'denied';
      readonly reason: ReasonCode;
      readonly message: string;
      readonly capability?: string;
      readonly callKey?: string;
    }
  | {
      readonly status: 'pending';
      readonly approval: string;
      readonly mode: ApprovalMode;
      readonly message: string;
      readonly callKey: string;
    }
  | { readonly status: 'suspended'; readonly signal: unknown; readonly callKey: string }
  | {
      readonly status: 'consent_required';
      readonly service: string;
      readonly url: string;
      readonly message: string;
      readonly callKey: string;
    }
  | {
      readonly status: 'failed';
      readonly error: unknown;
      readonly message: string;
      readonly replayed: boolean;
      readonly callKey: string;
    }
  | { readonly status: 'unknown'; readonly message: string; readonly callKey: string };

const riskOrder: Readonly<Record<Risk, number>> = { low: 0, medium: 1, high: 2 };

/** The higher of two risks. */
export function maxRisk(left: Risk, right: Risk): Risk {
  return riskOrder[left] >= riskOrder[right] ? left : right;
}

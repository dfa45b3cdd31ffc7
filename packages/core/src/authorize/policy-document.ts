/**
 * The policy document, as written in YAML, JSON or TypeScript. `docs/policy.md` is its reference.
 * @module
 */
import type { Risk } from '../call.ts';
import type { RedactionPaths } from '../record/redaction-rules.ts';

/** JSON Schema 2020-12 over the arguments of a call. Which keywords are taken is said in `argument-schema.ts`. */
export type ArgumentSchema = Readonly<Record<string, unknown>>;

/** Raises the risk of a call whose arguments match. */
export interface RiskCondition {
  readonly arguments: ArgumentSchema;
  readonly risk: 'medium' | 'high';
}

/** Demands that values come from somewhere else than the model. `docs/policy.md` says when they count as found. */
export interface ProvenanceEntry {
  /** Path of the values, e.g. `/payee/iban`, with all that is below it. `*` stands for any member or item. */
  readonly at: string;
  /** `user`: this user's own words. `trusted`: also your instructions, and results of tools that are `trusted`. */
  readonly require: 'user' | 'trusted';
  /** What happens where that is not known: the call is denied, or its risk is at least this. Default `deny`. */
  readonly otherwise?: 'deny' | 'medium' | 'high';
}

export interface FetchEntry {
  /** Exact origins, e.g. `https://api.example.com`: https, or http on this machine. */
  readonly origins: readonly string[];
  /** Header that carries the credential. Default `authorization`. */
  readonly header?: string;
  /** What stands before the credential. Default `Bearer ` for `authorization`, else nothing. */
  readonly prefix?: string;
}

export interface BudgetEntry {
  /** The most that all calls of one window may cost together. Up to six decimals. */
  readonly limit: number;
  /** ISO 4217, e.g. `USD`. */
  readonly currency: string;
  /** A day or a month of UTC. */
  readonly window: 'day' | 'month';
  /** The most that one call may cost. It is reserved before the call, and counts whole unless the body reports less. */
  readonly cost: number;
  /** Whether all agents of the tenant share the limit, or each has its own. Default `tenant`. */
  readonly per?: 'tenant' | 'agent';
}

export interface CredentialEntry {
  readonly service: string;
  /** Handed to the provider of the service. Default: empty. */
  readonly scope?: Readonly<Record<string, unknown>>;
  /** Duration such as `30s` or `5m`, at most 15 minutes. Default `5m`. */
  readonly ttl?: string;
  /** Accepts a credential that cannot be revoked, or that its provider lets live longer than 15 minutes. */
  readonly acceptResidual?: boolean;
  /** Hides the secret from the tool body, which gets `leaseFetch(service)` instead. */
  readonly fetch?: FetchEntry;
  /** A declared spending limit. Every tool that names it for a service says the same limit, currency, window and `per`. */
  readonly budget?: BudgetEntry;
}

export interface ToolEntry {
  readonly capability: string;
  /** Not below what the capability's entry and the catalogue say. Stated nowhere: high. */
  readonly risk?: Risk;
  /** Where the tool must come from. Default `local`. */
  readonly source?: string;
  readonly when?: readonly RiskCondition[];
  /** Holds for everybody. */
  readonly arguments?: ArgumentSchema;
  readonly provenance?: readonly ProvenanceEntry[];
  /**
   * The results of this tool may choose values for rules that require a trusted source: neither the model nor a stranger
   * can make it answer what they like. Default false.
   */
  readonly trusted?: boolean;
  /** Either this or `credentials`. */
  readonly credential?: CredentialEntry;
  readonly credentials?: readonly CredentialEntry[];
  /** The service can be asked twice without a second effect. Default false. */
  readonly idempotent?: boolean;
  /** The tool only calls other guarded tools, so its body may be entered again. Takes no credential. Default false. */
  readonly orchestrates?: boolean;
  /** Whether the outcome is kept, encrypted, so that asking again returns it. Default `run`. */
  readonly retain?: 'run' | 'none';
  /** What of the arguments may be written down in records and spans. Approvers see all of it. */
  readonly redact?: RedactionPaths;
  /** How approvals of this tool's calls are decided. */
  readonly approval?: ApprovalEntry;
}

/** Who decides on an approval, and when. What an entry leaves out, the more general one says. */
export interface ApprovalEntry {
  /** Duration from request to expiry, at most `7d`. Default `15m`. */
  readonly expires?: string;
  /** Groups of approvers that may decide. Default: every approver of the tenant. The requester never may. */
  readonly groups?: readonly string[];
  /** How many must agree. Default 1. One rejection rejects. */
  readonly quorum?: number;
  /** Whether a decision needs a reason. Default `optional`. */
  readonly reason?: 'optional' | 'required';
  /** Whether an approver may change the arguments before deciding. Default false. */
  readonly edit?: boolean;
  /** Outside them nobody can decide; the request goes on to expire. Default: always. */
  readonly hours?: ApprovalHours;
  /** Further groups that may decide when nobody did: each some time after the request. */
  readonly escalate?: readonly { readonly after: string; readonly groups: readonly string[] }[];
}

export interface ApprovalHours {
  /** IANA time zone, e.g. `Europe/Berlin`. */
  readonly zone: string;
  /** Default Monday to Friday. */
  readonly days?: readonly ('mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun')[];
  /** `HH:MM`, on the same day: the first minute, and the first one after. */
  readonly from: string;
  readonly to: string;
}

export interface CapabilityEntry {
  /** Not below what the catalogue says. */
  readonly risk?: Risk;
  readonly when?: readonly RiskCondition[];
  readonly approval?: ApprovalEntry;
}

/** A capability alone, or with constraints on the arguments and conditions on the risk. */
export type GrantEntry =
  | string
  | { readonly capability: string; readonly arguments?: ArgumentSchema; readonly when?: readonly RiskCondition[] };

interface Holder {
  /** Names of lists under `grants`. */
  readonly include?: readonly string[];
  readonly capabilities?: readonly GrantEntry[];
}

export interface AgentEntry extends Holder {
  /** `user:<id>` or `service:<id>`. */
  readonly owner?: string;
  readonly name?: string;
}

export interface UserEntry extends Holder {
  /** Default true. */
  readonly active?: boolean;
}

export interface PolicyDocument {
  /** Version of the format. */
  readonly countersign: 1;
  readonly name: string;
  /** A label of yours. Decisions carry it together with the digest of the document. */
  readonly version: string;
  readonly tenants: readonly string[];
  readonly tools: Readonly<Record<string, ToolEntry>>;
  readonly capabilities?: Readonly<Record<string, CapabilityEntry>>;
  /** What holds for each level of risk, where tool and capability say nothing. */
  readonly approvals?: { readonly medium?: ApprovalEntry; readonly high?: ApprovalEntry };
  readonly grants?: Readonly<Record<string, readonly GrantEntry[]>>;
  readonly agents: Readonly<Record<string, AgentEntry>>;
  readonly users: Readonly<Record<string, UserEntry>>;
}

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

export interface CredentialEntry {
  readonly service: string;
  /** Handed to the provider of the service. Default: empty. */
  readonly scope?: Readonly<Record<string, unknown>>;
  /** Duration such as `30s` or `5m`, at most 15 minutes. Default `5m`. */
  readonly ttl?: string;
  /** Accepts a credential that cannot be revoked, or that its provider lets live longer than 15 minutes. */
  readonly acceptResidual?: boolean;
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
  readonly approval?: {
    /** Duration from request to expiry, at most `7d`. Default `15m`. */
    readonly expires?: string;
  };
}

export interface CapabilityEntry {
  /** Not below what the catalogue says. */
  readonly risk?: Risk;
  readonly when?: readonly RiskCondition[];
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
  readonly grants?: Readonly<Record<string, readonly GrantEntry[]>>;
  readonly agents: Readonly<Record<string, AgentEntry>>;
  readonly users: Readonly<Record<string, UserEntry>>;
}

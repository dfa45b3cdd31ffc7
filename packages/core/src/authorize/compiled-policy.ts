/**
 * A policy in the shape in which it decides: everything looked up is in a `Map`, everything that does not depend on
 * the arguments is made at load.
 * @module
 */
import { createHash } from 'node:crypto';
import type { Reason, ReasonCode, Risk, ToolRule, Verdict } from '../call.ts';
import type { ArgumentCheck } from './argument-schema.ts';
import type { ProvenanceRule } from './provenance-rules.ts';

/** A risk, the verdict it leads to, and what says so. */
export interface RiskStatement {
  readonly rank: 0 | 1 | 2;
  readonly risk: Risk;
  readonly verdict: Verdict;
  readonly reasons: readonly Reason[];
}

export interface CompiledCondition {
  readonly raises: RiskStatement;
  readonly matches: ArgumentCheck;
}

export interface CompiledTool {
  readonly name: string;
  readonly source: string;
  readonly capability: string;
  readonly permits: ArgumentCheck | undefined;
  readonly base: RiskStatement;
  readonly conditions: readonly CompiledCondition[];
  readonly provenance: readonly ProvenanceRule[];
  /** Of the tool's entry, its capability's entry and the catalogue's. */
  readonly digest: string;
  readonly rule: ToolRule & Required<Pick<ToolRule, 'approval'>>;
}

export interface CompiledGrant {
  /** Where it is written, within its holder or as `grants/<name>/<index>`. */
  readonly origin: string;
  readonly permits: ArgumentCheck | undefined;
  readonly conditions: readonly CompiledCondition[];
  readonly digest: string;
}

/** All grants of one capability to one holder. One that matches suffices. */
export interface HeldCapability {
  readonly grants: readonly CompiledGrant[];
  /** No constraint and no condition: nothing to evaluate. */
  readonly plain: boolean;
  readonly digest: string;
}

/** Capability → grants. Holders with equal lists share one table. */
export type GrantTable = ReadonlyMap<string, HeldCapability>;

export interface CompiledUser {
  readonly active: boolean;
  readonly held: GrantTable;
}

export interface CompiledPolicy {
  readonly name: string;
  readonly policyVersion: string;
  readonly digest: string;
  readonly tenants: ReadonlySet<string>;
  readonly tools: ReadonlyMap<string, CompiledTool>;
  /** By capability, for functions that are in no framework. */
  readonly functions: ReadonlyMap<string, CompiledTool>;
  readonly agents: ReadonlyMap<string, GrantTable>;
  readonly users: ReadonlyMap<string, CompiledUser>;
}

const levels: Readonly<
  Record<Risk, { readonly rank: 0 | 1 | 2; readonly verdict: Verdict; readonly code: ReasonCode }>
> = {
  low: { rank: 0, verdict: 'allow', code: 'permitted' },
  medium: { rank: 1, verdict: 'review', code: 'risk_requires_approval' },
  high: { rank: 2, verdict: 'review', code: 'risk_requires_approval' },
};

export function riskRank(risk: Risk): 0 | 1 | 2 {
  return levels[risk].rank;
}

export function riskStatement(risk: Risk, detail: string): RiskStatement {
  const { rank, verdict, code } = levels[risk];
  return Object.freeze({ rank, risk, verdict, reasons: Object.freeze([Object.freeze({ code, detail })]) });
}

/** SHA-256 over a domain tag and JSON, base64url. Give it members in a fixed or sorted order. */
export function digestOf(domain: string, value: unknown): string {
  return createHash('sha256').update(`countersign/1/${domain}\n`).update(JSON.stringify(value)).digest('base64url');
}

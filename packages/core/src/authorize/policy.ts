/**
 * A policy: a document that was checked completely and now decides.
 * @module
 */
import type { ApprovalRule } from '../approve/approval-rule.ts';
import type { Decision, Risk, ToolIdentity } from '../call.ts';
import { PolicyError } from '../errors.ts';
import type { Authorizer, Provenance, Subject } from './authorize.ts';
import { compilePolicy } from './compile-policy.ts';
import type { CompiledPolicy, CompiledTool, RiskStatement } from './compiled-policy.ts';
import { listAgents, type PolicyAgent } from './policy-agents.ts';
import { decide, permittedTools } from './evaluate.ts';
import { trustsTool } from './provenance-rules.ts';
import type { PolicyDocument, ProvenanceEntry } from './policy-document.ts';

/** What a policy says about one tool, with what it inherits and every default filled in. */
export interface PolicyRule {
  readonly tool: string;
  readonly source: string;
  readonly capability: string;
  /** Without conditions on the arguments, which can only raise it. */
  readonly risk: Risk;
  /** Whether conditions can raise it. */
  readonly conditional: boolean;
  /** Which values have to come from where, as written, with the default filled in. */
  readonly provenance: readonly Required<ProvenanceEntry>[];
  /** Whether its results may choose values of later calls. */
  readonly trusted: boolean;
  readonly approval: Readonly<Record<'medium' | 'high', ApprovalRule>>;
  /** Services whose credentials the tool gets. */
  readonly services: readonly string[];
}

/** An {@link Authorizer} made of a policy document. Immutable: a changed document makes a new one. */
export interface Policy extends Authorizer {
  readonly name: string;
  /** SHA-256 of the document, base64url. The order of its members does not matter. */
  readonly digest: string;
  readonly tenants: readonly string[];
  /** What holds for each tool, for people to read. */
  readonly rules: readonly PolicyRule[];
  /** What each agent may do and at what risk, for people to read: the first `limit` in the order of their names. */
  agents(limit?: number): readonly PolicyAgent[];
  /** Never throws and never waits. */
  decide(subject: Subject, tool: ToolIdentity, args: unknown, provenance?: Provenance): Decision;
  trusts(tenant: string, tool: Pick<ToolIdentity, 'name' | 'source'>): boolean;
}

/**
 * A policy from a document in TypeScript. The document is copied: changing it later changes nothing.
 * Throws {@link PolicyError} with every issue.
 */
export function definePolicy(document: PolicyDocument): Policy {
  const { policy, issues } = compilePolicy(document);
  if (policy === undefined) throw new PolicyError(issues);
  return policyOf(policy);
}

/** A compiled policy behind its interface. */
export function policyOf(compiled: CompiledPolicy): Policy {
  const toolNames = Object.freeze([...compiled.tools.keys()]);
  return Object.freeze({
    name: compiled.name,
    digest: compiled.digest,
    tenants: Object.freeze([...compiled.tenants]),
    rules: Object.freeze([...compiled.tools.values()].map(ruleOf)),
    agents: (limit) => listAgents(compiled, limit),
    decide: (subject, tool, args, provenance) => decide(compiled, { subject, tool, args, provenance }),
    trusts: (tenant, tool) => compiled.tenants.has(tenant) && trustsTool(compiled, tool),
    version: (tenant) => (compiled.tenants.has(tenant) ? compiled.policyVersion : undefined),
    tools: (tenant) => (compiled.tenants.has(tenant) ? toolNames : []),
    permittedTools: (subject) => permittedTools(compiled, subject),
  } satisfies Policy);
}

function raisedTo({ risk }: RiskStatement): 'medium' | 'high' {
  return risk === 'medium' ? risk : 'high';
}

function ruleOf({ name, source, capability, base, conditions, provenance, rule }: CompiledTool): PolicyRule {
  const { approval } = rule;
  return Object.freeze({
    tool: name,
    source,
    capability,
    risk: base.risk,
    conditional:
      conditions.length > 0 || provenance.some(({ otherwise }) => otherwise !== 'deny' && otherwise.rank > base.rank),
    provenance: Object.freeze(
      provenance.map(({ at, require, otherwise }) =>
        Object.freeze({ at, require, otherwise: otherwise === 'deny' ? otherwise : raisedTo(otherwise) }),
      ),
    ),
    trusted: rule.trusted === true,
    approval,
    services: Object.freeze(rule.credentials?.map(({ service }) => service) ?? []),
  });
}

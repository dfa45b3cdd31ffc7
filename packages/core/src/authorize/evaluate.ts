/**
 * The decision. Synchronous and pure; in this order, so that a caller who is not known learns nothing about tools, and
 * one without the capability nothing about constraints: tenant, agent, delegating agents, user, user's state; tool,
 * source; capability of agent, user, delegating agents; constraints of tool, agent, user, delegating agents; provenance
 * of the arguments; risk.
 * @module
 */
import type { Decision, ToolIdentity } from '../call.ts';
import type { Provenance, Subject } from './authorize.ts';
import { functionSource } from './compile-functions.ts';
import { riskStatement } from './compiled-policy.ts';
import type {
  CompiledCondition,
  CompiledPolicy,
  CompiledTool,
  HeldCapability,
  RiskStatement,
} from './compiled-policy.ts';
import { explain } from './explain.ts';
import type { Denial } from './explain.ts';
import { unproven } from './provenance-rules.ts';

export interface Question {
  readonly subject: Subject;
  readonly tool: ToolIdentity;
  readonly args: unknown;
  readonly provenance?: Provenance | undefined;
}

/** Never throws: whatever cannot be evaluated is denied. */
export function decide(policy: CompiledPolicy, question: Question): Decision {
  try {
    return evaluate(policy, question);
  } catch {
    // What was thrown may quote the arguments.
    return denied(policy, { code: 'authorizer_failed' });
  }
}

function evaluate(policy: CompiledPolicy, question: Question): Decision {
  const { subject, tool: identity } = question;
  const { tenant, user: userId, agent: agentId, delegation } = subject;
  if (!policy.tenants.has(tenant)) return denied(policy, { code: 'tenant_unknown', name: tenant });
  const agent = policy.agents.get(agentId);
  if (agent === undefined) return denied(policy, { code: 'agent_unknown', name: agentId });
  if (!Array.isArray(delegation)) return denied(policy, { code: 'authorizer_failed' });
  for (const id of delegation) if (!policy.agents.has(id)) return denied(policy, { code: 'agent_unknown', name: id });
  const user = policy.users.get(userId);
  if (user === undefined) return denied(policy, { code: 'user_unknown', name: userId });
  if (!user.active) return denied(policy, { code: 'user_inactive', name: userId });

  const tool = (identity.source === functionSource ? policy.functions : policy.tools).get(identity.name);
  if (tool === undefined) return denied(policy, { code: 'tool_unmapped', name: identity.name });
  if (identity.source !== tool.source) {
    return deniedTool(policy, tool, { code: 'tool_source_mismatch', tool, source: identity.source }, tool.digest);
  }
  const ofAgent = agent.get(tool.capability);
  if (ofAgent === undefined) {
    return deniedTool(policy, tool, { code: 'capability_missing', tool, name: agentId }, tool.digest);
  }
  const ofUser = user.held.get(tool.capability);
  if (ofUser === undefined) {
    return deniedTool(policy, tool, { code: 'capability_missing_user', tool, name: userId }, tool.digest);
  }
  const held = [ofAgent, ofUser];
  let ruleDigest = `${tool.digest}.${ofAgent.digest}.${ofUser.digest}`;
  for (const id of delegation) {
    const ofDelegate = policy.agents.get(id)?.get(tool.capability);
    if (ofDelegate === undefined) {
      return deniedTool(policy, tool, { code: 'capability_missing_delegation', tool, name: id }, tool.digest);
    }
    held.push(ofDelegate);
    ruleDigest += `.${ofDelegate.digest}`;
  }
  return weigh(policy, question, tool, { held, ruleDigest });
}

interface Rules {
  /** What the agent holds, the user, and each delegating agent, outermost first. */
  readonly held: readonly HeldCapability[];
  readonly ruleDigest: string;
}

function weigh(
  policy: CompiledPolicy,
  { subject, args, provenance }: Question,
  tool: CompiledTool,
  { held, ruleDigest }: Rules,
): Decision {
  if (tool.permits !== undefined && !tool.permits(args)) {
    return deniedTool(policy, tool, { code: 'constraint_failed', tool, subject, args }, ruleDigest);
  }
  const index = held.findIndex((capability) => !permitted(capability, args));
  if (index !== -1) {
    const denial = { code: 'constraint_failed', tool, subject, args, held: held[index], index } as const;
    return deniedTool(policy, tool, denial, ruleDigest);
  }
  const open = tool.provenance.length === 0 ? [] : unproven(policy, tool, args, provenance?.());
  const denying = open.find(({ otherwise }) => otherwise === 'deny');
  if (denying !== undefined) {
    return deniedTool(policy, tool, { code: 'constraint_failed', tool, rule: denying }, ruleDigest);
  }
  let statement = raise(tool.base, tool.conditions, args);
  for (const { otherwise } of open) {
    if (otherwise !== 'deny' && otherwise.rank > statement.rank) statement = otherwise;
  }
  for (const capability of held) if (!capability.plain) statement = raiseByGrants(statement, capability, args);
  return {
    verdict: statement.verdict,
    capability: tool.capability,
    risk: statement.risk,
    reasons: statement.reasons,
    policyVersion: policy.policyVersion,
    ruleDigest,
    rule: tool.rule,
  };
}

/** One grant that matches suffices. */
function permitted({ plain, grants }: HeldCapability, args: unknown): boolean {
  if (plain) return true;
  for (const { permits } of grants) if (permits === undefined || permits(args)) return true;
  return false;
}

/** Every grant that matches has its say about the risk. */
function raiseByGrants(statement: RiskStatement, { grants }: HeldCapability, args: unknown): RiskStatement {
  let highest = statement;
  for (const { permits, conditions } of grants) {
    if (conditions.length > 0 && (permits === undefined || permits(args))) highest = raise(highest, conditions, args);
  }
  return highest;
}

const conditionFailed = riskStatement('high', 'a condition on the risk could not be evaluated: unknown is high');

function raise(statement: RiskStatement, conditions: readonly CompiledCondition[], args: unknown): RiskStatement {
  let highest = statement;
  for (const { raises, matches } of conditions) {
    if (raises.rank <= highest.rank) continue;
    try {
      if (matches(args)) highest = raises;
    } catch {
      highest = conditionFailed;
    }
  }
  return highest;
}

/** Before a tool is known: no rule took part, and the risk is not known. */
function denied(policy: CompiledPolicy, denial: Denial): Decision {
  return {
    verdict: 'deny',
    capability: undefined,
    risk: 'high',
    reasons: [{ code: denial.code, detail: explain(policy.name, denial) }],
    policyVersion: policy.policyVersion,
    ruleDigest: '',
  };
}

function deniedTool(policy: CompiledPolicy, tool: CompiledTool, denial: Denial, ruleDigest: string): Decision {
  const { capability, rule, base } = tool;
  return { ...denied(policy, denial), capability, risk: base.risk, ruleDigest, rule };
}

/** The names of the tools whose capability the agent, every delegating agent and the user hold. */
export function permittedTools(policy: CompiledPolicy, subject: Subject): readonly string[] {
  const user = policy.users.get(subject.user);
  if (!policy.tenants.has(subject.tenant) || user === undefined || !user.active) return [];
  const tables = [user.held, ...[subject.agent, ...subject.delegation].map((id) => policy.agents.get(id))];
  const permittedNames: string[] = [];
  for (const { name, capability } of policy.tools.values()) {
    if (tables.every((table) => table?.has(capability))) permittedNames.push(name);
  }
  return permittedNames;
}

/**
 * Which agent may do what, at what risk: the matrix of a policy.
 * @module
 */
import type { Risk } from '../call.ts';
import type { CompiledPolicy, GrantTable, HeldCapability } from './compiled-policy.ts';

/** A capability that an agent holds. */
export interface PolicyHolding {
  readonly capability: string;
  /** The highest of the tools that need it, without conditions on the arguments. */
  readonly risk: Risk;
  /** Whether conditions on the arguments can raise it. */
  readonly conditional: boolean;
  /** Whether it is held for some arguments only. */
  readonly constrained: boolean;
  /** Tools that need it. */
  readonly tools: readonly string[];
}

export interface PolicyAgent {
  readonly agent: string;
  readonly capabilities: readonly PolicyHolding[];
}

/** Agents with equal grants share one list. */
export function listAgents(policy: CompiledPolicy, limit: number = Number.POSITIVE_INFINITY): readonly PolicyAgent[] {
  const tools = Map.groupBy(policy.tools.values(), ({ capability }) => capability);
  const known = new Map<GrantTable, readonly PolicyHolding[]>();
  const agents: PolicyAgent[] = [];
  for (const [agent, table] of policy.agents) {
    if (agents.length >= limit) break;
    const capabilities =
      known.get(table) ??
      [...table].map(([capability, held]) =>
        holdingOf(policy, capability, held, tools.get(capability)?.map(({ name }) => name) ?? []),
      );
    known.set(table, capabilities);
    agents.push({ agent, capabilities });
  }
  return agents;
}

function holdingOf(
  { functions }: CompiledPolicy,
  capability: string,
  { grants }: HeldCapability,
  tools: readonly string[],
): PolicyHolding {
  const rule = functions.get(capability);
  const raised = grants.some(({ conditions }) => conditions.length > 0);
  return {
    capability,
    risk: rule?.base.risk ?? 'high',
    conditional: raised || (rule?.conditions.length ?? 0) > 0,
    constrained: grants.every(({ permits }) => permits !== undefined),
    tools,
  };
}

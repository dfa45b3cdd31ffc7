/**
 * Functions outside any framework are guarded by capability instead of by tool (`requireCapability`). Their risk is what
 * capability and catalogue state, and at least that of every tool of the same capability.
 * @module
 */
import { compileConditions, compileTool } from './compile-tools.ts';
import type { Compilation } from './compilation.ts';
import { digestOf } from './compiled-policy.ts';
import type { CompiledPolicy, CompiledTool, GrantTable } from './compiled-policy.ts';
import { pointer } from './plain-document.ts';

/** The source of a call that names a capability and no tool. */
export const functionSource = 'capability';

/** Capability → what guards a function of it, for every capability that anybody holds. */
export function compileFunctions(
  compilation: Compilation,
  { tools, agents, users }: Pick<CompiledPolicy, 'tools' | 'agents' | 'users'>,
): ReadonlyMap<string, CompiledTool> {
  const byCapability = Map.groupBy(tools.values(), ({ capability }) => capability);
  // Holders with equal lists share one table.
  const tables = new Set<GrantTable>([...agents.values(), ...[...users.values()].map(({ held }) => held)]);
  const functions = new Map<string, CompiledTool>();
  for (const table of tables) {
    for (const capability of table.keys()) {
      if (functions.has(capability)) continue;
      functions.set(capability, functionOf(compilation, capability, byCapability.get(capability) ?? []));
    }
  }
  return functions;
}

function functionOf(compilation: Compilation, capability: string, tools: readonly CompiledTool[]): CompiledTool {
  const entry = compilation.document.capabilities?.[capability];
  const stated = compileConditions(
    compilation,
    entry?.when,
    pointer('/capabilities', capability),
    `capability ${capability}`,
  );
  const alone = compileTool(compilation, capability, { capability, source: functionSource }, entry, stated);
  const [highest] = tools.map(({ base }) => base).toSorted((left, right) => right.rank - left.rank);
  const base = highest ?? alone.base;
  const conditions = [...alone.conditions, ...tools.flatMap((tool) => tool.conditions)];
  // What a tool of the same capability asks of its approvers, a function must not get for less.
  const quorum = ({ rule }: CompiledTool): number => rule.approval?.high.quorum ?? 0;
  const strictest = tools.toSorted((left, right) => quorum(right) - quorum(left))[0]?.rule.approval;
  return {
    ...alone,
    rule: strictest === undefined ? alone.rule : { ...alone.rule, approval: strictest },
    base,
    conditions: conditions.filter(({ raises }) => raises.rank > base.rank),
    digest: digestOf('function', [alone.digest, ...tools.map(({ digest }) => digest)]),
  };
}

/**
 * Why a call was denied and what would make it pass, for operators. Built on a denial only. Names rules and limits,
 * never a value of the arguments.
 * @module
 */
import type { ArgumentCheck, ArgumentError } from './argument-schema.ts';
import type { Subject } from './authorize.ts';
import type { CompiledTool, HeldCapability } from './compiled-policy.ts';
import { explainProvenance, type ProvenanceRule } from './provenance-rules.ts';

export type Denial =
  | { readonly code: 'authorizer_failed' }
  | {
      readonly code: 'tenant_unknown' | 'agent_unknown' | 'user_unknown' | 'user_inactive' | 'tool_unmapped';
      readonly name: unknown;
    }
  | { readonly code: 'tool_source_mismatch'; readonly tool: CompiledTool; readonly source: unknown }
  | {
      readonly code: 'capability_missing' | 'capability_missing_user' | 'capability_missing_delegation';
      readonly tool: CompiledTool;
      readonly name: unknown;
    }
  | { readonly code: 'constraint_failed'; readonly tool: CompiledTool; readonly rule: ProvenanceRule }
  | {
      readonly code: 'constraint_failed';
      readonly tool: CompiledTool;
      readonly rule?: undefined;
      readonly subject: Subject;
      readonly args: unknown;
      /** The grants that failed, and whose: 0 the agent, 1 the user, then the delegating agents. Absent: the tool's own. */
      readonly held?: HeldCapability | undefined;
      readonly index?: number;
    };

export function explain(policy: string, denial: Denial): string {
  const ofPolicy = `of policy ${policy}`;
  switch (denial.code) {
    case 'tenant_unknown':
      return `tenant ${quote(denial.name)} is not in tenants ${ofPolicy}; to pass, list it there`;
    case 'agent_unknown':
      return `agent ${quote(denial.name)} is not in agents ${ofPolicy}; to pass, add it there`;
    case 'user_unknown':
      return `user ${quote(denial.name)} is not in users ${ofPolicy}; to pass, add them there`;
    case 'user_inactive':
      return `user ${quote(denial.name)} is set inactive in users ${ofPolicy}; to pass, set active: true`;
    case 'tool_unmapped':
      return `tool ${quote(denial.name)} is not in tools ${ofPolicy}; to pass, give it an entry with its capability`;
    case 'tool_source_mismatch':
      return `tools/${denial.tool.name} ${ofPolicy} takes calls from source ${denial.tool.source}, this one came from ${quote(denial.source)}`;
    case 'capability_missing':
    case 'capability_missing_delegation':
      return missing('agent', 'agents', denial.tool, denial.name);
    case 'capability_missing_user':
      return missing('user', 'users', denial.tool, denial.name);
    case 'constraint_failed':
      return denial.rule === undefined ? explainConstraint(denial) : explainProvenance(denial.tool.name, denial.rule);
    case 'authorizer_failed':
    default:
      return `policy ${policy} could not be evaluated on this call`;
  }
}

function missing(kind: string, section: string, tool: CompiledTool, name: unknown): string {
  const where = `${section}/${String(name)}`;
  return `tools/${tool.name} needs ${tool.capability}, which ${kind} ${quote(name)} does not hold; to pass, grant it in ${where}`;
}

type ConstraintDenial = Extract<Denial, { code: 'constraint_failed'; rule?: undefined }>;

function explainConstraint({ tool, subject, args, held, index }: ConstraintDenial): string {
  if (held === undefined) return `tools/${tool.name}/arguments: ${failure(tool.permits, args)}`;
  const failures = held.grants.map(({ origin, permits }) => `${origin}: ${failure(permits, args)}`);
  const whose = holderName(subject, index ?? 0);
  return `${whose} holds ${tool.capability} for other arguments; to pass, one of these must hold: ${failures.join('; or ')}`;
}

function holderName({ agent, user, delegation }: Subject, index: number): string {
  if (index === 0) return `agents/${agent}`;
  return index === 1 ? `users/${user}` : `agents/${String(delegation[index - 2])} (delegating)`;
}

/** What the arguments must be, from the first constraint that they fail. */
function failure(check: ArgumentCheck | undefined, args: unknown): string {
  if (check === undefined || check(args)) return 'holds';
  const errors = check.errors ?? [];
  // `anyOf` and its like report their branches first and themselves last.
  const shown = errors.slice(-4).map(describeError);
  check.errors = null;
  return shown.join(', ') || 'the arguments do not match';
}

function describeError({ instancePath, keyword, params, message }: ArgumentError): string {
  const where = instancePath === '' ? 'the arguments' : `argument ${instancePath.slice(0, 200)}`;
  const wanted: unknown = params['allowedValues'] ?? params['allowedValue'];
  const named: unknown = params['additionalProperty'] ?? params['unevaluatedProperty'];
  const what =
    wanted !== undefined
      ? `must be ${Array.isArray(wanted) ? 'one of ' : ''}${JSON.stringify(wanted).slice(0, 200)}`
      : (message ?? `must satisfy "${keyword}"`);
  return `${where} ${what}${typeof named === 'string' ? ` (${quote(named)})` : ''}`;
}

function quote(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : `a value of type ${typeof value}`;
}

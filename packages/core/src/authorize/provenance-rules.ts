/**
 * What a policy demands of the provenance of arguments: which values have to come from the user, or from a source that it
 * trusts.
 * @module
 */
import type { PolicyIssue } from '../errors.ts';
import type { CompiledPolicy, CompiledTool } from './compiled-policy.ts';
import { riskStatement, type RiskStatement } from './compiled-policy.ts';
import { pointer } from './plain-document.ts';
import type { ProvenanceEntry } from './policy-document.ts';
import type { OriginKind, ValueOrigin } from './provenance.ts';

export interface ProvenanceRule {
  /** As the policy writes it. */
  readonly at: string;
  readonly segments: readonly string[];
  readonly require: ProvenanceEntry['require'];
  /** What an argument leads to that does not satisfy it. */
  readonly otherwise: 'deny' | RiskStatement;
}

export function compileProvenance(
  entries: readonly ProvenanceEntry[] | undefined,
  tool: string,
  path: string,
  issues: PolicyIssue[],
): readonly ProvenanceRule[] {
  const places = (entries ?? []).map(({ at }) => at);
  return (entries ?? []).map(({ at, require, otherwise = 'deny' }, index) => {
    if (places.indexOf(at) !== index) {
      issues.push({ path: `${path}/provenance/${index}/at`, message: `${at} has a rule already` });
    }
    const detail = `provenance[${index}] of tool ${tool} raises the risk to ${otherwise}: not all of ${at} is known to come from ${sourcesOf[require]}`;
    const segments = at.slice(1).split('/');
    return Object.freeze({
      at,
      segments: segments.map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~')),
      require,
      otherwise: otherwise === 'deny' ? otherwise : riskStatement(otherwise, detail),
    });
  });
}

const sourcesOf: Readonly<Record<ProvenanceRule['require'], string>> = {
  user: 'the user',
  trusted: 'the user or a trusted source',
};

/** For operators. Names places and sources, never a value. */
export function explainProvenance(tool: string, { at, require }: ProvenanceRule): string {
  const trusted = require === 'trusted' ? ', or set trusted: true on the tool whose result they are in' : '';
  return `tools/${tool}/provenance: every value at ${at} must come from ${sourcesOf[require]}; to pass, the conversation must hold them literally and the server must have handed it over${trusted}`;
}

/** The rules that do not hold for these arguments. */
export function unproven(
  policy: CompiledPolicy,
  { provenance }: CompiledTool,
  args: unknown,
  origins: readonly ValueOrigin[] | undefined,
): readonly ProvenanceRule[] {
  const known = new Map((origins ?? []).map((origin) => [origin.pointer, origin]));
  const suffices = (rule: ProvenanceRule, place: string): boolean => {
    const origin = known.get(place);
    return origin !== undefined && satisfies(policy, rule, origin);
  };
  return provenance.filter((rule) => !everyValue(args, rule.segments, '', (place) => suffices(rule, place)));
}

/** Of `require: user`: an approver answers for what they write with their own name. */
const people: ReadonlySet<OriginKind> = new Set(['user', 'approver']);

function satisfies(
  policy: CompiledPolicy,
  { require }: ProvenanceRule,
  { origin, trusted, tool }: ValueOrigin,
): boolean {
  if (people.has(origin)) return trusted;
  if (require === 'user' || !trusted || origin === 'model') return false;
  // The policy in force may trust less than the one under which the call was filed.
  return origin === 'system' || (tool !== undefined && trustsTool(policy, tool));
}

export function trustsTool(policy: CompiledPolicy, { name, source }: { name: string; source: string }): boolean {
  const tool = policy.tools.get(name);
  return tool !== undefined && tool.source === source && tool.rule.trusted === true;
}

/**
 * Whether `holds` is true of every value at or below the places that a path names. What is absent has no value; an empty
 * list or object is one that the model chose, and no source holds it. A value where the path goes further, such as a text
 * in place of a list, stands for what it would have held.
 */
function everyValue(
  value: unknown,
  path: readonly string[],
  place: string,
  holds: (place: string) => boolean,
): boolean {
  const [segment, ...rest] = path;
  if (value === null && segment !== undefined) return true;
  if (typeof value !== 'object' || value === null) return holds(place);
  const members = Object.entries(value);
  if (segment === undefined && members.length === 0) return false;
  return members.every(([name, member]) => {
    if (segment !== undefined && segment !== '*' && segment !== name) return true;
    return everyValue(member, rest, pointer(place, name), holds);
  });
}

/**
 * A tool's own rules for what of its arguments may be written down, by path.
 * @module
 */
import type { PolicyIssue } from '../errors.ts';

/** `hide`: not shown. `digest`: equal values can be recognised. `keep`: shown although its name looks like a secret's. */
export type Treatment = 'hide' | 'digest' | 'keep';

/** Paths of arguments as the policy writes them: JSON Pointers (RFC 6901) in which `*` stands for any member or item. */
export type RedactionPaths = Readonly<Partial<Record<Treatment, readonly string[]>>>;

/** The rules from one place in the arguments on. */
export interface RedactionRules {
  readonly treatment: Treatment | undefined;
  readonly members: ReadonlyMap<string, RedactionRules>;
}

/** Where two paths meet, the stricter one holds. */
const order: readonly Treatment[] = ['hide', 'digest', 'keep'];
const pathForm = /^(?:\/(?:[^~/]|~[01])*)+$/;
const maxDepth = 16;

/** Paths that cannot be read are among the issues. */
export function compileRedaction(paths: RedactionPaths, at: string, issues: PolicyIssue[]): RedactionRules {
  const root: MutableRules = { treatment: undefined, members: new Map<string, MutableRules>() };
  for (const treatment of order) {
    for (const [index, path] of (paths[treatment] ?? []).entries()) {
      const segments = path.slice(1).split('/');
      if (!pathForm.test(path) || segments.length > maxDepth) {
        issues.push({
          path: `${at}/${treatment}/${index}`,
          message: `expected a path such as "/card/number", got ${path}`,
        });
        continue;
      }
      let place = root;
      for (const segment of segments) place = memberOf(place, segment.replaceAll('~1', '/').replaceAll('~0', '~'));
      place.treatment ??= treatment;
    }
  }
  return root;
}

interface MutableRules {
  treatment: Treatment | undefined;
  readonly members: Map<string, MutableRules>;
}

function memberOf({ members }: MutableRules, segment: string): MutableRules {
  const known = members.get(segment) ?? { treatment: undefined, members: new Map<string, MutableRules>() };
  members.set(segment, known);
  return known;
}

/** The rules that hold for a member or an item. */
export function rulesOf(rules: readonly RedactionRules[], name: string): readonly RedactionRules[] {
  if (rules.length === 0) return rules;
  return rules.flatMap(({ members }) => [members.get(name), members.get('*')].filter((found) => found !== undefined));
}

export function treatmentOf(rules: readonly RedactionRules[]): Treatment | undefined {
  return order.find((treatment) => rules.some((rule) => rule.treatment === treatment));
}

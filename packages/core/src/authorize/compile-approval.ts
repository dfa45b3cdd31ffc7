/**
 * Compiles what a policy says about approvals: a tool's entry over its capability's over the one of the risk level over
 * the built-in default, member by member.
 * @module
 */
import type { ApprovalRule, WorkingHours } from '../approve/approval-rule.ts';
import { duration, type Compilation } from './compilation.ts';
import type { ApprovalEntry, ApprovalHours } from './policy-document.ts';
import { pointer } from './plain-document.ts';

/** The rule for each level that needs a person. */
export type ApprovalRules = Readonly<Record<'medium' | 'high', ApprovalRule>>;

const maxTtlMs = 7 * 86_400_000;
const defaults = { expires: '15m', groups: [], quorum: 1, reason: 'optional', edit: false, escalate: [] } as const;
const everyWorkday = ['mon', 'tue', 'wed', 'thu', 'fri'] as const;

/** `entries`: an entry with its JSON pointer, the most specific first. */
export function compileApprovals(
  compilation: Compilation,
  entries: readonly { readonly entry: ApprovalEntry | undefined; readonly path: string }[],
): ApprovalRules {
  const levels = compilation.document.approvals ?? {};
  const of = (risk: 'medium' | 'high'): ApprovalRule =>
    compileRule(compilation, [...entries, { entry: levels[risk], path: pointer('/approvals', risk) }]);
  return Object.freeze({ medium: of('medium'), high: of('high') });
}

function compileRule(
  compilation: Compilation,
  entries: readonly { readonly entry: ApprovalEntry | undefined; readonly path: string }[],
): ApprovalRule {
  const stated = <Name extends keyof ApprovalEntry>(name: Name) => {
    const found = entries.find(({ entry }) => entry?.[name] !== undefined);
    return { value: found?.entry?.[name], path: `${found?.path ?? ''}/${name}` };
  };
  const expires = stated('expires');
  const ttlMs = duration(compilation, expires.value ?? defaults.expires, maxTtlMs, expires.path);
  const escalate = stated('escalate');
  const steps = (escalate.value ?? defaults.escalate).map(({ after, groups }, index) => ({
    afterMs: duration(compilation, after, maxTtlMs, `${escalate.path}/${index}/after`),
    groups: Object.freeze([...groups]),
  }));
  const groups = stated('groups').value ?? defaults.groups;
  const { issues } = compilation;
  if (steps.length > 0 && groups.length === 0) {
    issues.push({ path: escalate.path, message: 'a ladder needs "groups": without them everybody may decide at once' });
  }
  for (const [index, { afterMs }] of steps.entries()) {
    const before = steps[index - 1]?.afterMs ?? 0;
    if (afterMs > before && afterMs < ttlMs) continue;
    const message = 'steps come one after the other, and before the request expires';
    issues.push({ path: `${escalate.path}/${index}/after`, message });
  }
  const hours = stated('hours');
  return Object.freeze({
    ttlMs,
    groups: Object.freeze([...groups]),
    quorum: stated('quorum').value ?? defaults.quorum,
    reasonRequired: (stated('reason').value ?? defaults.reason) === 'required',
    edit: stated('edit').value ?? defaults.edit,
    hours: hours.value && compileHours(compilation, hours.value, hours.path),
    escalation: Object.freeze(steps),
  });
}

function compileHours({ issues }: Compilation, hours: ApprovalHours, path: string): WorkingHours {
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: hours.zone });
  } catch {
    issues.push({
      path: `${path}/zone`,
      message: `expected an IANA time zone like "Europe/Berlin", got ${hours.zone}`,
    });
  }
  if (hours.from >= hours.to) {
    issues.push({
      path: `${path}/to`,
      message: `hours end after they begin, on the same day; got ${hours.from} to ${hours.to}`,
    });
  }
  return Object.freeze({ zone: hours.zone, days: hours.days ?? everyWorkday, from: hours.from, to: hours.to });
}

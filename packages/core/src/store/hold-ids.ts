/**
 * Which entries of kind `hold` stop a call: of its tenant, its user, and every agent of its chain.
 * @module
 */
import type { CallFacts } from './store.ts';

/** Who is on hold. */
export type HoldTarget = { readonly all: true } | { readonly subject: string } | { readonly agent: string };

export function holdId(target: HoldTarget): string {
  if ('subject' in target) return `subject:${target.subject}`;
  return 'agent' in target ? `agent:${target.agent}` : 'tenant';
}

export function holdIdsOf({
  subject,
  agent,
  delegation,
}: Pick<CallFacts, 'subject' | 'agent' | 'delegation'>): string[] {
  return [{ all: true } as const, { subject }, ...[...delegation, agent].map((each) => ({ agent: each }))].map(holdId);
}

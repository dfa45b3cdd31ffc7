/**
 * Compiles the credentials of a tool: their life, where a hidden one is sent, and what calls with it may cost.
 * @module
 */
import type { CredentialRequest } from '../call.ts';
import type { PolicyIssue } from '../errors.ts';
import { microsOf, type BudgetRule } from '../lease/budget.ts';
import { maxLeaseTtlMs } from '../lease/lease.ts';
import { originProblem, type FetchRule } from '../lease/lease-fetch.ts';
import { duration, type Compilation } from './compilation.ts';
import type { CompiledTool } from './compiled-policy.ts';
import { deepFreeze, pointer } from './plain-document.ts';
import type { BudgetEntry, CredentialEntry, FetchEntry } from './policy-document.ts';

export function compileCredential(compilation: Compilation, entry: CredentialEntry, path: string): CredentialRequest {
  const { issues } = compilation;
  return Object.freeze({
    service: entry.service,
    scope: deepFreeze(entry.scope ?? {}),
    ttlMs: duration(compilation, entry.ttl ?? '5m', maxLeaseTtlMs, `${path}/ttl`),
    ...(entry.acceptResidual === undefined ? {} : { acceptResidual: entry.acceptResidual }),
    ...(entry.fetch === undefined ? {} : { fetch: compileFetch(entry.fetch, `${path}/fetch`, issues) }),
    ...(entry.budget === undefined ? {} : { budget: compileBudget(entry.budget, `${path}/budget`, issues) }),
  });
}

/** Set by the client itself, or for another purpose. */
const unusableHeaders: ReadonlySet<string> = new Set([
  ...['host', 'cookie', 'content-length', 'content-type', 'transfer-encoding', 'connection', 'location', 'forwarded'],
]);

function compileFetch(entry: FetchEntry, path: string, issues: PolicyIssue[]): FetchRule {
  for (const [index, origin] of entry.origins.entries()) {
    const problem = originProblem(origin);
    if (problem !== undefined) issues.push({ path: `${path}/origins/${index}`, message: `${problem}, got ${origin}` });
  }
  const header = entry.header ?? 'authorization';
  if (unusableHeaders.has(header)) {
    issues.push({ path: `${path}/header`, message: `the header ${header} cannot carry a credential` });
  }
  const prefix = entry.prefix ?? (header === 'authorization' ? 'Bearer ' : '');
  return deepFreeze({ origins: [...entry.origins], header, prefix });
}

function compileBudget(entry: BudgetEntry, path: string, issues: PolicyIssue[]): BudgetRule {
  const { currency, window, per = 'tenant' } = entry;
  const [limit, cost] = [microsOf(entry.limit), microsOf(entry.cost)];
  for (const [name, micros] of Object.entries({ limit, cost })) {
    if (micros === undefined) issues.push({ path: `${path}/${name}`, message: 'at most six decimals are counted' });
  }
  if ((cost ?? 0) > (limit ?? 0)) {
    issues.push({ path: `${path}/cost`, message: 'a call that costs more than the limit can never run' });
  }
  return Object.freeze({ limit: limit ?? 0, cost: cost ?? Number.MAX_SAFE_INTEGER, currency, window, per });
}

/** Two limits for one service would both be passed. */
export function requireOneBudget(tools: ReadonlyMap<string, CompiledTool>, issues: PolicyIssue[]): void {
  const stated = new Map<string, { readonly tool: string; readonly terms: string }>();
  for (const { name, rule } of tools.values()) {
    for (const { service, budget } of rule.credentials) {
      if (budget === undefined) continue;
      const terms = [budget.limit, budget.currency, budget.window, budget.per].join(' ');
      const first = stated.get(service);
      if (first === undefined) stated.set(service, { tool: name, terms });
      else if (first.terms !== terms) {
        const message = `the budget of service ${service} is another one for tool ${first.tool}; state one and the same`;
        issues.push({ path: pointer('/tools', name), message });
      }
    }
  }
}

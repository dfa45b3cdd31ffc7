/**
 * Several policy documents as one authorizer, each for its own tenants.
 * @module
 */
import type { Decision } from '../call.ts';
import { ConfigurationError } from '../errors.ts';
import type { Authorizer } from './authorize.ts';
import type { Policy } from './policy.ts';

/** Throws {@link ConfigurationError} when two policies name the same tenant: neither would be known to be the one in force. */
export function combinePolicies(policies: readonly Policy[]): Authorizer {
  const byTenant = new Map<string, Policy>();
  for (const policy of policies) {
    for (const tenant of policy.tenants) {
      const other = byTenant.get(tenant);
      if (other !== undefined) {
        throw new ConfigurationError(`tenant "${tenant}" is in two policies: ${other.name} and ${policy.name}`);
      }
      byTenant.set(tenant, policy);
    }
  }
  return Object.freeze({
    decide: (subject, tool, args, provenance) =>
      byTenant.get(subject.tenant)?.decide(subject, tool, args, provenance) ?? unknownTenant,
    trusts: (tenant, tool) => byTenant.get(tenant)?.trusts(tenant, tool) === true,
    version: (tenant) => byTenant.get(tenant)?.version(tenant),
    tools: (tenant) => byTenant.get(tenant)?.tools(tenant) ?? [],
    permittedTools: (subject) => byTenant.get(subject.tenant)?.permittedTools(subject) ?? [],
  } satisfies Authorizer);
}

const unknownTenant: Decision = Object.freeze({
  verdict: 'deny',
  capability: undefined,
  risk: 'high',
  reasons: Object.freeze([Object.freeze({ code: 'tenant_unknown', detail: 'no policy names this tenant' })]),
  policyVersion: '',
  ruleDigest: '',
} satisfies Decision);

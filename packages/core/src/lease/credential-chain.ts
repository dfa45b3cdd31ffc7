/**
 * Several sources of credentials in the order of their strength.
 * @module
 */
import type { CredentialProvider } from './lease.ts';

/**
 * Leaves each service to the first provider that serves it. The choice is made once, by name: a provider that fails is
 * not replaced by the next, weaker one, and each keeps what it says about revocation.
 */
export function credentialChain(providers: readonly CredentialProvider[]): readonly CredentialProvider[] {
  const taken = new Set<string>();
  return providers.map((provider) => {
    const services = provider.services.filter((service) => !taken.has(service));
    for (const service of services) taken.add(service);
    return services.length === provider.services.length ? provider : narrowed(provider, services);
  });
}

function narrowed(provider: CredentialProvider, services: readonly string[]): CredentialProvider {
  const { name, maxLifetimeMs, revocable, findable } = provider;
  return {
    ...{ name, services, maxLifetimeMs, revocable, findable },
    get: (request) => provider.get(request),
    provision: (input) => provider.provision(input),
    // Of everything it ever issued, also before another took the service over.
    revoke: (input) => provider.revoke(input),
    rotate: (input) => provider.rotate(input),
    ...(provider.retire === undefined ? {} : { retire: (input) => provider.retire?.(input) ?? Promise.resolve() }),
  };
}

/**
 * What both providers are told about tenants and services, and how a request finds its entry.
 * @module
 */
import { isDeepStrictEqual } from 'node:util';
import { ConfigurationError, LeaseError } from '@countersign/core';
import { separatesTenants } from './path.ts';
import type { VaultConnection } from './vault-connection.ts';

/** Tenant → the connection that serves it. A tenant that is not here gets nothing. */
export type Tenants = Readonly<Record<string, VaultConnection>>;

/** One thing that a service can give. A request gets it if its scope is this very scope; default none. */
export interface Scoped {
  readonly scope?: Readonly<Record<string, unknown>>;
}

export function connectionOf(tenants: Tenants, tenant: string): VaultConnection {
  const found = Object.hasOwn(tenants, tenant) ? tenants[tenant] : undefined;
  if (found !== undefined) return found;
  throw new LeaseError('this tenant has no connection to Vault; add it to the tenants of the provider');
}

export function entryOf<Entry extends Scoped>(
  entries: readonly Entry[] | undefined,
  { service, scope }: { readonly service: string; readonly scope: Readonly<Record<string, unknown>> },
): Entry {
  if (entries === undefined) throw new LeaseError(`service ${service} is not offered here`);
  const found = entries.find((entry) => isDeepStrictEqual(entry.scope ?? {}, { ...scope }));
  if (found !== undefined) return found;
  throw new LeaseError(`service ${service}: nothing in Vault is configured for this very scope`);
}

/** The own entry of `record` for `name`: a service may be called `constructor`. */
export function ownEntry<Value>(record: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Two tenants in one namespace must not meet in one path. Throws `ConfigurationError`. */
export function checkTenants(name: string, tenants: Tenants, templates: readonly string[]): void {
  const all = Object.keys(tenants);
  if (all.length === 0) throw new ConfigurationError(`${name}: expected at least one tenant`);
  const places = new Set(Object.values(tenants).map(({ place }) => place));
  if (places.size === all.length) return;
  const shared = templates.find((template) => !separatesTenants(template));
  if (shared === undefined) return;
  throw new ConfigurationError(
    `${name}: tenants share a namespace, so ${shared} needs {tenant}, or each tenant a namespace of its own`,
  );
}

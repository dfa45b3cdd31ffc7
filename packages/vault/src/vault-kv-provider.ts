/**
 * Static secrets from a KV engine (version 2) of Vault.
 *
 * A static secret can be neither narrowed nor revoked, and KV gives no lease. So a request gets one only for the very
 * scope that it is configured with, the policy must accept the residual validity, and the secret must say until when it
 * is good: `expires_at` in its custom metadata, an ISO 8601 time at most 90 days ahead.
 * @module
 */
import { ConfigurationError, LeaseError, Secret } from '@countersign/core';
import type { CredentialProvider, LeaseRequest } from '@countersign/core';
import { checkPath, checkTemplate, fillPath } from './path.ts';
import { checkTenants, connectionOf, entryOf, ownEntry } from './services.ts';
import type { Scoped, Tenants } from './services.ts';
import { membersOf } from './vault-answer.ts';

const dayMs = 86_400_000;
const maxSecretLifeMs = 90 * dayMs;
const warnBeforeMs = 7 * dayMs;

export interface KvService {
  /** Where the engine is mounted, for example `secret`. */
  readonly mount: string;
  readonly secrets: readonly KvSecret[];
}

export interface KvSecret extends Scoped {
  /** For example `agents/{tenant}/{agent}/tickets`: `{tenant}`, `{user}` and `{agent}` stand for ids of the request. */
  readonly path: string;
  /** Of one field the secret is its value; of several a JSON object of them. */
  readonly fields: readonly string[];
}

/** A secret in its last seven days. */
export interface ExpiringSecret {
  readonly tenant: string;
  readonly service: string;
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface VaultKvProviderOptions {
  /** Default `vault-kv`. */
  readonly name?: string;
  readonly tenants: Tenants;
  readonly services: Readonly<Record<string, KvService>>;
  /** Told at every use of a secret in its last seven days. */
  readonly onExpiring: (secret: ExpiringSecret) => void;
}

type Wanted = Pick<LeaseRequest, 'tenant' | 'agent' | 'service' | 'scope'> & { readonly user?: string };

/** Throws `ConfigurationError`. A secret is read at every lease, so that one replaced at Vault is replaced here at once. */
export function vaultKvProvider(options: VaultKvProviderOptions): CredentialProvider {
  const { name = 'vault-kv', tenants, onExpiring } = options;
  const services = { ...options.services };
  checkConfiguration(name, tenants, services);
  const find = async (wanted: Wanted): Promise<{ readonly value: string; readonly expiresAt: number }> => {
    const service = ownEntry(services, wanted.service);
    const entry = entryOf(service?.secrets, wanted);
    const connection = connectionOf(tenants, wanted.tenant);
    const path = fillPath(entry.path, wanted);
    const what = `service ${wanted.service}`;
    const { body } = await connection.read({ what, path: `${service?.mount}/data/${path}` });
    const now = connection.clock();
    const expiresAt = expiryOf(what, path, body, now);
    if (expiresAt <= now + warnBeforeMs) {
      warn(onExpiring, { tenant: wanted.tenant, service: wanted.service, path, expiresAt });
    }
    return { value: valueOf(what, path, entry.fields, body), expiresAt };
  };
  return {
    name,
    services: Object.freeze(Object.keys(services)),
    maxLifetimeMs: maxSecretLifeMs,
    revocable: false,
    findable: false,
    async get(request) {
      const { value, expiresAt } = await find(request);
      return { credentialId: request.leaseId, secret: new Secret(value), expiresAt };
    },
    /** Nothing to prepare: succeeds when the secret can be had. */
    async provision(input) {
      await find(input);
    },
    async revoke() {
      throw new LeaseError(
        'a static secret cannot be revoked here; revoke it at its service, then destroy it in Vault',
      );
    },
    async rotate({ service }) {
      throw new LeaseError(`service ${service}: replace the secret at its service, then write a new version to Vault`);
    },
  };
}

function expiryOf(what: string, path: string, body: Readonly<Record<string, unknown>>, now: number): number {
  const metadata = membersOf(membersOf(body['data'])['metadata']);
  const stated = membersOf(metadata['custom_metadata'])['expires_at'];
  const expiresAt =
    typeof stated === 'string' && /^\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})$/.test(stated)
      ? Date.parse(stated)
      : NaN;
  if (!Number.isSafeInteger(expiresAt) || expiresAt > now + maxSecretLifeMs) {
    throw new LeaseError(
      `${what}: expected expires_at in the custom metadata of ${path}, an ISO 8601 time within 90 days`,
    );
  }
  if (expiresAt <= now) throw new LeaseError(`${what}: the secret at ${path} has expired; write a new one`);
  return expiresAt;
}

function valueOf(
  what: string,
  path: string,
  fields: readonly string[],
  body: Readonly<Record<string, unknown>>,
): string {
  const data = membersOf(membersOf(body['data'])['data']);
  const found = fields.map((field) => {
    const value = Object.hasOwn(data, field) ? data[field] : undefined;
    if (typeof value === 'string' && value !== '') return [field, value] as const;
    throw new LeaseError(
      `${what}: the secret at ${path} has no text in field ${field}; write it, or name another field`,
    );
  });
  return found.length === 1 ? String(found[0]?.[1]) : JSON.stringify(Object.fromEntries(found));
}

function warn(onExpiring: VaultKvProviderOptions['onExpiring'], secret: ExpiringSecret): void {
  try {
    onExpiring(secret);
  } catch {
    // A broken warning is no reason to refuse a secret that is still good.
  }
}

function checkConfiguration(name: string, tenants: Tenants, services: Readonly<Record<string, KvService>>): void {
  for (const [service, { mount, secrets }] of Object.entries(services)) {
    if (secrets.length === 0 || secrets.some(({ fields }) => fields.length === 0)) {
      throw new ConfigurationError(`${name}, service ${service}: expected secrets, each with at least one field`);
    }
    checkPath(`${name}, service ${service}, mount`, mount);
    for (const { path } of secrets) checkTemplate(`${name}, service ${service}, path`, path);
    checkTenants(
      name,
      tenants,
      secrets.map(({ path }) => path),
    );
  }
}

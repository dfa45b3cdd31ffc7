/**
 * Credentials that Vault makes for one call and ends with it: dynamic secrets (database and other engines that answer at
 * `<mount>/creds/<role>`), each under a lease of Vault.
 *
 * A credential ends three times: when the call ends (`sys/leases/revoke`, synchronously), when its lease at Vault runs
 * out, and when the login that it was issued to ends. The last two need nobody, so what a crash leaves behind before its
 * lease was noted is gone within the lease's life.
 * @module
 */
import { ConfigurationError, LeaseError, Secret } from '@countersign/core';
import type { Credential, CredentialProvider, LeaseRequest } from '@countersign/core';
import { checkPath, checkTemplate, fillPath } from './path.ts';
import { checkTenants, connectionOf, entryOf, ownEntry } from './services.ts';
import type { Scoped, Tenants } from './services.ts';
import { membersOf } from './vault-answer.ts';
import type { VaultConnection } from './vault-connection.ts';

/** In milliseconds. A role whose lease would live longer before it is shortened is refused. */
const maxLifetimeMs = 900_000;

export interface DynamicService {
  /** Where the engine is mounted, for example `database`. */
  readonly mount: string;
  /** The role at Vault for each scope; `{tenant}`, `{user}` and `{agent}` stand for ids of the request. */
  readonly roles: readonly (Scoped & { readonly role: string })[];
  /** The engine's connection whose root password `rotate` replaces, for example `orders-db`. */
  readonly connection?: string;
}

export interface VaultDynamicProviderOptions {
  /** Default `vault-dynamic`. */
  readonly name?: string;
  readonly tenants: Tenants;
  readonly services: Readonly<Record<string, DynamicService>>;
}

/**
 * The secret of a lease is a JSON object of what the engine gives, for a database `username` and `password`.
 * Throws `ConfigurationError`.
 */
export function vaultDynamicProvider(options: VaultDynamicProviderOptions): CredentialProvider {
  const { name = 'vault-dynamic', tenants } = options;
  const services = { ...options.services };
  checkConfiguration(name, tenants, services);
  const locate = (
    request: Pick<LeaseRequest, 'tenant' | 'agent' | 'service' | 'scope'> & { readonly user?: string },
  ): { readonly connection: VaultConnection; readonly path: string } => {
    const service = ownEntry(services, request.service);
    const { role } = entryOf(service?.roles, request);
    const connection = connectionOf(tenants, request.tenant);
    return { connection, path: `${service?.mount}/creds/${fillPath(role, request)}` };
  };
  return {
    name,
    services: Object.freeze(Object.keys(services)),
    maxLifetimeMs,
    revocable: true,
    findable: false,
    async get(request) {
      const { connection, path } = locate(request);
      return issue(connection, path, request);
    },
    /** Roles are made by whoever administers Vault: this checks that the login may use the one for this scope. */
    async provision(input) {
      const { connection, path } = locate(input);
      const what = `service ${input.service}`;
      const body = await connection.write({ what, path: 'sys/capabilities-self', body: { paths: [path] } });
      const capabilities = body[path] ?? membersOf(body['data'])[path];
      if (Array.isArray(capabilities) && capabilities.includes('read')) return;
      throw new LeaseError(`${what}: the login may not read ${path}; allow it in a policy of Vault`);
    },
    async revoke({ tenant, credentialId }) {
      // Without it nothing was issued, or Vault ends it by itself.
      if (credentialId === undefined) return;
      if (!isLeaseOf(services, credentialId)) throw new LeaseError(`${name}: not the id of a lease from here`);
      await revokeLease(connectionOf(tenants, tenant), `provider ${name}`, credentialId);
    },
    async rotate({ tenant, service }) {
      const found = ownEntry(services, service);
      if (found === undefined) throw new LeaseError(`service ${service} is not offered here`);
      if (found.connection === undefined) {
        throw new LeaseError(`service ${service}: name the connection of the engine to rotate its root credential`);
      }
      const path = `${found.mount}/rotate-root/${found.connection}`;
      await connectionOf(tenants, tenant).write({ what: `service ${service}`, path, body: {} });
    },
  };
}

/** An answer of `<mount>/creds/<role>`. */
interface Issued {
  readonly leaseId: string;
  readonly endsAt: number;
  readonly renewable: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
}

async function issue(connection: VaultConnection, path: string, request: LeaseRequest): Promise<Credential> {
  const what = `service ${request.service}`;
  const seconds = Math.floor(request.ttlMs / 1000);
  if (!(seconds >= 1)) throw new LeaseError(`${what}: expected a life of at least 1000 ms, got ${request.ttlMs}`);
  const startedAt = connection.clock();
  const { body, loginEndsAt } = await connection.read({ what, path, atLeastMs: request.ttlMs });
  const issued = toIssued(what, path, body, startedAt);
  try {
    requireTexts(what, issued.fields);
    const endsAt = await fit(connection, what, issued, startedAt, seconds);
    return {
      credentialId: issued.leaseId,
      secret: new Secret(JSON.stringify(issued.fields)),
      expiresAt: Math.min(endsAt, loginEndsAt),
    };
  } catch (error) {
    // Nobody will hear of this credential: end it, or leave it to the end of its lease.
    await revokeLease(connection, what, issued.leaseId).catch(() => undefined);
    throw error;
  }
}

function toIssued(what: string, path: string, body: Readonly<Record<string, unknown>>, startedAt: number): Issued {
  const { lease_id: leaseId, lease_duration: seconds, renewable, data } = body;
  if (typeof leaseId !== 'string' || leaseId === '' || typeof seconds !== 'number' || !(seconds > 0)) {
    throw new LeaseError(`${what}: expected a lease at ${path}, got none; is it the path of a dynamic secret?`);
  }
  const fields = membersOf(data);
  return { leaseId, endsAt: startedAt + seconds * 1000, renewable: renewable === true, fields };
}

function requireTexts(what: string, fields: Readonly<Record<string, unknown>>): void {
  if (Object.values(fields).some((value) => typeof value === 'string' && value !== '')) return;
  throw new LeaseError(`${what}: expected a credential in the data of the lease, got none`);
}

/**
 * Makes the lease last as long as the call may: a renewal sets its end, sooner or later, and the engine sets it at its
 * service too. Answers when it ends. What Vault answers counts, not what was asked for.
 */
async function fit(
  connection: VaultConnection,
  what: string,
  issued: Issued,
  startedAt: number,
  seconds: number,
): Promise<number> {
  const wanted = startedAt + seconds * 1000;
  if (issued.endsAt === wanted) return wanted;
  if (issued.endsAt > startedAt + maxLifetimeMs) {
    throw new LeaseError(`${what}: the lease would live longer than 15 minutes; set default_ttl of its role to less`);
  }
  if (!issued.renewable) {
    if (issued.endsAt < wanted) return issued.endsAt;
    throw new LeaseError(`${what}: the lease outlives the call and cannot be shortened; lower default_ttl of its role`);
  }
  const renewedAt = connection.clock();
  const increment = Math.max(1, Math.floor((wanted - renewedAt) / 1000));
  const renewed = await connection.write({
    what,
    path: 'sys/leases/renew',
    body: { lease_id: issued.leaseId, increment },
  });
  const granted = renewed['lease_duration'];
  if (typeof granted !== 'number' || !(granted > 0)) throw new LeaseError(`${what}: the lease could not be renewed`);
  const endsAt = renewedAt + granted * 1000;
  if (endsAt <= wanted) return endsAt;
  throw new LeaseError(`${what}: the lease outlives the call and was not shortened; lower default_ttl of its role`);
}

/** Waits until the credential is gone at its service. Idempotent: a lease that is over is no error at Vault. */
async function revokeLease(connection: VaultConnection, what: string, leaseId: string): Promise<void> {
  await connection.write({ what, path: 'sys/leases/revoke', body: { lease_id: leaseId, sync: true } });
}

/** Only leases of the engines configured here: the handle comes from a store, and the login may revoke more. */
function isLeaseOf(services: Readonly<Record<string, DynamicService>>, leaseId: string): boolean {
  return Object.values(services).some(({ mount }) => {
    const prefix = `${mount}/creds/`;
    return leaseId.startsWith(prefix) && /^[A-Za-z0-9_-]+(?:\/[A-Za-z0-9_.-]+)+$/.test(leaseId.slice(prefix.length));
  });
}

function checkConfiguration(name: string, tenants: Tenants, services: Readonly<Record<string, DynamicService>>): void {
  for (const [service, { mount, roles, connection }] of Object.entries(services)) {
    if (roles.length === 0) throw new ConfigurationError(`${name}, service ${service}: expected at least one role`);
    checkPath(`${name}, service ${service}, mount`, mount);
    if (connection !== undefined) checkPath(`${name}, service ${service}, connection`, connection);
    for (const { role } of roles) checkTemplate(`${name}, service ${service}, role`, role);
    checkTenants(
      name,
      tenants,
      roles.map(({ role }) => role),
    );
  }
}

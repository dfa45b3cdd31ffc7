/**
 * The credential provider of one service: finds the user's connection, keeps it fresh, and gives each call its token.
 * @module
 */
import {
  LeaseError,
  Secret,
  type Consent,
  type Credential,
  type CredentialProvider,
  type LeaseRequest,
} from '@countersign/core';
import type { Sealer } from '@countersign/core/provider-kit';
import type { Tokens } from './authorization-server.ts';
import { consentUrl, type ConsentContext } from './consent.ts';
import { failure, refusalOf } from './failure.ts';
import { freshen, type RefreshContext } from './refresh.ts';
import {
  includesAll,
  sorted,
  wantedScope,
  type DirectLease,
  type ExchangeLease,
  type OAuthService,
  type WantedScope,
} from './service.ts';
import { connectionId, type Connection, type Place, type Stored } from './vault.ts';

export interface ProviderContext extends RefreshContext {
  readonly consent: ConsentContext;
  readonly sealer: Sealer;
}

/** One call, with everything that is known of its user's connection. */
interface Lending {
  readonly request: LeaseRequest;
  readonly wanted: WantedScope;
  readonly place: Place;
}

/** How far the clock of a server may be ahead, in milliseconds: gates allow as much. */
const skewMs = 5_000;
/** What a gate takes as a credential id. */
const maxHandleLength = 4_096;

export function createProvider(context: ProviderContext): CredentialProvider {
  const { service } = context;
  const { lease } = service;
  const requireService = (name: string): void => {
    if (name !== service.name) throw new LeaseError(`service ${name} is not offered here`);
  };
  return {
    name: `oauth:${service.name}`,
    services: Object.freeze([service.name]),
    maxLifetimeMs: lease.maxLifetimeMs,
    revocable: isRevocable(lease),
    // A token that was issued and not noted is known to its server alone.
    findable: false,
    async get(request) {
      requireService(request.service);
      return asLeaseError(service, 'get', () => lend(context, request));
    },
    /** Nothing to prepare but the scope: consent is the user's. */
    async provision(input) {
      requireService(input.service);
      wantedScope(service, input.scope);
    },
    async revoke({ tenant, leaseId, credentialId }) {
      if (!isRevocable(lease))
        throw new LeaseError(`service ${service.name}: the token is the user's own and not revoked`);
      if (credentialId === undefined) return;
      const token = openHandle(context, tenant, leaseId, credentialId);
      await asLeaseError(service, 'revoke', () => context.server.revoke(token, 'access_token'));
    },
    async rotate(input) {
      requireService(input.service);
      throw new LeaseError(
        `service ${service.name}: give \`client.secret\` as a function, and register the new secret at the service; ` +
          'users’ tokens rotate by themselves',
      );
    },
  };
}

function isRevocable(lease: ExchangeLease | DirectLease): boolean {
  return lease.mode === 'exchange' && lease.revocable !== false;
}

async function lend(context: ProviderContext, request: LeaseRequest): Promise<Credential | Consent> {
  const { service, vault } = context;
  const wanted = wantedScope(service, request.scope);
  const key = await vault.subject(request.tenant, request.user);
  const own = service.lease.mode === 'direct' ? wanted.scopes : undefined;
  const place: Place = { kind: 'token', tenant: request.tenant, id: connectionId(key, service.name, own), key };
  const lending: Lending = { request, wanted, place };
  const stored = await vault.load<Connection>(place);
  if (stored === undefined || !(await isUsable(context, stored.value, wanted))) return ask(context, lending, stored);
  const connection = await freshen(context, { place, stored, agent: request.agent, force: false });
  if (connection === undefined) return ask(context, lending, undefined);
  if (!includesAll(connection.scopes, wanted.scopes)) return ask(context, lending, { ...stored, value: connection });
  if (service.lease.mode === 'direct') return lendItself(context, lending, connection, service.lease);
  return lendExchanged(context, lending, { ...stored, value: connection }, service.lease);
}

/** Tokens of another server or client are never shown to this one. */
async function isUsable(
  { service, server }: ProviderContext,
  connection: Connection,
  wanted: WantedScope,
): Promise<boolean> {
  return (
    connection.service === service.name &&
    connection.clientId === service.client.id &&
    includesAll(connection.scopes, wanted.scopes) &&
    connection.issuer === (await server.issuer())
  );
}

/** Asks for all that the user granted before, too: most servers forget what is not asked for again. */
function ask(
  context: ProviderContext,
  { request, wanted, place }: Lending,
  before: Stored<Connection> | undefined,
): Consent {
  const scopes = sorted([...wanted.scopes, ...(before?.value.scopes ?? [])]);
  const offer = { service: context.service.name, scopes, run: request.run };
  return { consentUrl: consentUrl(context.consent, request.tenant, place.key, offer) };
}

function lendItself(
  { service, now }: ProviderContext,
  { request }: Lending,
  { accessToken, expiresAt }: Connection,
  { maxLifetimeMs }: DirectLease,
): Credential {
  if (expiresAt > now() + maxLifetimeMs + skewMs) throw livesTooLong(service, expiresAt - now());
  return { credentialId: request.leaseId, secret: new Secret(accessToken), expiresAt };
}

async function lendExchanged(
  context: ProviderContext,
  lending: Lending,
  stored: Stored<Connection>,
  lease: ExchangeLease,
): Promise<Credential | Consent> {
  const { service, server } = context;
  if (isRevocable(lease) && !(await server.revokes()))
    throw new LeaseError(`service ${service.name}: the server revokes nothing; remedy: set \`lease.revocable: false\``);
  const actorToken = (await lease.actor(lending.request)).reveal();
  const exchange = (subjectToken: string): Promise<Tokens> =>
    server.exchange({ subjectToken, actorToken, ...lending.wanted });
  try {
    return await toCredential(context, lending, await exchange(stored.value.accessToken), lease);
  } catch (error) {
    // RFC 8693 §2.2.2 says invalid_request for a bad subject token, and servers say invalid_grant.
    const refusal = refusalOf(error);
    if (refusal !== 'invalid_grant' && refusal !== 'invalid_request') throw failure(service.name, 'exchange', error);
  }
  // The user's token may be dead before its time, as after a consent that was withdrawn at the server.
  const input = { place: lending.place, stored, agent: lending.request.agent, force: true };
  const renewed = await freshen(context, input);
  if (renewed === undefined) return ask(context, lending, undefined);
  try {
    return await toCredential(context, lending, await exchange(renewed.accessToken), lease);
  } catch (error) {
    throw failure(service.name, 'exchange', error);
  }
}

/** What is not as it was asked for is ended again, and refused. */
async function toCredential(
  context: ProviderContext,
  { request, wanted }: Lending,
  tokens: Tokens,
  lease: ExchangeLease,
): Promise<Credential> {
  const { service, server } = context;
  try {
    const expiresAt = requireExchanged(context, wanted, tokens, lease);
    const secret = new Secret(tokens.accessToken);
    return { credentialId: sealHandle(context, request, tokens.accessToken), secret, expiresAt };
  } catch (error) {
    await server.revoke(tokens.accessToken, 'access_token').catch(() => undefined);
    throw failure(service.name, 'exchange', error);
  }
}

function requireExchanged(
  { service, now }: ProviderContext,
  wanted: WantedScope,
  { scopes = wanted.scopes, expiresAt }: Tokens,
  lease: ExchangeLease,
): number {
  const what = `service ${service.name}, exchange:`;
  if (!includesAll(scopes, wanted.scopes))
    throw new LeaseError(`${what} the server gave fewer scopes than the call needs; remedy: allow them for the client`);
  if (!includesAll(wanted.scopes, scopes))
    throw new LeaseError(
      `${what} the server gave more scopes than the call may have; remedy: make it narrow exchanges`,
    );
  if (expiresAt === undefined)
    throw new LeaseError(
      `${what} the server does not say how long the token lives; remedy: set \`accessTokenLifetimeMs\``,
    );
  if (expiresAt > now() + lease.maxLifetimeMs + skewMs) throw livesTooLong(service, expiresAt - now());
  return expiresAt;
}

function livesTooLong({ name, lease }: OAuthService, lifetimeMs: number): LeaseError {
  return new LeaseError(
    `service ${name}: expected tokens of at most ${lease.maxLifetimeMs} ms, got one of ${lifetimeMs} ms; ` +
      'remedy: shorten them at the server, or declare `lease.maxLifetimeMs`',
  );
}

/** The token itself, sealed: a server revokes nothing else. */
function sealHandle({ sealer, service }: ProviderContext, { tenant, leaseId }: LeaseRequest, token: string): string {
  const handle = sealer.tenant(tenant).seal(token, handleContext(service, leaseId));
  if (handle.length <= maxHandleLength) return handle;
  throw new LeaseError(
    `service ${service.name}: expected an exchanged token of at most 3000 characters, got a longer one`,
  );
}

function openHandle({ sealer, service }: ProviderContext, tenant: string, leaseId: string, handle: string): string {
  try {
    return sealer.tenant(tenant).open(handle, handleContext(service, leaseId));
  } catch {
    throw new LeaseError(`service ${service.name}: expected a credential id that this provider gave for this lease`);
  }
}

function handleContext({ name }: OAuthService, leaseId: string): string {
  return `oauth|lease|${name}|${leaseId}`;
}

async function asLeaseError<Value>({ name }: OAuthService, step: string, run: () => Promise<Value>): Promise<Value> {
  try {
    return await run();
  } catch (error) {
    throw failure(name, step, error);
  }
}

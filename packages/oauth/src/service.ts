/**
 * What is configured for each service: its authorization server, our client there, and how calls get credentials.
 * @module
 */
import type { webcrypto } from 'node:crypto';
import { ConfigurationError, LeaseError, type LeaseRequest, type Secret } from '@countersign/core';

/** A service that users connect. */
export interface OAuthService {
  /** As policies name it: `credentials: [{ service: calendar, … }]`. Lower-case letters, digits and `-`. */
  readonly name: string;
  readonly server: ServerSource;
  readonly client: OAuthClient;
  readonly lease: LeaseMode;
  /** Asked for beside what a call needs, e.g. `openid` or `offline_access`. They are no permission of a call. */
  readonly baseScopes?: readonly string[];
  /** RFC 8707: the API that tokens are for, an absolute URI without fragment. */
  readonly resource?: string;
  /** What this server wants at its authorization endpoint beside the standard, e.g. `{ access_type: 'offline' }`. */
  readonly authorizationParameters?: Readonly<Record<string, string>>;
  /** Between the scopes in an answer; RFC 6749 §3.3 says a space, and some servers a comma. Default space. */
  readonly scopeSeparator?: ' ' | ',';
  /** How long an access token lives where the server does not say, in milliseconds. Without it such an answer is refused. */
  readonly accessTokenLifetimeMs?: number;
}

export type ServerSource =
  /** Metadata is fetched from the issuer: OpenID Connect Discovery (default) or RFC 8414. */
  | { readonly issuer: string; readonly discovery?: 'oidc' | 'oauth2' }
  /** For servers that publish none. */
  | { readonly metadata: ServerMetadata };

/** Members of RFC 8414 §2. */
export interface ServerMetadata {
  readonly issuer: string;
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
  readonly revocation_endpoint?: string;
  /** Whether answers of the authorization endpoint name their issuer (RFC 9207). */
  readonly authorization_response_iss_parameter_supported?: boolean;
}

export interface OAuthClient {
  readonly id: string;
  /** Asked at every use where it is a function, so that a rotated secret is picked up. A public client has none. */
  readonly secret?: Secret | (() => Secret | Promise<Secret>);
  /** How the secret is presented (RFC 6749 §2.3.1). Default `basic`. */
  readonly method?: 'basic' | 'post';
  /** In place of a secret: authenticates by a signed assertion (RFC 7523, `private_key_jwt`). */
  readonly privateKey?: webcrypto.CryptoKey;
}

export type LeaseMode = ExchangeLease | DirectLease;

/**
 * Each call gets a token of its own by token exchange (RFC 8693): for its scopes only, with the agent as the actor, and
 * revoked (RFC 7009) when the call has ended.
 */
export interface ExchangeLease {
  readonly mode: 'exchange';
  /** Longest life of an exchanged token, in milliseconds. One that lives longer is revoked and refused. */
  readonly maxLifetimeMs: number;
  /** Whether the server revokes exchanged tokens. Default `true`; a server without a revocation endpoint then fails. */
  readonly revocable?: boolean;
  /** RFC 8693 §2.1 `audience`, where the server knows the API by a name. */
  readonly audience?: string;
  /** The agent's own token. It must name this agent, and the server must trust its issuer: see `actorTokens`. */
  readonly actor: (request: LeaseRequest) => Secret | Promise<Secret>;
}

/**
 * The call gets the user's access token itself, for servers without token exchange. Users consent to each set of scopes
 * on its own, so that a token has the call's scopes and no more. It cannot be revoked per call and outlives it:
 * policies must accept the residual validity.
 */
export interface DirectLease {
  readonly mode: 'direct';
  /** Longest life of an access token, in milliseconds. One that lives longer is refused. */
  readonly maxLifetimeMs: number;
}

/** What one call may do at the service, from the `scope` of its policy entry: `{ scopes: [...], resource? }`. */
export interface WantedScope {
  /** Sorted, without duplicates. */
  readonly scopes: readonly string[];
  readonly resource: string | undefined;
}

const nameForm = /^[a-z0-9][a-z0-9-]{0,63}$/;
/** RFC 6749 §3.3, without the comma that some servers separate with. */
const scopeForm = /^[\x21\x23-\x2b\x2d-\x5b\x5d-\x7e]{1,256}$/;
const maxScopes = 64;
const members: ReadonlySet<string> = new Set(['scopes', 'resource']);

/** @throws ConfigurationError */
export function requireService(service: OAuthService): OAuthService {
  const fail = (what: string): never => {
    throw new ConfigurationError(`OAuth service ${JSON.stringify(service?.name)}: ${what}`);
  };
  if (typeof service?.name !== 'string' || !nameForm.test(service.name)) fail(`the name must match ${nameForm.source}`);
  const { client, lease, baseScopes = [], resource, accessTokenLifetimeMs } = service;
  if (typeof client?.id !== 'string' || client.id === '') fail('`client.id` is missing');
  if (client.secret !== undefined && client.privateKey !== undefined)
    fail('give `client.secret` or `client.privateKey`');
  if (lease?.mode !== 'exchange' && lease?.mode !== 'direct') fail("`lease.mode` must be 'exchange' or 'direct'");
  if (!isLifetime(lease.maxLifetimeMs)) fail('`lease.maxLifetimeMs` must be a positive number of milliseconds');
  if (lease.mode === 'exchange' && typeof lease.actor !== 'function') fail('`lease.actor` must give the agent’s token');
  if (accessTokenLifetimeMs !== undefined && !isLifetime(accessTokenLifetimeMs))
    fail('`accessTokenLifetimeMs` must be a positive number of milliseconds');
  if (!baseScopes.every((scope) => scopeForm.test(scope))) fail('`baseScopes` holds what is no scope');
  if (resource !== undefined && !isResource(resource)) fail('`resource` must be an absolute URI without fragment');
  return service;
}

/** @throws LeaseError when the policy's scope is not one of this kind: nothing is leased for what is not understood */
export function wantedScope(service: OAuthService, scope: Readonly<Record<string, unknown>>): WantedScope {
  const fail = (what: string): never => {
    throw new LeaseError(`service ${service.name}: ${what}; remedy: correct \`scope\` in the tool's policy entry`);
  };
  const unknown = Object.keys(scope).find((member) => !members.has(member));
  if (unknown !== undefined)
    fail(`expected \`scope\` to hold scopes and resource, got ${JSON.stringify(unknown.slice(0, 40))}`);
  const { scopes, resource } = scope;
  if (!isScopeList(scopes)) return fail('expected `scope.scopes` to be a list of 1 to 64 OAuth scopes');
  if (resource !== undefined && (typeof resource !== 'string' || !isResource(resource)))
    return fail('expected `scope.resource` to be an absolute URI without fragment');
  if (resource !== undefined && resource !== service.resource && service.lease.mode === 'direct')
    return fail('a token that is not exchanged is for the resource of its service only');
  return { scopes: sorted(scopes), resource: resource ?? service.resource };
}

export function sorted(scopes: Iterable<string>): readonly string[] {
  return [...new Set(scopes)].toSorted();
}

export function includesAll(granted: readonly string[], wanted: readonly string[]): boolean {
  const has = new Set(granted);
  return wanted.every((scope) => has.has(scope));
}

function isScopeList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= maxScopes &&
    value.every((scope) => typeof scope === 'string' && scopeForm.test(scope))
  );
}

function isLifetime(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isResource(value: string): boolean {
  const url = URL.parse(value);
  return url !== null && !value.includes('#') && value.length <= 2_048;
}

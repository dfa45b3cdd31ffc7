/**
 * The authorization server of one service, as the few requests that are made to it.
 * @module
 */
import {
  authorizationCodeGrantRequest,
  calculatePKCECodeChallenge,
  ClientSecretBasic,
  ClientSecretPost,
  clockTolerance,
  genericTokenEndpointRequest,
  getValidatedIdTokenClaims,
  None,
  PrivateKeyJwt,
  processAuthorizationCodeResponse,
  processGenericTokenEndpointResponse,
  processRefreshTokenResponse,
  processRevocationResponse,
  refreshTokenGrantRequest,
  revocationRequest,
  validateAuthResponse,
  type Client,
  type ClientAuth,
  type TokenEndpointResponse,
} from 'oauth4webapi';
import { LeaseError } from '@countersign/core';
import { metadataOf, type Metadata } from './server-metadata.ts';
import type { OAuthService } from './service.ts';
import type { Transport } from './transport.ts';

/** RFC 8693 §3. */
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const jwtType = 'urn:ietf:params:oauth:token-type:jwt';
const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
/** Seconds that the clocks of server and client may be apart. */
const tolerance = 30;
/** What goes into a header: visible ASCII (RFC 6750 §2.1 allows less). */
const tokenForm = /^[\x21-\x7e]{8,65536}$/;
const longestLifetime = 10 * 365 * 86_400;

/** What a token endpoint answered. */
export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string | undefined;
  /** Milliseconds since the epoch; `undefined` when neither the server nor the configuration says. */
  readonly expiresAt: number | undefined;
  /** `undefined`: as asked (RFC 6749 §5.1). */
  readonly scopes: readonly string[] | undefined;
  /** `sub` of the ID token, where there is one. */
  readonly account: string | undefined;
}

export interface Challenge {
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
  readonly scopes: readonly string[];
}

export interface ExchangeInput {
  readonly subjectToken: string;
  readonly actorToken: string;
  readonly scopes: readonly string[];
  readonly resource: string | undefined;
}

/** Every method rejects with what went wrong; `failure` and `refusalOf` put it into words. */
export interface ServerOfService {
  issuer(): Promise<string>;
  /** Whether the server can be asked to revoke a token. */
  revokes(): Promise<boolean>;
  /** Where the user consents (RFC 6749 §4.1.1, RFC 7636). */
  authorizationUrl(challenge: Challenge): Promise<URL>;
  /** Checks state and issuer (RFC 9207) of the answer, then redeems its code. */
  redeem(answer: URL, challenge: Challenge): Promise<Tokens>;
  /** `ready` is awaited when everything is at hand, right before the token is used. */
  refresh(refreshToken: string, ready: () => Promise<void>): Promise<Tokens>;
  exchange(input: ExchangeInput): Promise<Tokens>;
  revoke(token: string, hint: 'access_token' | 'refresh_token'): Promise<void>;
}

interface Context {
  readonly service: OAuthService;
  readonly transport: Transport;
  readonly now: () => number;
  readonly client: Client;
  readonly metadata: () => Promise<Metadata>;
}

export function createServer(service: OAuthService, transport: Transport, now: () => number): ServerOfService {
  const client: Client = { client_id: service.client.id, [clockTolerance]: tolerance };
  const context: Context = { service, transport, now, client, metadata: metadataOf(service, transport, now) };
  return {
    issuer: async () => (await context.metadata()).issuer,
    revokes: async () => (await context.metadata()).revocation_endpoint !== undefined,
    authorizationUrl: (challenge) => authorizationUrl(context, challenge),
    redeem: (answer, challenge) => redeem(context, answer, challenge),
    async refresh(refreshToken, ready) {
      const additionalParameters = service.resource === undefined ? {} : { resource: service.resource };
      const options = { additionalParameters, ...transport.requestOptions };
      const metadata = await context.metadata();
      const auth = await authentication(service);
      await ready();
      const response = await refreshTokenGrantRequest(metadata, client, auth, refreshToken, options);
      return toTokens(context, await processRefreshTokenResponse(metadata, client, await conform(response)));
    },
    exchange: (input) => exchange(context, input),
    async revoke(token, hint) {
      const options = { additionalParameters: { token_type_hint: hint }, ...transport.requestOptions };
      const auth = await authentication(service);
      await processRevocationResponse(await revocationRequest(await context.metadata(), client, auth, token, options));
    },
  };
}

async function authorizationUrl({ service, client, metadata }: Context, challenge: Challenge): Promise<URL> {
  const url = new URL((await metadata()).authorization_endpoint);
  const parameters = {
    ...service.authorizationParameters,
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: challenge.redirectUri,
    scope: challenge.scopes.join(' '),
    state: challenge.state,
    code_challenge: await calculatePKCECodeChallenge(challenge.verifier),
    code_challenge_method: 'S256',
    ...(challenge.scopes.includes('openid') ? { nonce: challenge.nonce } : {}),
    ...(service.resource === undefined ? {} : { resource: service.resource }),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

async function redeem(context: Context, answer: URL, challenge: Challenge): Promise<Tokens> {
  const { service, client, transport } = context;
  const metadata = await context.metadata();
  const validated = validateAuthResponse(metadata, client, answer, challenge.state);
  const { redirectUri, verifier, scopes, nonce } = challenge;
  const additionalParameters = service.resource === undefined ? {} : { resource: service.resource };
  const response = await authorizationCodeGrantRequest(
    metadata,
    client,
    await authentication(service),
    validated,
    redirectUri,
    verifier,
    { additionalParameters, ...transport.requestOptions },
  );
  const expected = scopes.includes('openid') ? { expectedNonce: nonce, requireIdToken: true } : {};
  return toTokens(context, await processAuthorizationCodeResponse(metadata, client, await conform(response), expected));
}

async function exchange(context: Context, input: ExchangeInput): Promise<Tokens> {
  const { service, client, transport } = context;
  const { lease } = service;
  const metadata = await context.metadata();
  const parameters = new URLSearchParams({
    subject_token: input.subjectToken,
    subject_token_type: accessTokenType,
    actor_token: input.actorToken,
    actor_token_type: jwtType,
    requested_token_type: accessTokenType,
    scope: input.scopes.join(' '),
    ...(input.resource === undefined ? {} : { resource: input.resource }),
    ...(lease.mode === 'exchange' && lease.audience !== undefined ? { audience: lease.audience } : {}),
  });
  const auth = await authentication(service);
  const response = await genericTokenEndpointRequest(
    metadata,
    client,
    auth,
    exchangeGrant,
    parameters,
    transport.requestOptions,
  );
  const answer = await processGenericTokenEndpointResponse(metadata, client, await conform(response));
  if (answer['issued_token_type'] !== accessTokenType)
    throw new LeaseError(
      `service ${service.name}, exchange: expected an access token, got another type; remedy: check the server`,
    );
  return toTokens(context, answer);
}

async function authentication({ client }: OAuthService): Promise<ClientAuth> {
  if (client.privateKey !== undefined) return PrivateKeyJwt(client.privateKey);
  if (client.secret === undefined) return None();
  const secret = (typeof client.secret === 'function' ? await client.secret() : client.secret).reveal();
  return client.method === 'post' ? ClientSecretPost(secret) : ClientSecretBasic(secret);
}

/** Some servers send their errors with status 200; RFC 6749 §5.2 says 400. */
async function conform(response: Response): Promise<Response> {
  if (response.status !== 200) return response;
  const text = await response.text();
  const headers = response.headers;
  return new Response(text, { status: isError(text) ? 400 : 200, headers });
}

function isError(text: string): boolean {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' && body !== null && 'error' in body && !('access_token' in body);
  } catch {
    return false;
  }
}

function toTokens({ service, now }: Context, answer: TokenEndpointResponse): Tokens {
  const { access_token: accessToken, refresh_token: refreshToken, token_type: type, expires_in: lifetime } = answer;
  const fail = (what: string): never => {
    throw new LeaseError(`service ${service.name}: ${what}; remedy: check the server`);
  };
  if (type !== 'bearer') fail('expected a bearer token, got another type');
  if (!tokenForm.test(accessToken) || (refreshToken !== undefined && !tokenForm.test(refreshToken)))
    fail('expected tokens of 8 to 65536 visible characters');
  const lifetimeMs =
    lifetime === undefined ? service.accessTokenLifetimeMs : Math.min(lifetime, longestLifetime) * 1000;
  const separator = service.scopeSeparator ?? ' ';
  return {
    accessToken,
    refreshToken,
    expiresAt: lifetimeMs === undefined ? undefined : Math.floor(now() + lifetimeMs),
    scopes:
      typeof answer.scope === 'string' ? answer.scope.split(separator).filter((scope) => scope !== '') : undefined,
    account: getValidatedIdTokenClaims(answer)?.sub,
  };
}

/**
 * Sign-in at an OpenID provider (OpenID Connect Core 1.0 §3.1, RFC 9700): authorization code with PKCE, state and nonce,
 * by `openid-client`. The ID token's signature is checked against the provider's keys although it comes over TLS.
 * @module
 */
import { ConfigurationError, type Approver } from '@countersign/core';
import { askDirectory, isLoopback } from '@countersign/core/channel';
import * as client from 'openid-client';
import { mayReach, providerFetch, ProviderUnreachable } from './oidc-transport.ts';
import { Problem } from './problem.ts';
import type { RedirectSignIn, SignedIn } from './sign-in.ts';

/** What the provider vouched for. Only `issuer` and `sub` together name a person; an e-mail address does not. */
export interface OidcPerson {
  readonly issuer: string;
  readonly sub: string;
  /** Claims of the ID token, and of the userinfo endpoint where it is asked: groups, for example. */
  readonly claims: Readonly<Record<string, unknown>>;
}

export interface OidcSignInOptions {
  /** Issuer identifier: https, or http on this machine. Its metadata is discovered, and asked for again after a failure. */
  readonly issuer: string;
  readonly clientId: string;
  /** Of a confidential client. Without secret and key: a public client. */
  readonly clientSecret?: string;
  /** How the secret is sent: as the client is registered at the provider. Default `client_secret_basic`. */
  readonly clientAuthentication?: 'client_secret_basic' | 'client_secret_post';
  /** Key for `private_key_jwt` (RFC 7523), with the id under which the provider knows it. */
  readonly clientKey?: client.CryptoKey | client.PrivateKey;
  /** Default `openid`. */
  readonly scope?: string;
  /** Asks the userinfo endpoint too, where claims such as groups stand only there. */
  readonly userInfo?: boolean;
  /** Seconds since the person last typed a password or the like at the provider (`max_age`). Default: whatever it takes. */
  readonly maxAgeSeconds?: number;
  /** How long claims count, in milliseconds; then the person is sent to the provider again. Default one hour. */
  readonly claimsMs?: number;
  /** Signing out here also signs out at the provider. Register `<console url>/sign-in` as post-logout redirect URI. */
  readonly signOutAtProvider?: boolean;
  /**
   * Who that is here; `undefined` refuses. Asked again at every request, so that who is removed is out at once; groups
   * that come from claims are those of the sign-in, for at most `claimsMs`.
   */
  readonly approverFor: (person: OidcPerson) => Approver | undefined | Promise<Approver | undefined>;
  /** Part of the redirect URI, `<console url>/sign-in/<name>/callback`. Default `oidc`. */
  readonly name?: string;
  /** What the button says. Default `Sign in at <host of the issuer>`. */
  readonly label?: string;
  /** For one request to the provider, in milliseconds. Default 10 seconds. */
  readonly timeoutMs?: number;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number;
}

interface Kept {
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

const discoveredForMs = 3_600_000;

/** @throws ConfigurationError for an issuer that could be listened to, or a client with two ways to authenticate */
export function oidcSignIn(options: OidcSignInOptions): RedirectSignIn {
  const issuer = issuerFrom(options);
  const { scope = 'openid', maxAgeSeconds, name = 'oidc', label = `Sign in at ${issuer.host}` } = options;
  const configuration = discovered(issuer, options);
  return {
    kind: 'redirect',
    name,
    label,
    loopbackOnly: false,
    async begin(redirectUri) {
      const kept: Kept = {
        state: client.randomState(),
        nonce: client.randomNonce(),
        verifier: client.randomPKCECodeVerifier(),
      };
      const location = client.buildAuthorizationUrl(await configuration(), {
        redirect_uri: redirectUri,
        scope,
        state: kept.state,
        nonce: kept.nonce,
        code_challenge: await client.calculatePKCECodeChallenge(kept.verifier),
        code_challenge_method: 'S256',
        ...(maxAgeSeconds === undefined ? {} : { max_age: String(maxAgeSeconds) }),
      });
      if (!mayReach(location.href, issuer)) throw new TypeError('the sign-in page of the provider is not https');
      return { location: location.href, kept: JSON.stringify(kept) };
    },
    async finish(answer, kept) {
      try {
        return await personFrom(options, await configuration(), answer, JSON.parse(kept) as Kept);
      } catch (error) {
        if (!isUnreachable(error)) throw error;
        throw new Problem(503, 'Sign-in is not possible now', 'The sign-in provider does not answer. Try again later.');
      }
    },
  };
}

async function personFrom(
  options: OidcSignInOptions,
  configuration: client.Configuration,
  answer: URL,
  { state, nonce, verifier }: Kept,
): Promise<SignedIn | undefined> {
  const { approverFor, maxAgeSeconds, claimsMs = 3_600_000, now = Date.now } = options;
  const tokens = await client.authorizationCodeGrant(configuration, answer, {
    expectedState: state,
    expectedNonce: nonce,
    pkceCodeVerifier: verifier,
    idTokenExpected: true,
    ...(maxAgeSeconds === undefined ? {} : { maxAge: maxAgeSeconds }),
  });
  const idToken = tokens.claims();
  if (idToken === undefined) return undefined;
  const { iss, sub } = idToken;
  const more = options.userInfo === true ? await client.fetchUserInfo(configuration, tokens.access_token, sub) : {};
  const person: OidcPerson = { issuer: iss, sub, claims: { ...more, ...idToken } };
  const approver = await askDirectory(() => approverFor(person));
  if (approver === undefined) return undefined;
  const afterSignOut = options.signOutAtProvider === true ? endOf(configuration, answer) : undefined;
  return {
    approver,
    until: now() + claimsMs,
    secret: JSON.stringify(person),
    refresh: (secret) => approverFor(JSON.parse(secret) as OidcPerson),
    ...(afterSignOut === undefined ? {} : { afterSignOut }),
  };
}

/** OpenID Connect RP-Initiated Logout 1.0. Without a hint, so that no ID token need be kept: the provider asks the person. */
function endOf(configuration: client.Configuration, answer: URL): string | undefined {
  const { issuer, end_session_endpoint: endpoint } = configuration.serverMetadata();
  if (endpoint === undefined || !mayReach(endpoint, new URL(issuer))) return undefined;
  const back = `${answer.origin}${answer.pathname.replace(/\/[^/]+\/callback$/, '')}`;
  return client.buildEndSessionUrl(configuration, { post_logout_redirect_uri: back }).href;
}

/** The provider's metadata: kept for an hour, one question at a time, and only a success is remembered. */
function discovered(issuer: URL, options: OidcSignInOptions): () => Promise<client.Configuration> {
  const { clientId, timeoutMs = 10_000, now = Date.now } = options;
  let known: { readonly configuration: client.Configuration; readonly at: number } | undefined;
  let asking: Promise<client.Configuration> | undefined;
  const ask = async (): Promise<client.Configuration> => {
    const configuration = await client.discovery(issuer, clientId, undefined, authenticationOf(options), {
      // Seconds.
      timeout: timeoutMs / 1_000,
      execute: [
        client.enableNonRepudiationChecks,
        ...(issuer.protocol === 'http:' ? [client.allowInsecureRequests] : []),
      ],
      [client.customFetch]: providerFetch(issuer),
    });
    known = { configuration, at: now() };
    return configuration;
  };
  return async () => {
    if (known !== undefined && Math.abs(now() - known.at) < discoveredForMs) return known.configuration;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

function authenticationOf({ clientSecret, clientAuthentication, clientKey }: OidcSignInOptions): client.ClientAuth {
  if (clientKey !== undefined) return client.PrivateKeyJwt(clientKey);
  if (clientSecret === undefined) return client.None();
  return clientAuthentication === 'client_secret_post'
    ? client.ClientSecretPost(clientSecret)
    : client.ClientSecretBasic(clientSecret);
}

function issuerFrom({ issuer, clientId, clientSecret, clientKey }: OidcSignInOptions): URL {
  const url = URL.parse(issuer);
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname));
  if (url === null || !safe || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new ConfigurationError('an issuer is an https address, or http on this machine, without user and query');
  }
  if (clientId === '') throw new ConfigurationError('an OpenID client has an id');
  if (clientSecret === '' || (clientSecret !== undefined && clientKey !== undefined)) {
    throw new ConfigurationError('an OpenID client has a secret or a key, not both and none that is empty');
  }
  return url;
}

function isUnreachable(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof ProviderUnreachable || error.name === 'TimeoutError') return true;
  return ('code' in error && error.code === 'OAUTH_TIMEOUT') || isUnreachable(error.cause);
}

/**
 * Services that are described for Auth.js (`@auth/core/providers/*`, about a hundred), as services here.
 * @module
 */
import { ConfigurationError, Secret } from '@countersign/core';
import type { OAuthService, ServerSource } from './service.ts';

/** What is read of an Auth.js provider. */
export interface AuthJsProvider {
  readonly id: string;
  readonly type: string;
  readonly issuer?: string | undefined;
  readonly wellKnown?: string | undefined;
  readonly authorization?: unknown;
  readonly token?: unknown;
  /** Where Auth.js keeps what it was called with. */
  readonly options?: unknown;
}

/** Servers that answer otherwise than the standards say. */
const peculiar: Readonly<Record<string, Partial<OAuthService>>> = {
  github: { scopeSeparator: ',' },
  google: { authorizationParameters: { access_type: 'offline', prompt: 'consent' } },
};

export interface FromAuthJs extends Pick<OAuthService, 'lease'>, Partial<Omit<OAuthService, 'lease' | 'server'>> {
  /** RFC 7009; Auth.js does not know it. */
  readonly revocationEndpoint?: string;
}

/**
 * `fromAuthJs(GitHub({ clientId, clientSecret }), { lease: { mode: 'direct', maxLifetimeMs } })`. Discovery is used where
 * Auth.js uses it, and its endpoints elsewhere. Scopes are never taken from there: policies say which.
 * @throws ConfigurationError
 */
export function fromAuthJs(provider: AuthJsProvider, { revocationEndpoint, ...own }: FromAuthJs): OAuthService {
  const { clientId, clientSecret } = { ...provider, ...(provider.options as object) } as Record<string, unknown>;
  const client = own.client ?? {
    id: typeof clientId === 'string' ? clientId : '',
    ...(typeof clientSecret === 'string' && clientSecret !== '' ? { secret: new Secret(clientSecret) } : {}),
  };
  const server = serverOf({ ...provider, ...(provider.options as object) }, revocationEndpoint);
  return { name: provider.id, ...peculiar[provider.id], ...own, client, server };
}

function serverOf(provider: AuthJsProvider, revocationEndpoint: string | undefined): ServerSource {
  const { id, type, issuer } = provider;
  if (type === 'oidc' && issuer !== undefined) return { issuer };
  const [authorization, token] = [addressOf(provider.authorization), addressOf(provider.token)];
  if (type !== 'oauth' || authorization === undefined || token === undefined)
    throw new ConfigurationError(`Auth.js provider ${id}: expected OAuth with its endpoints, got ${type}`);
  const metadata = {
    issuer: issuer ?? new URL(authorization).origin,
    authorization_endpoint: authorization,
    token_endpoint: token,
    ...(revocationEndpoint === undefined ? {} : { revocation_endpoint: revocationEndpoint }),
  };
  return { metadata };
}

function addressOf(endpoint: unknown): string | undefined {
  const address = typeof endpoint === 'object' && endpoint !== null && 'url' in endpoint ? endpoint.url : endpoint;
  return typeof address === 'string' ? address.split('?')[0] : undefined;
}

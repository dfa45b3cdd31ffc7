/**
 * Where the endpoints of an authorization server are. Fetched once, kept for an hour, and checked before any is used.
 * @module
 */
import { discoveryRequest, processDiscoveryResponse, type AuthorizationServer } from 'oauth4webapi';
import type { OAuthService } from './service.ts';
import { TransportError, type Transport } from './transport.ts';

const keptForMs = 3_600_000;

export interface Metadata extends AuthorizationServer {
  readonly authorization_endpoint: string;
  readonly token_endpoint: string;
}

/** Answers the metadata of a service. Rejects with whatever went wrong; only success is remembered. */
export function metadataOf({ server }: OAuthService, transport: Transport, now: () => number): () => Promise<Metadata> {
  if ('metadata' in server) {
    const fixed = checked({ ...server.metadata, code_challenge_methods_supported: ['S256'] }, transport);
    return async () => fixed;
  }
  const issuer = transport.requireUrl(server.issuer);
  let known: { readonly metadata: Metadata; readonly until: number } | undefined;
  let asking: Promise<Metadata> | undefined;
  const ask = async (): Promise<Metadata> => {
    const options = { algorithm: server.discovery ?? 'oidc', ...transport.requestOptions };
    const response = await discoveryRequest(issuer, options);
    const metadata = checked(await processDiscoveryResponse(issuer, response), transport);
    known = { metadata, until: now() + keptForMs };
    return metadata;
  };
  return async () => {
    if (known !== undefined && known.until > now()) return known.metadata;
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

/** RFC 9700 §2.1.1: without PKCE at the server, an injected code would be redeemed. */
function checked(metadata: AuthorizationServer, transport: Transport): Metadata {
  const { authorization_endpoint, token_endpoint, revocation_endpoint, code_challenge_methods_supported } = metadata;
  if (code_challenge_methods_supported?.includes('S256') !== true)
    throw new TransportError('the server does not say that it supports PKCE with S256');
  if (authorization_endpoint === undefined || token_endpoint === undefined)
    throw new TransportError('the server names no authorization or token endpoint');
  for (const address of [authorization_endpoint, token_endpoint, revocation_endpoint]) {
    if (address !== undefined) transport.requireUrl(address);
  }
  return { ...metadata, authorization_endpoint, token_endpoint };
}

/**
 * OAuth credentials on behalf of each user of an agent.
 * @module
 */
export { createOAuth } from './oauth.ts';
export type { OAuth, OAuthOptions, UserOfService } from './oauth.ts';
export type { BrowserUser, Connected } from './consent.ts';
export type { ConsentResult } from './routes.ts';
export type { ConnectionView, Disconnected } from './connections.ts';
export type { DirectLease, ExchangeLease, OAuthClient, OAuthService, ServerMetadata, ServerSource } from './service.ts';
export { actorTokens } from './actor-tokens.ts';
export type { ActorTokenOptions } from './actor-tokens.ts';
export { fromAuthJs } from './auth-js.ts';
export type { AuthJsProvider, FromAuthJs } from './auth-js.ts';
export { nodeListener } from './node-http.ts';

/**
 * Credentials on behalf of each user: consent, tokens kept sealed, refresh, exchange per call, revocation.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { ConfigurationError, type CredentialProvider, type Store } from '@countersign/core';
import { createClock, createRecorder, createSealer, keyBytes, requireId } from '@countersign/core/provider-kit';
import { createServer } from './authorization-server.ts';
import { consentUrl, type ConsentContext, type ServiceHandle } from './consent.ts';
import { forgetEnded, listConnections, withdraw, type ConnectionView, type Disconnected } from './connections.ts';
import { createProvider } from './provider.ts';
import type { RefreshContext } from './refresh.ts';
import { createRoutes, type RouteOptions } from './routes.ts';
import { requireService, wantedScope, type OAuthService } from './service.ts';
import { createTransport } from './transport.ts';
import { createVault } from './vault.ts';

export interface OAuthOptions extends RouteOptions {
  /** The store of the gate, and its `audit.key`: tokens are sealed under the keys of its users, and erased with them. */
  readonly store: Store;
  readonly key: KeyObject | Uint8Array;
  readonly services: readonly OAuthService[];
  /** Where `handle` is reached from browsers, e.g. `https://app.example/oauth`. Redirect addresses are below it. */
  readonly baseUrl: string;
  /** Accepts `http:` for servers and `baseUrl` on this machine. For development and tests. */
  readonly allowLoopbackHttp?: boolean;
  /** Upper bound of one request to a server, in milliseconds. Default 3 000: a gate waits 10 s for all of them. */
  readonly timeoutMs?: number;
  /** How long before its end an access token is refreshed, in milliseconds. Default 60 000. */
  readonly refreshEarlyMs?: number;
  /** How long a consent link can be used, in milliseconds. Default 24 hours. */
  readonly offerTtlMs?: number;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

export interface UserOfService {
  readonly tenant: string;
  readonly user: string;
  readonly service: string;
}

export interface OAuth {
  /** One for each service: `createCountersign({ credentials: [...oauth.providers] })`. */
  readonly providers: readonly CredentialProvider[];
  /** Answers browsers under `baseUrl`: mount it for GET, in any framework. Never rejects. */
  handle(request: Request): Promise<Response>;
  /** A link with which this user connects a service before any call needs it. `scope` as in a policy entry. */
  connectUrl(input: UserOfService & { readonly scope: Readonly<Record<string, unknown>> }): Promise<string>;
  /** What a user has connected. */
  connections(input: { readonly tenant: string; readonly user: string }): Promise<readonly ConnectionView[]>;
  /** Forgets the tokens at once, and asks the server to revoke them. Call it before erasing a user, too. */
  disconnect(input: UserOfService): Promise<Disconnected>;
  /** Removes flows that nobody finished, and tokens of erased users. For a timer; nothing depends on it. */
  maintain(tenant: string): Promise<{ readonly removed: number }>;
}

/** @throws ConfigurationError, KeyError */
export function createOAuth(options: OAuthOptions): OAuth {
  const { store, timeoutMs = 3_000, refreshEarlyMs = 60_000, allowLoopbackHttp = false } = options;
  if (typeof options.identify !== 'function')
    throw new ConfigurationError('OAuth: `identify` must say who a browser is');
  const clock = createClock(options.now);
  const now = (): number => clock.now();
  const transport = createTransport({ allowLoopbackHttp, timeoutMs });
  const sealer = createSealer({ masterKey: keyBytes(options.key, 32), keys: store, cacheSeconds: 5 });
  const vault = createVault({ store, sealer, recorder: createRecorder({ clock }), now });
  const services = new Map<string, ServiceHandle>();
  for (const service of options.services) {
    requireService(service);
    if (services.has(service.name)) throw new ConfigurationError(`OAuth: service ${service.name} is there twice`);
    services.set(service.name, { service, server: configured(service, () => createServer(service, transport, now)) });
  }
  const baseUrl = requireBaseUrl(options.baseUrl, (url) => transport.requireUrl(url));
  const consent: ConsentContext = {
    vault,
    sealer,
    now,
    baseUrl,
    services,
    offerTtlMs: options.offerTtlMs ?? 86_400_000,
  };
  const running: RefreshContext['running'] = new Map();
  const contexts = [...services.values()].map((handle) => {
    return { ...handle, vault, store, now, refreshEarlyMs, timeoutMs, running, consent, sealer };
  });
  const handleOf = (name: string): ServiceHandle => {
    const handle = services.get(name);
    if (handle === undefined) throw new ConfigurationError(`OAuth: no service ${JSON.stringify(name)} is configured`);
    return handle;
  };
  return {
    providers: contexts.map((context) => createProvider(context)),
    handle: createRoutes(consent, options),
    async connectUrl({ tenant, user, service, scope }) {
      const { scopes } = wantedScope(handleOf(service).service, scope);
      const key = await vault.subject(requireId('tenant', tenant), requireId('user', user));
      return consentUrl(consent, tenant, key, { service, scopes });
    },
    connections: async ({ tenant, user }) =>
      listConnections({ store, vault }, tenant, await vault.subject(tenant, user), [...services.keys()]),
    async disconnect({ tenant, user, service }) {
      const handle = handleOf(service);
      return withdraw({ store, vault }, tenant, await vault.subject(tenant, user), handle);
    },
    maintain: (tenant) => forgetEnded({ store, sealer, now }, requireId('tenant', tenant)),
  };
}

/** An address that may not be asked is a mistake in the configuration. */
function configured<Value>({ name }: OAuthService, make: () => Value): Value {
  try {
    return make();
  } catch (error) {
    throw new ConfigurationError(`OAuth service ${name}: ${error instanceof Error ? error.message : 'refused'}`);
  }
}

function requireBaseUrl(value: string, requireUrl: (value: string) => URL): string {
  try {
    const url = requireUrl(value);
    if (url.search === '' && url.hash === '') return url.href.replace(/\/$/, '');
  } catch {
    // Said below.
  }
  throw new ConfigurationError('OAuth: `baseUrl` must be an https address without query');
}

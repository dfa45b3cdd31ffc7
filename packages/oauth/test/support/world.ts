/**
 * An application with OAuth: users with sessions, agents, a store, and the authorization server that it is a client of.
 */
import { randomBytes } from 'node:crypto';
import { memoryStore, Secret, type LeaseRequest, type Store } from '@countersign/core';
import { actorTokens, createOAuth, type OAuth, type OAuthOptions, type OAuthService } from '../../src/index.ts';
import {
  actorIssuer,
  clientId,
  clientSecret,
  startAuthorizationServer,
  type Person,
  type TestServer,
} from './authorization-server.ts';

export const baseUrl = 'https://app.example/oauth';

export interface World {
  readonly server: TestServer;
  readonly oauth: OAuth;
  readonly store: Store;
  readonly key: Uint8Array;
  readonly connected: unknown[];
  /** Moves the application's clock on. */
  pass(milliseconds: number): void;
  /** Another process of the same application: it shares only the store. */
  again(options?: Partial<OAuthOptions>): OAuth;
  /** What a browser of this user gets at an address of ours. */
  visit(who: Visitor | undefined, address: string): Promise<Response>;
  /** The user follows the link and consents: answers the page at the end. */
  consent(who: Visitor, link: string, person?: Partial<Person>): Promise<Response>;
  close(): Promise<void>;
}

export interface Visitor {
  readonly tenant: string;
  readonly user: string;
  readonly session?: string;
}

export interface WorldOptions {
  readonly service?: Partial<OAuthService>;
  readonly options?: Partial<OAuthOptions>;
  readonly store?: Store;
  readonly exchangeGives?: (asked: string) => string;
}

export const ada = { tenant: 'acme', user: 'ada' };
export const bob = { tenant: 'acme', user: 'bob' };

export async function createWorld(input: WorldOptions = {}): Promise<World> {
  const redirectUris = [`${baseUrl}/callback/calendar`, `${baseUrl}/callback/mail`];
  const { exchangeGives, store = memoryStore() } = input;
  const server = await startAuthorizationServer({
    redirectUris,
    ...(exchangeGives === undefined ? {} : { exchangeGives }),
  });
  const key = randomBytes(32);
  const connected: unknown[] = [];
  let offset = 0;
  const now = (): number => Date.now() + offset;
  const again = (more: Partial<OAuthOptions> = {}): OAuth =>
    createOAuth({
      store,
      key,
      services: [calendar(server, input.service)],
      baseUrl,
      allowLoopbackHttp: true,
      timeoutMs: 3_000,
      now,
      identify: (request) => {
        const header = request.headers.get('x-user');
        return header === null ? undefined : (JSON.parse(header) as Required<Visitor>);
      },
      onConnected: (connection) => void connected.push(connection),
      ...input.options,
      ...more,
    });
  const oauth = again();
  const visit: World['visit'] = (who, address) => {
    const headers =
      who === undefined ? {} : { 'x-user': JSON.stringify({ session: `session-of-${who.user}`, ...who }) };
    return oauth.handle(new Request(address, { headers }));
  };
  return {
    server,
    oauth,
    store,
    key,
    connected,
    pass: (milliseconds) => void (offset += milliseconds),
    again,
    visit,
    async consent(who, link, person = {}) {
      const begun = await visit(who, link);
      const location = begun.headers.get('location');
      if (location === null) return begun;
      const answer = await server.consent(location, { account: `${who.tenant}-${who.user}`, ...person });
      return visit(who, answer.href);
    },
    close: () => server.close(),
  };
}

/** A service that leases by token exchange, unless `more` says otherwise. */
export function calendar(server: TestServer, more: Partial<OAuthService> = {}): OAuthService {
  return {
    name: 'calendar',
    server: { issuer: server.issuer },
    client: { id: clientId, secret: new Secret(clientSecret) },
    lease: {
      mode: 'exchange',
      maxLifetimeMs: 300_000,
      actor: actorTokens({
        issuer: actorIssuer,
        audience: server.issuer,
        signingKey: server.signingKey,
        keyId: 'test',
      }),
    },
    ...more,
  };
}

let counter = 0;

export function leaseRequest(more: Partial<LeaseRequest> = {}): LeaseRequest {
  counter += 1;
  return {
    leaseId: `lease-${counter}`,
    ...ada,
    agent: 'planner',
    run: 'run-1',
    callKey: `call-${counter}`,
    tool: 'list-events',
    capability: 'calendar:event:list',
    argumentsDigest: 'digest',
    service: 'calendar',
    scope: { scopes: ['calendar:read'] },
    ttlMs: 60_000,
    ...more,
  };
}

/** The answer of the provider, as one of the two things that it can be. */
export async function lend(oauth: OAuth, more: Partial<LeaseRequest> = {}) {
  const provider = oauth.providers.find(({ services }) => services.includes(more.service ?? 'calendar'));
  if (provider === undefined) throw new Error('no such provider');
  const answer = await provider.get(leaseRequest(more));
  return 'consentUrl' in answer
    ? { consent: answer.consentUrl, token: undefined, credential: undefined }
    : { consent: undefined, token: answer.secret.reveal(), credential: answer };
}

/** What the ledger says happened to credentials, oldest first. */
export async function events(world: World, tenant = 'acme'): Promise<string[]> {
  return (await world.store.records(tenant, { kind: 'credential', limit: 1000 })).map(({ event }) => event);
}

/** A user who has connected the calendar. */
export async function connect(world: World, who: Visitor = ada, more: Partial<LeaseRequest> = {}): Promise<void> {
  const { consent } = await lend(world.oauth, { ...who, ...more });
  if (consent === undefined) throw new Error('connected already');
  const page = await world.consent(who, consent);
  if (page.status !== 200) throw new Error(`not connected: ${page.status} ${await page.text()}`);
}

/**
 * A real authorization server (`oidc-provider`) on loopback, with a grant for token exchange (RFC 8693) of its own, and a
 * person who consents. What a service would do with a token is asked by introspection (RFC 7662).
 */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jwtVerify } from 'jose';
import Provider, { errors, type Adapter, type AdapterPayload, type KoaContextWithOIDC } from 'oidc-provider';

const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';

const idTokenKey = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' });

export const clientId = 'app';
export const clientSecret = 'the-secret-of-the-application-itself';
export const actorIssuer = 'https://agents.example';

/** What a person does at the consent page. */
export interface Person {
  readonly account: string;
  /** Grants only these of the scopes that are asked for. */
  readonly only?: readonly string[];
  readonly declines?: boolean;
}

export interface Introspection {
  readonly active: boolean;
  readonly sub?: string;
  readonly scope?: string;
  readonly act?: { readonly sub: string; readonly tenant: string };
  readonly resource?: string;
}

export interface TokenRequest {
  readonly grant: string;
  readonly parameters: URLSearchParams;
  readonly status: number;
}

/** An answer in place of the server's own, or `undefined`. */
type Intercept = (request: IncomingMessage, response: ServerResponse, body: string) => boolean | Promise<boolean>;

export interface TestServer extends Visitor {
  readonly issuer: string;
  readonly signingKey: KeyObject;
  /** Seconds that tokens live. */
  readonly lifetimes: { access: number; exchanged: number };
  /** Every request to the token endpoint. */
  readonly tokenRequests: TokenRequest[];
  /** Every token given to the revocation endpoint. */
  readonly revoked: string[];
  /** Answers requests to a path (`/token`) before the server does. */
  readonly intercept: Map<string, Intercept>;
  close(): Promise<void>;
}

export interface Visitor {
  /** As a browser: follows the server's redirects, and answers where it sends the browser back to. */
  consent(url: string, person: Person): Promise<URL>;
  introspect(token: string): Promise<Introspection>;
  /** The account withdraws its consent at the server. */
  withdraw(account: string): Promise<void>;
}

export interface TestServerOptions {
  readonly redirectUris: readonly string[];
  /** Scopes that exchanged tokens get whatever was asked for. */
  readonly exchangeGives?: (asked: string) => string;
}

export async function startAuthorizationServer(options: TestServerOptions): Promise<TestServer> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const http = createServer();
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const lifetimes = { access: 3_600, exchanged: 60 };
  const provider = new Provider(issuer, configuration(options, lifetimes));
  const grants = new Map<string, Set<string>>();
  registerExchange(provider, issuer, publicKey, options, grants);
  const tokenRequests: TokenRequest[] = [];
  const revoked: string[] = [];
  const intercept = new Map<string, Intercept>();
  const callback = provider.callback();
  http.on('request', (request: IncomingMessage, response: ServerResponse) => {
    void answer(request, response);
  });
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(request.url ?? '/', issuer);
    if (path.startsWith('/interaction/')) return interact(provider, grants, request, response);
    if (path === '/withdraw') {
      await withdraw(provider, grants, searchParams.get('account') ?? '');
      return void response.end();
    }
    if (path !== '/token' && path !== '/token/revocation' && !intercept.has(path)) return callback(request, response);
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString();
    // `oidc-provider` takes a body that was read before it.
    Object.assign(request, { body: Object.fromEntries(new URLSearchParams(body)) });
    const parameters = new URLSearchParams(body);
    if (path === '/token/revocation') revoked.push(parameters.get('token') ?? '');
    response.once('finish', () => {
      if (path === '/token')
        tokenRequests.push({ grant: parameters.get('grant_type') ?? '', parameters, status: response.statusCode });
    });
    if ((await intercept.get(path)?.(request, response, body)) === true) return;
    return callback(request, response);
  }
  return {
    issuer,
    signingKey: privateKey,
    lifetimes,
    tokenRequests,
    revoked,
    intercept,
    ...visitor(issuer),
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
}

function configuration({ redirectUris }: TestServerOptions, lifetimes: TestServer['lifetimes']): object {
  return {
    adapter: mapAdapter(),
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [...redirectUris],
        response_types: ['code'],
        grant_types: ['authorization_code', 'refresh_token', exchangeGrant],
      },
    ],
    scopes: ['openid', 'calendar:read', 'calendar:write', 'mail:read', 'mail:send'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    issueRefreshToken: async () => true,
    features: {
      devInteractions: { enabled: false },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: { enabled: false },
    },
    interactions: { url: (_ctx: unknown, interaction: { uid: string }) => `/interaction/${interaction.uid}` },
    findAccount: async (_ctx: unknown, sub: string) => ({ accountId: sub, claims: async () => ({ sub }) }),
    extraTokenClaims: async (ctx: KoaContextWithOIDC) => ctx.state['extra'] as object | undefined,
    jwks: { keys: [idTokenKey] },
    cookies: { keys: ['test'] },
    ttl: {
      AccessToken: (_ctx: unknown, token: { gty?: string }) =>
        token.gty === 'token_exchange' ? lifetimes.exchanged : lifetimes.access,
      AuthorizationCode: 60,
      RefreshToken: 86_400,
      Interaction: 600,
      Session: 86_400,
      Grant: 86_400,
      IdToken: 3_600,
    },
  };
}

function registerExchange(
  provider: Provider,
  issuer: string,
  publicKey: KeyObject,
  options: TestServerOptions,
  grants: Map<string, Set<string>>,
): void {
  const handler = async (ctx: KoaContextWithOIDC): Promise<void> => {
    const { params, client } = ctx.oidc as unknown as {
      params: Record<string, string | undefined>;
      client: { clientId: string };
    };
    const { subject_token: subject = '', actor_token: actorToken = '', scope = '', resource } = params;
    const found = await provider.AccessToken.find(subject);
    if (found?.isValid !== true || found.clientId !== client.clientId) throw new errors.InvalidGrant('subject');
    const { payload } = await jwtVerify(
      actorToken,
      createPublicKey(publicKey.export({ type: 'spki', format: 'pem' })),
      {
        issuer: actorIssuer,
        audience: issuer,
        algorithms: ['ES256'],
        requiredClaims: ['exp', 'sub'],
      },
    ).catch(() => {
      throw new errors.InvalidRequest('actor_token');
    });
    const have = new Set((found.scope ?? '').split(' '));
    if (scope === '' || !scope.split(' ').every((each) => have.has(each)))
      throw new errors.InvalidScope('too much', scope);
    const given = options.exchangeGives?.(scope) ?? scope;
    const token = new provider.AccessToken({
      client: client as never,
      accountId: found.accountId,
      grantId: await ownGrant(found, given),
      gty: 'token_exchange',
      scope: given,
    } as never);
    ctx.state['extra'] = { act: { sub: payload.sub, tenant: payload['tenant'] }, resource };
    ctx.body = {
      access_token: await token.save(),
      issued_token_type: accessTokenType,
      token_type: 'Bearer',
      expires_in: token.expiration,
      scope: given,
    };
  };
  // This server ends everything of a grant with any token of it: what was exchanged has to end alone.
  const ownGrant = async (
    subject: { accountId: string; clientId?: string | undefined },
    scope: string,
  ): Promise<string> => {
    const grant = new provider.Grant({ accountId: subject.accountId, clientId: subject.clientId ?? '' });
    grant.addOIDCScope(scope);
    const id = await grant.save();
    grants.set(subject.accountId, (grants.get(subject.accountId) ?? new Set()).add(id));
    return id;
  };
  const parameters = [
    'subject_token',
    'subject_token_type',
    'actor_token',
    'actor_token_type',
    'requested_token_type',
    'scope',
    'resource',
    'audience',
  ];
  provider.registerGrantType(exchangeGrant, handler as never, parameters, []);
}

/** Signs in and consents as the person that the browser says it is. */
async function interact(
  provider: Provider,
  grants: Map<string, Set<string>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  const person = JSON.parse(String(request.headers['x-person'])) as Person;
  if (person.declines === true)
    return provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'no' });
  if (prompt.name === 'login')
    return provider.interactionFinished(request, response, { login: { accountId: person.account } });
  const accountId = session?.accountId ?? person.account;
  const grant =
    (grantId === undefined ? undefined : await provider.Grant.find(grantId)) ??
    new provider.Grant({ accountId, clientId: String(params['client_id']) });
  const asked = String(params['scope']).split(' ');
  for (const scope of asked) {
    if (person.only === undefined || person.only.includes(scope)) grant.addOIDCScope(scope);
    else grant.rejectOIDCScope(scope);
  }
  const id = await grant.save();
  grants.set(accountId, (grants.get(accountId) ?? new Set()).add(id));
  return provider.interactionFinished(
    request,
    response,
    { consent: { grantId: id } },
    { mergeWithLastSubmission: true },
  );
}

/** The account withdraws its consent. */
async function withdraw(provider: Provider, grants: Map<string, Set<string>>, account: string): Promise<void> {
  for (const grantId of grants.get(account) ?? []) {
    await (await provider.Grant.find(grantId))?.destroy();
    await provider.AccessToken.revokeByGrantId(grantId);
    await provider.RefreshToken.revokeByGrantId(grantId);
  }
  grants.delete(account);
}

/** What can be done from any process. */
export function visitor(issuer: string): Visitor {
  return {
    consent: (url, person) => browse(url, person, issuer),
    introspect: (token) => introspect(issuer, token),
    withdraw: async (account) => void (await fetch(`${issuer}/withdraw?account=${account}`)),
  };
}

async function browse(start: string, person: Person, issuer: string): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = start;
  for (let hops = 0; hops < 12; hops += 1) {
    if (new URL(url).origin !== issuer) return new URL(url);
    const cookie = [...cookies].map(([key, value]) => `${key}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie, 'x-person': JSON.stringify(person) } });
    for (const line of response.headers.getSetCookie()) {
      const [pair = ''] = line.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = response.headers.get('location');
    if (location === null) throw new Error(`no redirect from ${url}: ${response.status} ${await response.text()}`);
    url = new URL(location, url).href;
  }
  throw new Error('too many redirects');
}

async function introspect(issuer: string, token: string): Promise<Introspection> {
  const response = await fetch(`${issuer}/token/introspection`, {
    method: 'POST',
    headers: { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` },
    body: new URLSearchParams({ token }),
  });
  return (await response.json()) as Introspection;
}

/** As the server's own, without its limit of 1 000 entries. */
function mapAdapter(): (name: string) => Adapter {
  const entries = new Map<string, { payload: AdapterPayload; until: number }>();
  return (name) => {
    const keyOf = (id: string): string => `${name}:${id}`;
    const find = async (id: string): Promise<AdapterPayload | undefined> => {
      const entry = entries.get(keyOf(id));
      return entry !== undefined && entry.until > Date.now() ? entry.payload : undefined;
    };
    return {
      find,
      async upsert(id, payload, expiresIn) {
        entries.set(keyOf(id), { payload, until: Date.now() + (expiresIn ?? 86_400) * 1000 });
      },
      async findByUid(uid) {
        return [...entries].find(([key, { payload }]) => key.startsWith(`${name}:`) && payload.uid === uid)?.[1]
          .payload;
      },
      findByUserCode: async () => undefined,
      async destroy(id) {
        entries.delete(keyOf(id));
      },
      async consume(id) {
        const payload = await find(id);
        if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
      },
      async revokeByGrantId(grantId) {
        for (const [key, { payload }] of entries) if (payload.grantId === grantId) entries.delete(key);
      },
    };
  };
}

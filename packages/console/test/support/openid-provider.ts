/**
 * A real OpenID provider (`oidc-provider`) on loopback, and a browser that signs in there. What it signs can be changed
 * after the fact, with its own key, to play a provider that lies or is abused.
 */
import { generateKeyPairSync, randomBytes, type KeyObject } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { decodeJwt, SignJWT, type JWTPayload } from 'jose';
import Provider, { type KoaContextWithOIDC } from 'oidc-provider';

export const clientId = 'console';
export const clientSecret: string = randomBytes(24).toString('base64url');

/** Signs the claims of an ID token anew. */
export type Forge = (claims: JWTPayload, key: KeyObject) => string | Promise<string>;

export interface TestProvider {
  readonly issuer: string;
  readonly key: KeyObject;
  /** What the token endpoint answers instead of the ID token. */
  forge: Forge | undefined;
  /** Answers in the provider's place, with `true`. */
  intercept: ((request: IncomingMessage, response: ServerResponse) => boolean) | undefined;
  /** Registers the console. Until then it answers 503. */
  register(redirectUri: string, more?: object): void;
  /** As a browser of this account: answers where the provider sends it back to. */
  signIn(location: string, account: string): Promise<URL>;
  close(): Promise<void>;
}

/** Signs as the provider does (RS256), with any claims. */
export function sign(claims: JWTPayload, key: KeyObject): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'main' }).sign(key);
}

/** @param hostname a name of this machine */
export async function startProvider(hostname = '127.0.0.1'): Promise<TestProvider> {
  const key = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const http = createServer();
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  const issuer = `http://${hostname}:${(http.address() as AddressInfo).port}`;
  let handle: (request: IncomingMessage, response: ServerResponse) => unknown = (_request, response) =>
    response.writeHead(503).end();
  const self: TestProvider = {
    issuer,
    key,
    forge: undefined,
    intercept: undefined,
    register(redirectUri, more = {}) {
      const provider = new Provider(issuer, configuration(key, redirectUri, more));
      provider.use(async (ctx, next) => {
        await next();
        const body = ctx.body as { id_token?: string } | undefined;
        if (ctx.path !== '/token' || self.forge === undefined || typeof body?.id_token !== 'string') return;
        ctx.body = { ...body, id_token: await self.forge(decodeJwt(body.id_token), key) };
      });
      const callback = provider.callback();
      handle = (request, response) =>
        request.url?.startsWith('/interaction/') === true
          ? interact(provider, request, response)
          : callback(request, response);
    },
    signIn: (location, account) => browse(location, account, issuer),
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve());
        http.closeAllConnections();
      }),
  };
  http.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (self.intercept?.(request, response) !== true) void handle(request, response);
  });
  return self;
}

function configuration(key: KeyObject, redirectUri: string, more: object): object {
  return {
    clients: [
      {
        client_id: clientId,
        client_secret: clientSecret,
        redirect_uris: [redirectUri],
        post_logout_redirect_uris: [redirectUri.replace(/\/[^/]+\/callback$/, '')],
        response_types: ['code'],
        grant_types: ['authorization_code'],
        ...more,
      },
    ],
    pkce: { required: () => true },
    claims: { openid: ['sub'], groups: ['groups'] },
    scopes: ['openid', 'groups'],
    features: { devInteractions: { enabled: false }, rpInitiatedLogout: { enabled: true } },
    interactions: { url: (_ctx: unknown, interaction: { uid: string }) => `/interaction/${interaction.uid}` },
    findAccount: async (_ctx: KoaContextWithOIDC, sub: string) => ({
      accountId: sub,
      claims: async () => ({ sub, groups: [`${sub}s-team`] }),
    }),
    jwks: { keys: [{ ...key.export({ format: 'jwk' }), kid: 'main', use: 'sig', alg: 'RS256' }] },
    cookies: { keys: ['test'] },
    ttl: { AccessToken: 600, AuthorizationCode: 60, Grant: 600, IdToken: 600, Interaction: 600, Session: 600 },
  };
}

/** Signs in and consents as the account that the browser says it is; `nobody` declines. */
async function interact(provider: Provider, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { prompt, params } = await provider.interactionDetails(request, response);
  const accountId = String(request.headers['x-account']);
  if (accountId === 'nobody') {
    return provider.interactionFinished(request, response, { error: 'access_denied', error_description: 'no' });
  }
  if (prompt.name === 'login') return provider.interactionFinished(request, response, { login: { accountId } });
  const grant = new provider.Grant({ accountId, clientId: String(params['client_id']) });
  grant.addOIDCScope(String(params['scope']));
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

async function browse(start: string, account: string, issuer: string): Promise<URL> {
  const cookies = new Map<string, string>();
  let url = start;
  for (let hops = 0; hops < 12; hops += 1) {
    if (new URL(url).origin !== issuer) return new URL(url);
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const response = await fetch(url, { redirect: 'manual', headers: { cookie, 'x-account': account } });
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

/**
 * Installation tokens of a GitHub App, each for one call: narrowed to the repositories and permissions of its operation,
 * and revoked when the call ends.
 *
 * GitHub fixes their life at one hour, and offers no way to find a token again. The policy has to accept the hour by name
 * (`acceptResidual: true`): it is how long a token works that a crash left behind before its handle was noted.
 * @module
 */
import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createAppAuth } from '@octokit/auth-app';
import { request as octokitRequest } from '@octokit/request';
import { ConfigurationError, LeaseError, Secret } from '@countersign/core';
import type { Credential, CredentialProvider, LeaseRequest } from '@countersign/core';
import { checkBaseUrl } from './base-url.ts';
import { failureOf, statusOf } from './github-failure.ts';
import { createTokenHandles } from './token-handle.ts';
import type { TokenHandles } from './token-handle.ts';
import { isWithin, readScope } from './token-scope.ts';

const maxLifetimeMs = 3_600_000;

export interface GithubAppProviderOptions {
  /** Default `github-app`. */
  readonly name?: string;
  /** Default `['github']`. */
  readonly services?: readonly string[];
  readonly appId: number;
  /** RSA, PEM, as GitHub gives it. */
  readonly privateKey: Secret;
  /** Tenant → id of the App's installation at that tenant's organization. A tenant that is not here gets nothing. */
  readonly installations: Readonly<Record<string, number>>;
  /** Default `https://api.github.com`; for GitHub Enterprise Server `https://<host>/api/v3`. */
  readonly baseUrl?: string;
  /** Upper bound of one request, in milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** The scope of a request is `{ repositories, permissions }`; the secret is the token. Throws `ConfigurationError`. */
export function githubAppProvider(options: GithubAppProviderOptions): CredentialProvider {
  const { name = 'github-app', clock = Date.now } = options;
  const services = Object.freeze([...(options.services ?? ['github'])]);
  const key = readKey(name, options.privateKey);
  const handles = createTokenHandles(key);
  const github = createGithub(options, key);
  const plan = ({ service, tenant, scope }: Pick<LeaseRequest, 'service' | 'tenant' | 'scope'>) => {
    const what = `service ${service}`;
    if (!services.includes(service)) throw new LeaseError(`${what} is not offered here`);
    const installation = Object.hasOwn(options.installations, tenant) ? options.installations[tenant] : undefined;
    if (installation === undefined) {
      throw new LeaseError(`${what}: this tenant has no installation; add it to the installations of the provider`);
    }
    return { what, installation, asked: readScope(what, scope) };
  };
  return {
    name,
    services,
    maxLifetimeMs,
    revocable: true,
    findable: false,
    async get(request) {
      const { what, installation, asked } = plan(request);
      const startedAt = clock();
      const granted = await github.issue(what, installation, { ...asked });
      try {
        if (!isWithin(granted.body, asked)) {
          throw new LeaseError(`${what}: GitHub gave a token for more than was asked for; it was revoked`);
        }
        return toCredential(what, granted, startedAt, handles, request.leaseId);
      } catch (error) {
        await github.revoke(what, granted.token).catch(() => undefined);
        throw error;
      }
    },
    /** The App is installed by whoever owns the organization: this checks tenant and scope. */
    async provision(input) {
      plan(input);
    },
    async revoke({ leaseId, credentialId }) {
      // Without it nothing was issued, or GitHub ends it by itself.
      if (credentialId !== undefined) await github.revoke(`provider ${name}`, handles.open(credentialId, leaseId));
    },
    async rotate({ service }) {
      throw new LeaseError(
        `service ${service}: make a new private key for the App at GitHub, start with it, then delete the old one`,
      );
    },
  };
}

interface GrantedToken {
  readonly token: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** When GitHub answered, by its own clock; milliseconds since the epoch, or NaN. */
  readonly answeredAt: number;
}

interface Github {
  issue(what: string, installation: number, scope: Readonly<Record<string, unknown>>): Promise<GrantedToken>;
  revoke(what: string, token: string): Promise<void>;
}

/**
 * Octokit signs the App's requests, and corrects a clock that is off. It does not get the tokens itself: it would keep
 * them, and give one token to two calls that ask for the same at the same time, so that the first to end takes it from
 * the other.
 */
function createGithub({ appId, baseUrl, timeoutMs = 5_000 }: GithubAppProviderOptions, key: KeyObject): Github {
  const silent = (): void => undefined;
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const base = octokitRequest.defaults({
    baseUrl: checkBaseUrl(baseUrl),
    headers: { 'user-agent': 'countersign', 'x-github-api-version': '2022-11-28' },
    request: { log, redirect: 'error' },
  });
  const privateKey = String(key.export({ type: 'pkcs8', format: 'pem' }));
  const auth = createAppAuth({ appId, privateKey, request: base, log });
  const asApp = base.defaults({ request: { hook: (...call: Parameters<typeof auth.hook>) => auth.hook(...call) } });
  const bounded = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(timeoutMs) });
  return {
    async issue(what, installation, scope) {
      const { data, headers } = await asApp('POST /app/installations/{installation_id}/access_tokens', {
        ...scope,
        installation_id: installation,
        request: bounded(),
      }).catch((error: unknown) => {
        throw failureOf(what, 'getting a token', error);
      });
      const body = data as unknown as Readonly<Record<string, unknown>>;
      const token: unknown = typeof body === 'object' && body !== null ? body['token'] : undefined;
      if (typeof token !== 'string' || token === '') throw new LeaseError(`${what}: GitHub answered without a token`);
      return { token, body, answeredAt: Date.parse(headers.date ?? '') };
    },
    async revoke(what, token) {
      const authorization = `token ${token}`;
      await base('DELETE /installation/token', { headers: { authorization }, request: bounded() }).catch(
        (error: unknown) => {
          // Not accepted any more: revoked before, or expired.
          if (statusOf(error) !== 401) throw failureOf(what, 'revoking a token', error);
        },
      );
    },
  };
}

/** The life is what GitHub says between its own two times, counted from when we asked: clocks need not agree. */
function toCredential(
  what: string,
  { token, body, answeredAt }: GrantedToken,
  startedAt: number,
  handles: TokenHandles,
  leaseId: string,
): Credential {
  const stated = body['expires_at'];
  const end = typeof stated === 'string' ? Date.parse(stated) : NaN;
  const life = Math.min(end - (Number.isNaN(answeredAt) ? startedAt : answeredAt), maxLifetimeMs);
  if (!(life > 0)) throw new LeaseError(`${what}: expected a token that is valid now, got one that ends before`);
  return {
    credentialId: handles.seal(token, leaseId),
    secret: new Secret(token),
    expiresAt: startedAt + Math.floor(life),
  };
}

function readKey(name: string, pem: Secret): KeyObject {
  try {
    const key = createPrivateKey(pem.reveal());
    if (key.asymmetricKeyType === 'rsa' && (key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) return key;
  } catch {
    // The error of the parser may quote what it parsed.
  }
  throw new ConfigurationError(`${name}: expected the private key of the App, RSA with at least 2048 bits, in PEM`);
}

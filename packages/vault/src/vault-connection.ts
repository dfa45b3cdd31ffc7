/**
 * A connection to one namespace of a HashiCorp Vault or OpenBao, with the login that it is used by.
 * @module
 */
import { ConfigurationError } from '@countersign/core';
import type { Secret } from '@countersign/core';
import nodeVault from 'node-vault';
import type { VaultLogin } from './login.ts';
import { checkPath } from './path.ts';
import { createSessions } from './session.ts';
import type { Session } from './session.ts';
import { createTransport } from './transport.ts';
import { failureOf, toAnswer } from './vault-answer.ts';
import type { VaultAnswer } from './vault-answer.ts';

export interface VaultConnectionOptions {
  /** `https://…`; plain `http` only to this machine, as the token travels with every request. */
  readonly address: string;
  readonly namespace?: string;
  readonly login: VaultLogin;
  /** Upper bound of one request, in milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /** Default the global one. For a private authority or a client certificate give one with a dispatcher of its own. */
  readonly fetch?: typeof fetch;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

interface VaultCall {
  /** Names the service in messages. */
  readonly what: string;
  readonly path: string;
  /** How long the login has to last, for a lease that ends with it. Milliseconds; default 0. */
  readonly atLeastMs?: number;
}

/** The members are for the providers of this package. Rejects with `LeaseError`, whose message holds no secret. */
export interface VaultConnection {
  /** Address and namespace. */
  readonly place: string;
  readonly clock: () => number;
  /** `loginEndsAt`: until when the login lasts that the answer was given to, in milliseconds since the epoch. */
  read(call: VaultCall): Promise<{ readonly body: Readonly<Record<string, unknown>>; readonly loginEndsAt: number }>;
  write(
    call: VaultCall & { readonly body: Readonly<Record<string, unknown>> },
  ): Promise<Readonly<Record<string, unknown>>>;
}

type Raw = VaultCall & {
  readonly method: 'read' | 'write';
  readonly body?: Readonly<Record<string, unknown>>;
  readonly token?: Secret;
};

/** Throws `ConfigurationError`. Nothing is sent before the first lease is asked for. */
export function vaultConnection(options: VaultConnectionOptions): VaultConnection {
  const { login, timeoutMs = 5_000, clock = Date.now } = options;
  if (!(timeoutMs >= 1 && timeoutMs <= 60_000)) {
    throw new ConfigurationError(`Vault time-out: expected 1 to 60000 ms, got ${timeoutMs}`);
  }
  const address = checkAddress(options.address);
  const namespace = options.namespace === undefined ? '' : checkPath('Vault namespace', options.namespace);
  const client = createClient(address, namespace, { fetch: options.fetch ?? fetch, timeoutMs });
  const raw = ({ method, path, body, token }: Raw): Promise<VaultAnswer> => {
    const headers = token === undefined ? {} : { 'X-Vault-Token': token.reveal() };
    return toAnswer(method === 'read' ? client.read(path, { headers }) : client.write(path, body ?? {}, { headers }));
  };
  const send = async (call: Raw): Promise<Readonly<Record<string, unknown>>> => {
    const answer = await raw(call);
    if (answer.kind === 'answer') return answer.body;
    throw failureOf(call.what, call.path, answer);
  };
  const sessions = createSessions({ login, send, clock, timeoutMs: timeoutMs * 4 });
  /** As somebody logged in. A login that has ended unnoticed is made again, once. */
  const call = async (wanted: Raw): Promise<{ body: Readonly<Record<string, unknown>>; session: Session }> => {
    const session = await sessions.current(wanted.atLeastMs ?? 0);
    const first = await raw({ ...wanted, token: session.token });
    if (first.kind === 'answer') return { body: first.body, session };
    if (first.kind === 'refused' && first.status === 403 && (await hasEnded(raw, session))) {
      sessions.drop(session);
      const again = await sessions.current(wanted.atLeastMs ?? 0);
      return { body: await send({ ...wanted, token: again.token }), session: again };
    }
    throw failureOf(wanted.what, wanted.path, first);
  };
  return {
    place: namespace === '' ? address : `${address} ${namespace}`,
    clock,
    async read(wanted) {
      const { body, session } = await call({ ...wanted, method: 'read' });
      return { body, loginEndsAt: session.expiresAt };
    },
    write: async (wanted) => (await call({ ...wanted, method: 'write' })).body,
  };
}

/** Vault answers 403 to a token that it does not know, and to a known one that may not: only the first is cured by a login. */
async function hasEnded(raw: (call: Raw) => Promise<VaultAnswer>, { token }: Session): Promise<boolean> {
  const path = 'auth/token/lookup-self';
  const answer = await raw({ what: 'token lookup', method: 'read', path, token });
  return answer.kind === 'refused' && answer.status === 403;
}

/**
 * Everything that node-vault would take from the environment (address, token, namespace, prefix, `VAULT_SKIP_VERIFY`) is
 * given here, and its debug output, which prints what is written, is off.
 */
function createClient(
  endpoint: string,
  namespace: string,
  transport: { readonly fetch: typeof fetch; readonly timeoutMs: number },
): nodeVault.client {
  const client = nodeVault({
    endpoint,
    apiVersion: 'v1',
    'request-promise': createTransport(transport),
    debug: () => undefined,
  });
  return Object.assign(client, { token: '', namespace, pathPrefix: '' });
}

function checkAddress(address: string): string {
  const url = URL.parse(address);
  const local = url !== null && ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  const safe = url?.protocol === 'https:' || (url?.protocol === 'http:' && local);
  if (url === null || !safe || url.username !== '' || url.search !== '' || url.hash !== '') {
    throw new ConfigurationError(
      'Vault address: expected https://host, or http to this machine, without user or query',
    );
  }
  return url.href.replace(/\/+$/, '');
}

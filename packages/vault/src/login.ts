/**
 * Ways to log in to Vault. Each is one request, and whatever it needs is asked for anew at every login.
 * @module
 */
import { LeaseError } from '@countersign/core';
import type { Secret } from '@countersign/core';
import { checkPath } from './path.ts';
import { membersOf } from './vault-answer.ts';

/** Sends one request; throws `LeaseError`. With `token` instead of none. */
export type Send = (input: {
  readonly what: string;
  readonly method: 'read' | 'write';
  readonly path: string;
  readonly body?: Readonly<Record<string, unknown>>;
  readonly token?: Secret;
}) => Promise<Readonly<Record<string, unknown>>>;

export interface VaultLogin {
  /** For messages. */
  readonly name: string;
  /** Answers the body of a login: `auth` has `client_token`, `lease_duration` in seconds and `renewable`. */
  logIn(send: Send): Promise<Readonly<Record<string, unknown>>>;
}

type Supplier = () => Secret | Promise<Secret>;

export interface AppRoleOptions {
  readonly roleId: string;
  /** Asked at every login. One that can be used once is good for one login: supply another for the next. */
  readonly secretId: Supplier | WrappedSecretId;
  /** Default `approle`. */
  readonly mount?: string;
}

/** A secret id that arrives response-wrapped: whoever unwraps it first has it, and a second attempt fails. */
export interface WrappedSecretId {
  readonly wrappingToken: Supplier;
  /** The name of the role. The wrapping token must have been made at `auth/<mount>/role/<role>/secret-id`. */
  readonly role: string;
}

/** Logs in by AppRole. */
export function appRole({ roleId, secretId, mount = 'approle' }: AppRoleOptions): VaultLogin {
  const at = checkPath('AppRole mount', mount);
  const role = typeof secretId === 'function' ? undefined : checkPath('AppRole role', secretId.role);
  return {
    name: 'AppRole login',
    async logIn(send) {
      const secret =
        typeof secretId === 'function'
          ? (await secretId()).reveal()
          : await unwrap(send, await secretId.wrappingToken(), `auth/${at}/role/${role}/secret-id`);
      return send({
        what: 'AppRole login',
        method: 'write',
        path: `auth/${at}/login`,
        body: { role_id: roleId, secret_id: secret },
      });
    },
  };
}

export interface JwtOptions {
  readonly role: string;
  /** Asked at every login: a workload's token, an agent's token, whatever the role's issuer signs. */
  readonly token: Supplier;
  /** Default `jwt`. */
  readonly mount?: string;
}

/** Logs in by a signed token. The role at Vault must have `role_type: jwt`; its default is `oidc`. */
export function jwt({ role, token, mount = 'jwt' }: JwtOptions): VaultLogin {
  const at = checkPath('JWT mount', mount);
  checkPath('JWT role', role);
  return {
    name: 'JWT login',
    async logIn(send) {
      const body = { role, jwt: (await token()).reveal() };
      return send({ what: 'JWT login', method: 'write', path: `auth/${at}/login`, body });
    },
  };
}

/**
 * Unwraps after a look at where the token was made: one that somebody made elsewhere, to make this process use their
 * credential, is refused before it is opened.
 */
async function unwrap(send: Send, token: Secret, madeAt: string): Promise<string> {
  const what = 'response-wrapped secret id';
  const alarm = 'it was used before, has expired or was exchanged: treat it as stolen and issue a new one';
  const found = await send({
    what,
    method: 'write',
    path: 'sys/wrapping/lookup',
    body: { token: token.reveal() },
  }).catch(() => undefined);
  if (found === undefined) throw new LeaseError(`${what}: the wrapping token is not good; ${alarm}`);
  if (membersOf(found['data'])['creation_path'] !== madeAt) {
    throw new LeaseError(`${what}: expected a wrapping token made at ${madeAt}; ${alarm}`);
  }
  const opened = await send({ what, method: 'write', path: 'sys/wrapping/unwrap', token, body: {} }).catch(
    () => undefined,
  );
  const secret = membersOf(opened?.['data'])['secret_id'];
  if (typeof secret !== 'string' || secret === '') throw new LeaseError(`${what}: it could not be opened; ${alarm}`);
  return secret;
}

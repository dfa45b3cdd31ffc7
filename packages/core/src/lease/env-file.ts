/**
 * Secrets from a `.env` file, for development alone. It is read and parsed here: nothing of it reaches `process.env`,
 * and so no child process. Values are literal: `$NAME` and `${NAME}` stand for themselves.
 * @module
 */
import fs from 'node:fs';
import { parseEnv } from 'node:util';
import { ConfigurationError } from '../errors.ts';
import { readPrivateFile } from '../key-file.ts';
import type { CredentialProvider } from './lease.ts';
import { Secret } from './secret.ts';
import { maxSecretLifeMs, staticProvider } from './static-secret.ts';
import type { RegisteredSecret, SecretName } from './static-secret.ts';

const maxFileBytes = 65_536;

export interface EnvFileProviderOptions {
  /** Mode 0600, of the caller. */
  readonly path: string;
  /** Which variable holds which secret. */
  readonly secrets: readonly (SecretName & { readonly variable: string })[];
  /** Default `env-file`. */
  readonly name?: string;
  /** Told at every use of a file that was not written for 72 days; from 90 days on it is refused. */
  readonly onExpiring: (secret: Omit<RegisteredSecret, 'value'>) => void;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/** Throws `ConfigurationError` where `NODE_ENV` says production. */
export function envFileProvider(options: EnvFileProviderOptions): CredentialProvider {
  refuseProduction();
  const services = [...new Set(options.secrets.map(({ service }) => service))];
  return staticProvider({ ...options, services, name: options.name ?? 'env-file' }, () => {
    refuseProduction();
    return readEnvFile(options);
  });
}

function readEnvFile({ path, secrets }: EnvFileProviderOptions): readonly RegisteredSecret[] {
  const variables = parseEnv(readPrivateFile(path, maxFileBytes).toString('utf8'));
  // Nobody says when such a secret ends, so it ends 90 days after the file was last written.
  const registeredAt = Math.floor(fs.statSync(path).mtimeMs);
  return secrets.flatMap(({ variable, ...name }) => {
    const value = Object.hasOwn(variables, variable) ? variables[variable] : undefined;
    if (value === undefined || value === '') return [];
    return [{ ...name, value: new Secret(value), registeredAt, expiresAt: registeredAt + maxSecretLifeMs }];
  });
}

function refuseProduction(): void {
  const environment = (process.env['NODE_ENV'] ?? '').trim().toLowerCase();
  if (environment !== 'production' && environment !== 'prod') return;
  throw new ConfigurationError(
    'an env file is for development: NODE_ENV says production; use a vault or a secrets file',
  );
}

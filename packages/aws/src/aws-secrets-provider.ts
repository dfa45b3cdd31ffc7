/**
 * Static secrets from AWS Secrets Manager.
 *
 * A static secret can be neither narrowed nor revoked: a request gets one only for the very scope that it is configured
 * with, and the policy must accept the residual validity. Until when it is good is the date of its next rotation, or the
 * tag `countersign:expires-at`, an ISO 8601 time; at most 90 days ahead.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { DescribeSecretCommand, GetSecretValueCommand, RotateSecretCommand } from '@aws-sdk/client-secrets-manager';
import type { DescribeSecretCommandOutput, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ConfigurationError, LeaseError, Secret } from '@countersign/core';
import type { CredentialProvider, LeaseRequest } from '@countersign/core';
import { failureOf } from './aws-failure.ts';

const dayMs = 86_400_000;
const maxSecretLifeMs = 90 * dayMs;
const warnBeforeMs = 7 * dayMs;
const expiryTag = 'countersign:expires-at';

export interface AwsSecret {
  readonly scope?: Readonly<Record<string, unknown>>;
  /** Name or ARN; `{tenant}`, `{user}` and `{agent}` stand for ids of the request. */
  readonly secretId: string;
  /** Of a secret that is a JSON object: one field gives its value, several a JSON object of them. Default: all of it. */
  readonly fields?: readonly string[];
}

/** A secret in its last seven days. */
export interface ExpiringAwsSecret {
  readonly tenant: string;
  readonly service: string;
  readonly secretId: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

export interface AwsSecretsProviderOptions {
  /** Default `aws-secrets`. */
  readonly name?: string;
  readonly client: SecretsManagerClient;
  /** Whom it serves. Where there are several, every `secretId` needs `{tenant}`. */
  readonly tenants: readonly string[];
  readonly services: Readonly<Record<string, readonly AwsSecret[]>>;
  /** Told at every use of a secret in its last seven days. */
  readonly onExpiring: (secret: ExpiringAwsSecret) => void;
  /** Upper bound of one request with its retries, in milliseconds. Default 4000. */
  readonly timeoutMs?: number;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

type Wanted = Pick<LeaseRequest, 'tenant' | 'agent' | 'service' | 'scope'> & { readonly user?: string };
type Ids = Pick<LeaseRequest, 'tenant'> & { readonly agent?: string; readonly user?: string };

/** Throws `ConfigurationError`. A secret is read at every lease, so that one that was rotated is replaced at once. */
export function awsSecretsProvider(options: AwsSecretsProviderOptions): CredentialProvider {
  const { name = 'aws-secrets', client, clock = Date.now, timeoutMs = 4_000 } = options;
  const services = new Map(Object.entries(options.services));
  checkConfiguration(name, options);
  const abort = (): { abortSignal: AbortSignal } => ({ abortSignal: AbortSignal.timeout(timeoutMs) });
  const secretsOf = (tenant: string, service: string): readonly AwsSecret[] => {
    const secrets = services.get(service);
    if (secrets === undefined) throw new LeaseError(`service ${service} is not offered here`);
    if (!options.tenants.includes(tenant)) throw new LeaseError(`service ${service}: this tenant is not served here`);
    return secrets;
  };
  const find = async (wanted: Wanted): Promise<{ readonly value: string; readonly expiresAt: number }> => {
    const what = `service ${wanted.service}`;
    const secrets = secretsOf(wanted.tenant, wanted.service);
    const entry = secrets.find(({ scope }) => isDeepStrictEqual(scope ?? {}, { ...wanted.scope }));
    if (entry === undefined) throw new LeaseError(`${what}: no secret is configured for this very scope`);
    const SecretId = fill(entry.secretId, wanted);
    const [description, answer] = await Promise.all([
      client.send(new DescribeSecretCommand({ SecretId }), abort()),
      client.send(new GetSecretValueCommand({ SecretId, VersionStage: 'AWSCURRENT' }), abort()),
    ]).catch((error: unknown) => {
      throw failureOf(what, 'GetSecretValue', error);
    });
    const expiresAt = expiryOf(what, SecretId, description, clock());
    if (expiresAt <= clock() + warnBeforeMs) {
      warn(options.onExpiring, { tenant: wanted.tenant, service: wanted.service, secretId: SecretId, expiresAt });
    }
    return { value: valueOf(what, SecretId, entry.fields, answer.SecretString), expiresAt };
  };
  return {
    name,
    services: Object.freeze([...services.keys()]),
    maxLifetimeMs: maxSecretLifeMs,
    revocable: false,
    findable: false,
    async get(request) {
      const { value, expiresAt } = await find(request);
      return { credentialId: request.leaseId, secret: new Secret(value), expiresAt };
    },
    /** Nothing to prepare: succeeds when the secret can be had. */
    async provision(input) {
      await find(input);
    },
    async revoke() {
      throw new LeaseError('a static secret cannot be revoked here; revoke it at its service, or rotate it');
    },
    /** By the rotation function of the secret, which AWS starts now; the old version works until that has finished. */
    async rotate(input) {
      for (const { secretId } of secretsOf(input.tenant, input.service)) {
        const command = new RotateSecretCommand({
          SecretId: fill(secretId, input),
          ClientRequestToken: randomUUID(),
          RotateImmediately: true,
        });
        await client.send(command, abort()).catch((error: unknown) => {
          throw failureOf(`service ${input.service}`, 'RotateSecret', error);
        });
      }
    },
  };
}

function expiryOf(what: string, secretId: string, description: DescribeSecretCommandOutput, now: number): number {
  const { RotationEnabled: rotates, NextRotationDate: next, Tags: tags = [] } = description;
  const tag = tags.find(({ Key }) => Key === expiryTag)?.Value ?? '';
  const tagged = /^\d{4}-\d{2}-\d{2}T[\d:.]+(?:Z|[+-]\d{2}:\d{2})$/.test(tag) ? Date.parse(tag) : NaN;
  const times = [rotates === true && next !== undefined ? next.getTime() : NaN, tagged].filter(Number.isSafeInteger);
  const expiresAt = Math.min(...times);
  if (expiresAt > now + maxSecretLifeMs) {
    throw new LeaseError(
      `${what}: secret ${secretId} does not say when it ends; rotate it at least every 90 days, or tag it ${expiryTag}`,
    );
  }
  if (expiresAt <= now) throw new LeaseError(`${what}: secret ${secretId} has expired; rotate it or store a new one`);
  return expiresAt;
}

function valueOf(
  what: string,
  secretId: string,
  fields: readonly string[] | undefined,
  text: string | undefined,
): string {
  if (text === undefined || text === '') throw new LeaseError(`${what}: secret ${secretId} is not a text; store one`);
  if (fields === undefined) return text;
  const members = parseObject(text);
  const found = fields.map((field) => {
    const value = Object.hasOwn(members, field) ? members[field] : undefined;
    if (typeof value === 'string' && value !== '') return [field, value] as const;
    throw new LeaseError(`${what}: secret ${secretId} has no text in field ${field}; store it, or name another field`);
  });
  return found.length === 1 ? String(found[0]?.[1]) : JSON.stringify(Object.fromEntries(found));
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}

function warn(onExpiring: AwsSecretsProviderOptions['onExpiring'], secret: ExpiringAwsSecret): void {
  try {
    onExpiring(secret);
  } catch {
    // A broken warning is no reason to refuse a secret that is still good.
  }
}

function fill(template: string, ids: Ids): string {
  return template.replaceAll(/\{(tenant|user|agent)\}/g, (_whole, name: keyof Ids) => {
    const value = ids[name];
    if (typeof value === 'string' && /^[A-Za-z0-9_-]{1,128}$/.test(value)) return value;
    throw new LeaseError(`${name} id: expected 1 to 128 letters, digits, _ and - to use it in the name of a secret`);
  });
}

function checkConfiguration(name: string, { tenants, services }: AwsSecretsProviderOptions): void {
  if (tenants.length === 0) throw new ConfigurationError(`${name}: expected at least one tenant`);
  for (const [service, secrets] of Object.entries(services)) {
    for (const { secretId, fields } of secrets) {
      if (!/^[A-Za-z0-9/_+=.@:{}-]{1,512}$/.test(secretId) || fields?.length === 0) {
        throw new ConfigurationError(
          `${name}, service ${service}: expected the name or ARN of a secret, and fields or none`,
        );
      }
      if (tenants.length > 1 && !secretId.includes('{tenant}')) {
        throw new ConfigurationError(
          `${name}, service ${service}: tenants share an account, so ${secretId} needs {tenant}`,
        );
      }
    }
  }
}

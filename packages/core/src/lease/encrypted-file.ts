/**
 * The provider over an encrypted file of registered secrets, and their rotation where the service has an API for keys.
 * @module
 */
import { hash } from 'node:crypto';
import canonicalize from 'canonicalize';
import { LeaseError } from '../errors.ts';
import { createKeySource } from './file-key.ts';
import type { CredentialProvider, RetireRequest, RotateRequest, Rotation } from './lease.ts';
import type { Secret } from './secret.ts';
import { changeSecrets, readSecrets } from './secrets-file.ts';
import type { EncryptedFileOptions, KeptSecret } from './secrets-file.ts';
import { asLeaseError, sameSecret, staticProvider } from './static-secret.ts';
import type { SecretName, StaticProviderOptions } from './static-secret.ts';

/** The part of a service that makes and ends keys. Errors should be `LeaseError`; anything else is not repeated. */
export interface KeyIssuer {
  /**
   * Makes a key with this scope. `rotation` is the same on every attempt, and another for every scope: name the key by it, so that a key whose answer
   * was lost is found again and not left behind.
   */
  issue(input: SecretName & { readonly rotation: string }): Promise<{
    readonly keyId: string;
    readonly value: Secret;
    /** Milliseconds since the epoch. */
    readonly expiresAt: number;
  }>;
  /** Ends a key. Idempotent. */
  retire(input: Pick<SecretName, 'tenant' | 'service' | 'agent'> & { readonly keyId: string }): Promise<void>;
}

export interface EncryptedFileProviderOptions extends EncryptedFileOptions, Omit<StaticProviderOptions, 'name'> {
  /** Default `encrypted-file`; to be given where there are several. */
  readonly name?: string;
  /** By service. Without one, `rotate` refuses. */
  readonly issuers?: Readonly<Record<string, KeyIssuer>>;
}

/** The file is read at every lease, so that a removed secret is gone at once. */
export function encryptedFileProvider(options: EncryptedFileProviderOptions): CredentialProvider {
  const keys = createKeySource(options.key);
  const { issuers = {} } = options;
  const clock = options.clock ?? Date.now;
  const base = staticProvider({ ...options, name: options.name ?? 'encrypted-file' }, () =>
    readSecrets(options.path, keys),
  );
  const issuerOf = (service: string): KeyIssuer => {
    if (!base.services.includes(service)) throw new LeaseError(`service ${service} is not offered here`);
    const issuer = Object.hasOwn(issuers, service) ? issuers[service] : undefined;
    if (issuer !== undefined) return issuer;
    throw new LeaseError(`service ${service}: no issuer; replace the secret at its service, then register the new one`);
  };
  return {
    ...base,
    async rotate(input) {
      const issuer = issuerOf(input.service);
      return asLeaseError(async () => {
        const due = (await readSecrets(options.path, keys)).filter((secret) => isFor(secret, input));
        if (due.length === 0) throw new LeaseError(`service ${input.service}: no secret is registered to rotate`);
        const rotated: KeptSecret[] = [];
        for (const secret of due) rotated.push(await rotateOne(options, issuer, secret, input, clock()));
        return {
          expiresAt: Math.min(...rotated.map(({ expiresAt }) => expiresAt)),
          superseded: rotated.flatMap(({ superseded }) => superseded ?? []),
        } satisfies Rotation;
      });
    },
    async retire(input) {
      await issuerOf(input.service).retire({ ...ownerOf(input), keyId: input.credentialId });
      await asLeaseError(() => changeSecrets(options, (secrets) => forget(secrets, input), clock()));
    },
  };
}

/** Asked again with the same `rotation` it changes nothing, and answers what the first time superseded. */
async function rotateOne(
  options: EncryptedFileOptions,
  issuer: KeyIssuer,
  secret: KeptSecret,
  { rotation }: RotateRequest,
  now: number,
): Promise<KeptSecret> {
  if (rotation === undefined) throw new LeaseError(`service ${secret.service}: a rotation needs a name`);
  if (secret.rotation === rotation) return secret;
  const { tenant, service, agent, scope } = secret;
  const name = {
    tenant,
    service,
    ...(agent === undefined ? {} : { agent }),
    ...(scope === undefined ? {} : { scope }),
  };
  const issued = await issuer.issue({ ...name, rotation: keyName(rotation, scope) });
  const { keyId, value, expiresAt } = issued;
  const superseded = [...(secret.superseded ?? []), ...(secret.keyId === undefined ? [] : [secret.keyId])];
  const next: KeptSecret = { ...name, value, expiresAt, keyId, rotation, superseded, registeredAt: now };
  await changeSecrets(
    options,
    (secrets) => {
      const current = secrets.find((other) => sameSecret(other, name));
      // Removed or replaced by hand meanwhile: the file's owner has the last word.
      if (current?.keyId !== secret.keyId || current?.rotation !== secret.rotation)
        throw new LeaseError(`service ${service}: the secret changed while it was rotated`);
      return secrets.map((other) => (other === current ? next : other));
    },
    now,
  );
  return next;
}

/** Keys of two scopes are two keys: found again by one name, the wider would be taken for the narrower. */
function keyName(rotation: string, scope: SecretName['scope']): string {
  if (scope === undefined || Object.keys(scope).length === 0) return rotation;
  return `${rotation}-${hash('sha256', canonicalize(scope) ?? '', 'hex').slice(0, 16)}`;
}

function isFor(secret: KeptSecret, { tenant, service, agent }: RotateRequest): boolean {
  return secret.tenant === tenant && secret.service === service && secret.agent === agent;
}

function ownerOf({ tenant, service, agent }: RetireRequest): Pick<SecretName, 'tenant' | 'service' | 'agent'> {
  return agent === undefined ? { tenant, service } : { tenant, service, agent };
}

function forget(secrets: readonly KeptSecret[], input: RetireRequest): readonly KeptSecret[] {
  return secrets.map((secret) =>
    isFor(secret, input) && secret.superseded?.includes(input.credentialId) === true
      ? { ...secret, superseded: secret.superseded.filter((id) => id !== input.credentialId) }
      : secret,
  );
}

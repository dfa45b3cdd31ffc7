import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  DescribeSecretCommand,
  PutSecretValueCommand,
  RotateSecretCommand,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, beforeEach, describe, expect } from 'vitest';
import {
  ConfigurationError,
  LeaseError,
  type Credential,
  type CredentialProvider,
  type LeaseRequest,
} from '@countersign/core';
import { providerContract } from '@countersign/core/testing';
import { hasMoto, startMoto, withMoto as using, type Moto } from '../../../test/support/moto.ts';
import { verifies } from '../../../test/verifies.ts';
import { awsSecretsProvider, type AwsSecret, type ExpiringAwsSecret } from '../src/index.ts';

/* moto keeps secrets, tags and rotation rules as AWS does, and enforces no permission. */
const canary = 'CANARY-aws-secret-51d7-do-not-leak';
const dayMs = 86_400_000;
const inDays = (days: number): string => new Date(Date.now() + days * dayMs).toISOString();

let moto: Moto;
let client: SecretsManagerClient;
let provider: CredentialProvider;
let warned: ExpiringAwsSecret[] = [];

const secrets: readonly AwsSecret[] = [
  { secretId: '{tenant}/{agent}/orders', fields: ['password'] },
  { scope: { whole: true }, secretId: '{tenant}/{agent}/orders' },
  { scope: { both: true }, secretId: '{tenant}/{agent}/orders', fields: ['user', 'password'] },
  { scope: { field: 'missing' }, secretId: '{tenant}/{agent}/orders', fields: ['token'] },
];

async function store(name: string, value: string | Uint8Array, tag?: string): Promise<void> {
  await client.send(
    new CreateSecretCommand({
      Name: name,
      ...(typeof value === 'string' ? { SecretString: value } : { SecretBinary: value }),
      ...(tag === undefined ? {} : { Tags: [{ Key: 'countersign:expires-at', Value: tag }] }),
    }),
  );
}

const clientOf = (endpoint: string): SecretsManagerClient =>
  new SecretsManagerClient({
    endpoint,
    region: 'eu-central-1',
    credentials: { accessKeyId: 'AKIAOFTHISPROCESS', secretAccessKey: 'CANARY-own-key' },
    maxAttempts: 1,
  });

beforeAll(async () => {
  if (!hasMoto) return;
  moto = await startMoto();
  client = clientOf(moto.endpoint);
  provider = awsSecretsProvider({
    client,
    tenants: ['acme', 'globex'],
    services: { orders: secrets, fixed: [{ secretId: '{tenant}/fixed' }] },
    onExpiring: (secret) => void warned.push(secret),
  });
  const value = JSON.stringify({ user: 'bot', password: canary });
  await store('acme/support/orders', value, inDays(60));
  await store('acme/near/orders', value, inDays(3));
  await store('acme/over/orders', value, inDays(-1));
  await store('acme/far/orders', value, inDays(91));
  await store('acme/never/orders', value);
  await store('acme/odd/orders', value, 'soon');
  await store('acme/rotating/orders', value);
  await store('acme/plain/orders', canary, inDays(60));
  await store('acme/binary/orders', Buffer.from(canary), inDays(60));
  await store('acme/deleted/orders', value, inDays(60));
  await client.send(new DeleteSecretCommand({ SecretId: 'acme/deleted/orders' }));
  await store('acme/fixed', canary, inDays(60));
});
beforeEach(() => void (warned = []));
afterAll(() => moto?.stop());

const request: Omit<LeaseRequest, 'leaseId' | 'ttlMs'> = {
  tenant: 'acme',
  user: 'alice',
  agent: 'support',
  run: 'run-1',
  callKey: 'call-1',
  tool: 'listOrders',
  capability: 'orders:order:read',
  argumentsDigest: 'digest',
  service: 'orders',
  scope: {},
};
const lease = async (more: Partial<typeof request> = {}, of = provider): Promise<Credential> =>
  (await of.get({ ...request, ...more, leaseId: randomUUID(), ttlMs: 60_000 })) as Credential;

describe('the provider contract', () => {
  const cases = providerContract(() => ({
    provider,
    request,
    use: async (secret) => secret.reveal() === canary,
    beyond: 'impossible',
    pass: 'impossible',
    now: Date.now,
  }));
  for (const { name, run } of cases) verifies(['CRD-2', 'CRD-3'], `moto, Secrets Manager: ${name}`, run, { using });
});

describe('a secret from Secrets Manager', () => {
  verifies(
    ['CRD-3', 'CRD-4'],
    'is given whole or by its fields, and warns in its last seven days',
    async () => {
      expect((await lease()).secret.reveal()).toBe(canary);
      expect(JSON.parse((await lease({ scope: { whole: true } })).secret.reveal())).toEqual({
        user: 'bot',
        password: canary,
      });
      expect(JSON.parse((await lease({ scope: { both: true } })).secret.reveal())).toEqual({
        user: 'bot',
        password: canary,
      });
      expect(warned).toEqual([]);
      await lease({ agent: 'near' });
      expect(warned).toMatchObject([{ tenant: 'acme', service: 'orders', secretId: 'acme/near/orders' }]);
    },
    { using },
  );

  verifies(
    ['CRD-3', 'CRD-4'],
    'that rotates ends with its next rotation',
    async () => {
      const RotationRules = { AutomaticallyAfterDays: 30 };
      await client.send(new RotateSecretCommand({ SecretId: 'acme/rotating/orders', RotationRules }));
      // The rotation function would write the new value; moto runs none.
      const SecretString = JSON.stringify({ user: 'bot', password: canary });
      await client.send(new PutSecretValueCommand({ SecretId: 'acme/rotating/orders', SecretString }));
      const { NextRotationDate: next } = await client.send(
        new DescribeSecretCommand({ SecretId: 'acme/rotating/orders' }),
      );
      expect((await lease({ agent: 'rotating' })).expiresAt).toBe(next?.getTime());
    },
    { using },
  );

  verifies(
    'CRD-3',
    'is rotated by its service, which starts a new version',
    async () => {
      const before = await client.send(new DescribeSecretCommand({ SecretId: 'acme/fixed' }));
      await provider.rotate({ tenant: 'acme', service: 'fixed' });
      const after = await client.send(new DescribeSecretCommand({ SecretId: 'acme/fixed' }));
      expect(after.LastRotatedDate).toBeDefined();
      expect(Object.keys(after.VersionIdsToStages ?? {})).not.toEqual(Object.keys(before.VersionIdsToStages ?? {}));
      await expect(provider.rotate({ tenant: 'globex', service: 'fixed' })).rejects.toThrow(
        /RotateSecret failed, ResourceNotFound/,
      );
    },
    { using },
  );

  const refusals: readonly (readonly [string, Partial<typeof request>, RegExp])[] = [
    ['that is not there', { agent: 'nobody' }, /service orders: .*ResourceNotFoundException .*check its name/],
    ['that was deleted', { agent: 'deleted' }, /InvalidRequestException/],
    ['that has expired', { agent: 'over' }, /has expired; rotate it/],
    ['without an end', { agent: 'never' }, /does not say when it ends/],
    ['with an end that is no time', { agent: 'odd' }, /does not say when it ends/],
    ['with an end too far ahead', { agent: 'far' }, /does not say when it ends/],
    ['that is binary', { agent: 'binary' }, /is not a text/],
    ['that is no object, by a field', { agent: 'plain' }, /no text in field password/],
    ['without the field', { scope: { field: 'missing' } }, /no text in field token/],
    ['for another scope', { scope: { admin: true } }, /very scope/],
    ['of another tenant', { tenant: 'globex' }, /ResourceNotFoundException/],
    ['of a tenant that is not served', { tenant: 'initech' }, /not served here/],
    ['for an agent id that climbs', { agent: '../globex/support' }, /agent id/],
    ['for an agent id with a dot', { agent: 'a.b' }, /agent id/],
  ];
  for (const [name, more, message] of refusals) {
    verifies(
      ['CRD-3', 'CRD-7'],
      `${name} is refused, with service and remedy and without the secret`,
      async () => {
        const refused: unknown = await lease(more).catch((error: unknown) => error);
        expect(refused).toBeInstanceOf(LeaseError);
        expect(String(refused)).toMatch(message);
        expect(inspect(refused, { depth: 20, showHidden: true })).not.toContain('CANARY-');
      },
      { using },
    );
  }

  verifies('REL-3', 'is not given while AWS is not there, and the error says so', async () => {
    const offline = awsSecretsProvider({
      client: clientOf('http://127.0.0.1:1'),
      tenants: ['acme'],
      services: { orders: [{ secretId: 'x' }] },
      onExpiring: () => undefined,
    });
    await expect(lease({}, offline)).rejects.toThrow(/service orders: GetSecretValue failed, .*check network/);
  });

  verifies('CAP-8', 'needs {tenant} in its name where several tenants share the account', () => {
    const configure = (tenants: readonly string[], secretId: string, fields?: readonly string[]) => () =>
      awsSecretsProvider({
        client: clientOf('http://127.0.0.1:1'),
        tenants,
        services: { orders: [{ secretId, ...(fields === undefined ? {} : { fields }) }] },
        onExpiring: () => undefined,
      });
    expect(configure(['acme', 'globex'], 'orders')).toThrow(ConfigurationError);
    expect(configure([], 'orders')).toThrow(ConfigurationError);
    expect(configure(['acme'], 'a b')).toThrow(ConfigurationError);
    expect(configure(['acme'], 'a', [])).toThrow(ConfigurationError);
    expect(configure(['acme'], 'orders')).not.toThrow();
  });
});

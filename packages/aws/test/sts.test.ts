import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import type { AssumeRoleCommandInput } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished } from 'vitest';
import {
  ConfigurationError,
  createCountersign,
  currentLease,
  definePolicy,
  LeaseError,
  memoryStore,
  type Credential,
  type CredentialProvider,
  type LeaseRequest,
  type Secret,
} from '@countersign/core';
import { providerContract } from '@countersign/core/testing';
import { hasMoto, startMoto, withMoto as using, type Moto } from '../../../test/support/moto.ts';
import { withSpans } from '../../../test/adapters/spans.ts';
import { verifies } from '../../../test/verifies.ts';
import { awsCredentials, awsSessionProvider, type AwsSessionProviderOptions } from '../src/index.ts';

/*
 * moto gives sessions and knows whose they are. It enforces neither policies of roles nor session policies, lets no
 * session expire and checks no trust policy. What a session may do is therefore asserted over the request that was sent.
 */
const own = { accessKeyId: 'AKIAOFTHISPROCESS', secretAccessKey: 'CANARY-own-key-do-not-leak' };

let moto: Moto;
let client: STSClient;
let sent: AssumeRoleCommandInput[] = [];
let provider: CredentialProvider;

const services: AwsSessionProviderOptions['services'] = {
  reports: {
    roles: { acme: 'arn:aws:iam::123456789012:role/countersign/reports' },
    template: [{ actions: ['s3:GetObject', 's3:PutObject'], resources: ['arn:aws:s3:::reports/{tenant}/*'] }],
    externalId: 'countersign-acme',
  },
};

function clientOf(endpoint: string, credentials = own): STSClient {
  const made = new STSClient({ endpoint, region: 'eu-central-1', credentials, maxAttempts: 1 });
  made.middlewareStack.add(
    (next, context) => (args) => {
      if (context.commandName === 'AssumeRoleCommand') sent.push(args.input as AssumeRoleCommandInput);
      return next(args);
    },
    { step: 'initialize' },
  );
  return made;
}

beforeAll(async () => {
  if (!hasMoto) return;
  moto = await startMoto();
  client = clientOf(moto.endpoint);
  provider = awsSessionProvider({ client, services });
});
beforeEach(() => void (sent = []));
afterAll(() => moto?.stop());

const request: Omit<LeaseRequest, 'leaseId' | 'ttlMs'> = {
  tenant: 'acme',
  user: 'alice',
  agent: 'support',
  run: 'run-1',
  callKey: 'abcdefghijklmnopqrstuvwxyz_-0123456789ABCDE',
  tool: 'readReport',
  capability: 'aws:s3:read',
  argumentsDigest: 'digest',
  service: 'reports',
  scope: { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::reports/{tenant}/2026.csv'] },
};
const lease = async (of: CredentialProvider, more: Partial<typeof request> = {}): Promise<Credential> =>
  (await of.get({ ...request, ...more, leaseId: randomUUID(), ttlMs: 60_000 })) as Credential;

/** Who the session is at moto, and whether the policy that was sent for it lists the operation. */
async function use(secret: Secret, { scope }: Pick<LeaseRequest, 'scope'>): Promise<boolean> {
  const policy = sent.at(-1)?.Policy ?? '';
  const session = new STSClient({
    endpoint: moto.endpoint,
    region: 'eu-central-1',
    credentials: awsCredentials(secret),
  });
  const { Arn } = await session.send(new GetCallerIdentityCommand({}));
  expect(Arn).toMatch(/assumed-role\/.*support@abcdef/);
  const { Statement: statements } = JSON.parse(policy) as { Statement: { Action: string[] }[] };
  return (scope['actions'] as string[]).every((action) => statements.some(({ Action }) => Action.includes(action)));
}

describe('the provider contract', () => {
  const cases = providerContract(() => ({
    provider,
    request,
    use,
    beyond: { scope: { ...request.scope, actions: ['s3:PutObject'] } },
    pass: 'impossible',
    now: Date.now,
  }));
  for (const { name, run } of cases) {
    verifies(['CRD-2', 'CRD-3'], `moto, STS (narrowness over the request only): ${name}`, run, { using });
  }
});

describe('a session of STS', () => {
  verifies(
    'CRD-3',
    'is asked for with role, narrowed policy, shortest life, external id, and a name of agent and call',
    async () => {
      await lease(provider);
      expect(sent).toEqual([
        {
          RoleArn: 'arn:aws:iam::123456789012:role/countersign/reports',
          RoleSessionName: `support@${request.callKey}`,
          DurationSeconds: 900,
          ExternalId: 'countersign-acme',
          Policy: JSON.stringify({
            Version: '2012-10-17',
            Statement: [
              { Effect: 'Allow', Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::reports/acme/2026.csv'] },
            ],
          }),
        },
      ]);
    },
    { using },
  );

  verifies(
    'CRD-2',
    'has an end by our clock, however far the clock of AWS is from it',
    async () => {
      for (const skew of [-3_600_000, 0, 3_600_000]) {
        const clock = (): number => Date.now() + skew;
        const { expiresAt } = await lease(awsSessionProvider({ client, services, clock }));
        expect(Math.abs(expiresAt - clock() - 900_000)).toBeLessThan(10_000);
      }
    },
    { using },
  );

  verifies('CRD-3', 'is not asked for with a scope, tenant or service that it is not for', async () => {
    const offline = awsSessionProvider({ client: clientOf('http://127.0.0.1:1'), services });
    for (const more of [
      { scope: { actions: ['s3:DeleteObject'], resources: ['arn:aws:s3:::reports/acme/1'] } },
      { scope: {} },
      { tenant: 'globex' },
      { tenant: 'constructor' },
      { service: 'toString' },
    ]) {
      await expect(lease(offline, more)).rejects.toBeInstanceOf(LeaseError);
    }
    expect(sent).toEqual([]);
  });

  verifies('CRD-3', 'needs the ARN of a role and a template, at the start', () => {
    const withService = (more: object) => () =>
      awsSessionProvider({
        client: clientOf('http://127.0.0.1:1'),
        services: { reports: { ...services['reports'], ...more } as never },
      });
    expect(withService({ roles: { acme: 'arn:aws:iam::1:user/x' } })).toThrow(ConfigurationError);
    expect(withService({ template: [] })).toThrow(ConfigurationError);
    expect(withService({ template: [{ actions: ['*'], resources: ['*'] }] })).toThrow(ConfigurationError);
    expect(withService({ template: [{ actions: ['s3:Get*'], resources: ['arn:${aws:x}'] }] })).toThrow(
      ConfigurationError,
    );
    expect(withService({})).not.toThrow();
  });
});

/** A stand-in for an AWS that refuses in ways that moto does not. */
async function broken(status: number, body: string, headers: Record<string, string> = {}): Promise<string> {
  const server = createServer((message, response) => {
    message.resume();
    if (status === 0) return;
    response.writeHead(status, { 'Content-Type': 'text/xml', ...headers }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const xml = (code: string): string =>
  `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>CANARY-in-the-message</Message></Error></ErrorResponse>`;

describe('an STS that refuses', () => {
  const refusals: readonly (readonly [string, number, string, RegExp])[] = [
    ['permission', 403, xml('AccessDenied'), /AccessDenied \(403\): not permitted/],
    ['expired credentials', 403, xml('ExpiredToken'), /credentials of this process have expired/],
    ['unknown credentials', 403, xml('InvalidClientTokenId'), /not known/],
    ['a clock that is off', 403, xml('SignatureDoesNotMatch'), /clock of this machine/],
    ['a policy too large when packed', 400, xml('PackedPolicyTooLarge'), /too large/],
    ['with a failure of its own', 500, xml('InternalFailure'), /inside AWS/],
    ['with a page', 502, '<html>CANARY</html>', /502/],
    [
      'with an answer that has no credentials',
      200,
      '<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>',
      /without the credentials/,
    ],
    ['by silence', 0, '', /no answer in time/],
  ];
  for (const [name, status, body, message] of refusals) {
    verifies(['REL-3', 'CRD-7'], `${name} is a typed error with its remedy and nothing that was sent`, async () => {
      const refusing = awsSessionProvider({ client: clientOf(await broken(status, body)), services, timeoutMs: 400 });
      const error: unknown = await lease(refusing).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(LeaseError);
      expect(String(error)).toMatch(/^LeaseError: service reports: /);
      expect(String(error)).toMatch(message);
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('CANARY');
      expect((error as Error).cause).toBeUndefined();
    });
  }

  verifies('REL-3', 'is not there: named with its remedy', async () => {
    const refusing = awsSessionProvider({ client: clientOf('http://127.0.0.1:1'), services });
    await expect(lease(refusing)).rejects.toThrow(/service reports: AssumeRole failed, .*check network and endpoint/);
  });
});

describe('a call with a session of STS', () => {
  const document = (acceptResidual: boolean) => ({
    countersign: 1 as const,
    name: 'reports',
    version: '1',
    tenants: ['acme'],
    tools: {
      readReport: {
        capability: 'aws:s3:read',
        risk: 'low' as const,
        credential: { service: 'reports', scope: { ...request.scope }, ttl: '1m', acceptResidual },
      },
    },
    agents: { support: { owner: 'user:alice', capabilities: ['aws:s3:read'] } },
    users: { alice: { capabilities: ['aws:s3:read'] } },
  });
  const execute = async (acceptResidual: boolean, body: () => unknown) => {
    const countersign = createCountersign({
      policy: definePolicy(document(acceptResidual)),
      store: memoryStore(),
      audit: { key: Buffer.alloc(32, 1) },
      credentials: [provider],
    });
    const gate = countersign.gate({ tenant: 'acme', user: 'alice', agent: 'support', run: 'run-1' });
    const tool = { name: 'readReport', source: 'local' };
    const outcome = await gate.execute({ tool, callId: 'c1', step: '#0', origin: 'model', arguments: {} }, body);
    const records: { kind: string; event: string; detail?: string }[] = [];
    for await (const record of countersign.ledger.query({ tenant: 'acme' })) records.push(record as never);
    await countersign.close();
    return { outcome, records };
  };

  verifies(
    'CRD-2',
    'needs a policy that accepts that it cannot be revoked; without it no session is asked for',
    async () => {
      const { outcome } = await execute(false, () => 'never');
      expect(outcome.status).not.toBe('completed');
      expect(sent).toEqual([]);
    },
    { using },
  );

  verifies(
    ['CRD-2', 'CRD-7'],
    'records until when the session works, and shows none of its three secrets anywhere',
    async () => {
      let secrets: string[] = [];
      const leak = () => {
        const { secret } = currentLease('reports');
        secrets = Object.values(awsCredentials(secret));
        return { all: secret.reveal(), each: secrets, line: `AWS4-HMAC-SHA256 Credential=${secrets[0]}/20261126` };
      };
      const { result, spans } = await withSpans(() => execute(true, leak));
      const { outcome, records } = result;
      expect(outcome).toMatchObject({ status: 'completed' });
      const ended = records.filter(({ kind }) => kind === 'credential');
      expect(ended).toMatchObject([
        { event: 'issued', detail: expect.stringMatching(/^valid until 20/) as string },
        { event: 'lapsed', detail: expect.stringMatching(/^valid until 20/) as string },
      ]);
      expect(secrets).toHaveLength(3);
      const everything = inspect([outcome, records, spans], { depth: 20, showHidden: true });
      for (const secret of secrets) expect(everything).not.toContain(secret);
    },
    { using },
  );
});

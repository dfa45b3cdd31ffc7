/**
 * Sessions of AWS STS for one operation: AssumeRole with a session policy that is computed from the operation.
 *
 * A session cannot be revoked and lives at least 900 seconds, however short the call is. The policy has to accept that by
 * name (`acceptResidual: true`), and the record of the lease says until when the session works.
 * @module
 */
import { AssumeRoleCommand } from '@aws-sdk/client-sts';
import type { STSClient } from '@aws-sdk/client-sts';
import { ConfigurationError, LeaseError, Secret } from '@countersign/core';
import type { Credential, CredentialProvider, LeaseRequest } from '@countersign/core';
import { failureOf } from './aws-failure.ts';
import { sessionName } from './session-name.ts';
import { checkTemplate, sessionPolicy } from './session-policy.ts';
import type { TemplateStatement } from './session-policy.ts';

/** The shortest life that STS gives, and the longest that a lease may have. In seconds. */
const sessionSeconds = 900;

export interface AwsSessionService {
  /** Tenant → ARN of the role that is assumed for it. A tenant that is not here gets nothing. */
  readonly roles: Readonly<Record<string, string>>;
  readonly template: readonly TemplateStatement[];
  readonly externalId?: string;
}

export interface AwsSessionProviderOptions {
  /** Default `aws-sts`. */
  readonly name?: string;
  /** With the credentials of this process; they need `sts:AssumeRole` on the roles and nothing else. */
  readonly client: STSClient;
  readonly services: Readonly<Record<string, AwsSessionService>>;
  /** Upper bound of one request with its retries, in milliseconds. Default 8000. */
  readonly timeoutMs?: number;
  /** Milliseconds since the epoch. */
  readonly clock?: () => number;
}

/**
 * The secret of a lease is a JSON object of `accessKeyId`, `secretAccessKey` and `sessionToken`; see `awsCredentials`.
 * The scope of a request is `{ actions, resources }`. Throws `ConfigurationError`.
 */
export function awsSessionProvider(options: AwsSessionProviderOptions): CredentialProvider {
  const { name = 'aws-sts', clock = Date.now } = options;
  const services = new Map(Object.entries(options.services));
  for (const [service, { roles, template }] of services) {
    checkTemplate(`${name}, service ${service}`, template);
    for (const role of Object.values(roles)) checkRole(`${name}, service ${service}`, role);
  }
  const plan = (request: Pick<LeaseRequest, 'tenant' | 'agent' | 'service' | 'scope'> & { readonly user?: string }) => {
    const what = `service ${request.service}`;
    const service = services.get(request.service);
    if (service === undefined) throw new LeaseError(`${what} is not offered here`);
    const role = Object.hasOwn(service.roles, request.tenant) ? service.roles[request.tenant] : undefined;
    if (role === undefined)
      throw new LeaseError(`${what}: this tenant has no role; add it to the roles of the service`);
    return { what, role, service, policy: sessionPolicy(what, service.template, request) };
  };
  return {
    name,
    services: Object.freeze([...services.keys()]),
    maxLifetimeMs: sessionSeconds * 1000,
    revocable: false,
    findable: false,
    async get(request) {
      const { what, role, service, policy } = plan(request);
      const command = new AssumeRoleCommand({
        RoleArn: role,
        RoleSessionName: sessionName(request),
        DurationSeconds: sessionSeconds,
        Policy: policy,
        ...(service.externalId === undefined ? {} : { ExternalId: service.externalId }),
      });
      const startedAt = clock();
      const abortSignal = AbortSignal.timeout(options.timeoutMs ?? 8_000);
      const answer = await options.client.send(command, { abortSignal }).catch((error: unknown) => {
        throw failureOf(what, 'AssumeRole', error);
      });
      return toCredential(what, answer.Credentials, startedAt);
    },
    /** Roles are made by whoever administers the account: this checks that the scope lies within the template. */
    async provision(input) {
      plan(input);
    },
    async revoke() {
      throw new LeaseError(
        'a session of STS cannot be revoked; to end all sessions of the role, deny it everything with a condition on aws:TokenIssueTime',
      );
    },
    async rotate({ service }) {
      throw new LeaseError(
        `service ${service}: a role has no secret of its own; rotate the credentials of this process`,
      );
    },
  };
}

/** The leased session in the form that clients of the AWS SDK take as `credentials`. */
export function awsCredentials(secret: Secret): { accessKeyId: string; secretAccessKey: string; sessionToken: string } {
  const { accessKeyId, secretAccessKey, sessionToken } = JSON.parse(secret.reveal()) as Record<string, string>;
  if (accessKeyId === undefined || secretAccessKey === undefined || sessionToken === undefined) {
    throw new LeaseError('expected the secret of a session of STS');
  }
  return { accessKeyId, secretAccessKey, sessionToken };
}

interface AnsweredCredentials {
  readonly AccessKeyId?: string | undefined;
  readonly SecretAccessKey?: string | undefined;
  readonly SessionToken?: string | undefined;
}

/**
 * The end is counted from when we asked, by our clock: the time in the answer is by the clock of AWS, and a lease that
 * seems to live too long by the difference would be refused.
 */
function toCredential(what: string, answer: AnsweredCredentials | undefined, startedAt: number): Credential {
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = answer ?? {};
  if (!accessKeyId || !secretAccessKey || !sessionToken) {
    throw new LeaseError(`${what}: AWS answered without the credentials of a session; check the endpoint`);
  }
  return {
    credentialId: accessKeyId,
    secret: new Secret(JSON.stringify({ accessKeyId, secretAccessKey, sessionToken })),
    expiresAt: startedAt + sessionSeconds * 1000,
  };
}

function checkRole(what: string, role: string): void {
  if (/^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,512}$/.test(role)) return;
  throw new ConfigurationError(`${what}: expected the ARN of a role, got ${JSON.stringify(role)}`);
}

/**
 * The contract of a credential provider, as cases for any test runner.
 * @module
 */
import { CountersignError, LeaseError } from '../errors.ts';
import { maxLeaseTtlMs } from '../lease/lease.ts';
import type { Credential, CredentialProvider, LeaseRequest } from '../lease/lease.ts';
import { Secret } from '../lease/secret.ts';
import { within } from '../within-time.ts';

export interface ContractCase {
  readonly name: string;
  /** Rejects when the contract is broken. Answers why the case does not apply, where the provider declares so. */
  readonly run: () => Promise<string | undefined>;
}

/** What the suite cannot know by itself. Whatever a provider cannot do is declared as `impossible`, never left out. */
export interface ProviderUnderTest {
  readonly provider: CredentialProvider;
  /** A request that the provider grants, without the members that the suite varies. */
  readonly request: Omit<LeaseRequest, 'leaseId' | 'ttlMs'>;
  /** Does what `request` asks for with the secret, at the real service. Answers whether the service allowed it. */
  use(secret: Secret, request: Omit<LeaseRequest, 'leaseId' | 'ttlMs'>): Promise<boolean>;
  /** Members of a request that goes beyond the granted one; the service must refuse the secret for it. */
  readonly beyond: Partial<Omit<LeaseRequest, 'leaseId' | 'ttlMs'>> | 'impossible';
  /** Moves the clock of provider and service on, by milliseconds (or waits). */
  readonly pass: ((milliseconds: number) => void | Promise<void>) | 'impossible';
  /** The provider's clock, in milliseconds since the epoch. */
  readonly now: () => number;
}

const ttlMs = 60_000;
const answerWithinMs = 10_000;
const skewMs = 5_000;

/** `setUp` is called once per case. */
export function providerContract(setUp: () => ProviderUnderTest | Promise<ProviderUnderTest>): readonly ContractCase[] {
  return cases.map(([name, check]) => ({
    name,
    async run() {
      const subject = await setUp();
      return (await within(check(subject), answerWithinMs)) ?? undefined;
    },
  }));
}

type Check = (subject: ProviderUnderTest) => Promise<string | void>;

const cases: readonly (readonly [name: string, check: Check])[] = [
  ['describes itself', describesItself],
  ['gives a credential that the service accepts for the operation', isAccepted],
  ['gives a credential that the service refuses for anything beyond', isNarrow],
  ['gives a credential that ends in time', endsInTime],
  ['never gives the same credential id twice', hasOwnIds],
  ['revokes a credential, and again without an error', revokes],
  ['revokes by the lease alone, where it says that it can', revokesByLease],
  ['revokes what never was without an error', revokesNothing],
  ['refuses a service that is not its own', refusesUnknownService],
  ['keeps the secret out of the credential as printed', hidesTheSecret],
  ['keeps the secret out of its errors', hasCleanErrors],
];

async function describesItself({ provider, request }: ProviderUnderTest): Promise<void> {
  expect(provider.name !== '', 'a name');
  expect(provider.services.includes(request.service), 'the service among services');
  expect(Number.isSafeInteger(provider.maxLifetimeMs) && provider.maxLifetimeMs > 0, 'maxLifetimeMs in milliseconds');
}

async function isAccepted(subject: ProviderUnderTest): Promise<void> {
  const { secret } = await lease(subject);
  expect(await subject.use(secret, subject.request), 'the service to accept the credential');
}

async function isNarrow(subject: ProviderUnderTest): Promise<void> {
  if (subject.beyond === 'impossible') {
    // A credential that cannot be narrowed is at least refused to whoever asks for less than it can do.
    const scope = { ...subject.request.scope, narrower: 'than registered' };
    await rejects(() => subject.provider.get({ ...subject.request, scope, leaseId: newId(), ttlMs }), 'another scope');
    return;
  }
  const { secret } = await lease(subject);
  expect(
    !(await subject.use(secret, { ...subject.request, ...subject.beyond })),
    'the service to refuse what is beyond',
  );
}

async function endsInTime(subject: ProviderUnderTest): Promise<string | void> {
  const { provider, pass, now } = subject;
  const { secret, expiresAt } = await lease(subject);
  const longest = provider.revocable && provider.maxLifetimeMs <= maxLeaseTtlMs ? ttlMs : provider.maxLifetimeMs;
  expect(Number.isSafeInteger(expiresAt) && expiresAt > now(), 'expiresAt ahead, in whole milliseconds');
  expect(expiresAt <= now() + longest + skewMs, `expiresAt within ${longest} ms`);
  if (pass === 'impossible') return 'time cannot be moved on: only expiresAt was checked';
  await pass(expiresAt - now() + 60_000);
  expect(!(await subject.use(secret, subject.request)), 'the service to refuse an expired credential');
}

async function hasOwnIds(subject: ProviderUnderTest): Promise<void> {
  const [first, second] = [await lease(subject), await lease(subject)];
  expect(first.credentialId !== second.credentialId, 'two credential ids');
}

async function revokes(subject: ProviderUnderTest): Promise<void> {
  const { provider, request } = subject;
  const leaseId = newId();
  const { secret, credentialId } = await lease(subject, leaseId);
  const input = { tenant: request.tenant, leaseId, credentialId };
  if (!provider.revocable) {
    await rejects(() => provider.revoke(input), 'revoking what cannot be revoked');
    return;
  }
  await provider.revoke(input);
  expect(!(await subject.use(secret, request)), 'the service to refuse a revoked credential');
  await provider.revoke(input);
}

async function revokesByLease(subject: ProviderUnderTest): Promise<string | void> {
  const { provider, request } = subject;
  if (!provider.findable || !provider.revocable) return 'the provider is not findable, or not revocable';
  const leaseId = newId();
  const { secret } = await lease(subject, leaseId);
  await provider.revoke({ tenant: request.tenant, leaseId, credentialId: undefined });
  expect(!(await subject.use(secret, request)), 'the service to refuse a credential revoked by its lease');
}

async function revokesNothing({ provider, request }: ProviderUnderTest): Promise<string | void> {
  if (!provider.revocable) return 'the provider is not revocable';
  await provider.revoke({ tenant: request.tenant, leaseId: newId(), credentialId: undefined });
}

async function refusesUnknownService({ provider, request }: ProviderUnderTest): Promise<void> {
  const service = 'contract-unknown-service';
  await rejects(() => provider.get({ ...request, service, leaseId: newId(), ttlMs }), 'get for an unknown service');
  const { tenant, agent, scope } = request;
  await rejects(() => provider.provision({ tenant, agent, scope, service, ttlMs }), 'provision for an unknown service');
}

async function hidesTheSecret(subject: ProviderUnderTest): Promise<void> {
  const credential = await lease(subject);
  const value = credential.secret.reveal();
  expect(!credential.credentialId.includes(value), 'a credential id without the secret');
  expect(!JSON.stringify(credential).includes(value), 'a credential that hides its secret');
}

async function hasCleanErrors(subject: ProviderUnderTest): Promise<void> {
  const { provider, request } = subject;
  const { secret } = await lease(subject);
  const value = secret.reveal();
  const failing = [
    () => provider.get({ ...request, service: 'contract-unknown-service', leaseId: newId(), ttlMs }),
    () => provider.rotate({ tenant: request.tenant, service: 'contract-unknown-service' }),
    () => provider.revoke({ tenant: request.tenant, leaseId: newId(), credentialId: value }),
  ];
  for (const call of failing) {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(!everythingIn(error).includes(value), 'errors without the secret');
  }
}

async function lease(subject: ProviderUnderTest, leaseId: string = newId()): Promise<Credential> {
  const answer = await subject.provider.get({ ...subject.request, leaseId, ttlMs });
  if ('consentUrl' in answer) throw new Error('contract: expected a credential, got a request for consent');
  expect(answer.secret instanceof Secret, 'a wrapped secret');
  expect(typeof answer.credentialId === 'string' && answer.credentialId !== '', 'a credential id');
  return answer;
}

function newId(): string {
  return crypto.randomUUID();
}

async function rejects(call: () => Promise<unknown>, what: string): Promise<void> {
  const error = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof LeaseError) return;
  const got = error instanceof CountersignError ? error.code : error === undefined ? 'no error' : 'another error';
  throw new Error(`contract: expected ${what} to reject with LeaseError, got ${got}`);
}

/** Message, stack, cause and own members of an error, as text. */
function everythingIn(error: unknown, depth = 0): string {
  if (typeof error !== 'object' || error === null || depth > 5) return String(error);
  return Reflect.ownKeys(error)
    .map((key) => everythingIn(Reflect.get(error, key), depth + 1))
    .join('\n');
}

function expect(condition: boolean, what: string): void {
  if (!condition) throw new Error(`contract: expected ${what}`);
}

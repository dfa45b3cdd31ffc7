/**
 * Plans, issues and revokes the leases of one call. Providers are strangers: they may be slow, answer late, answer
 * twice, or answer something else than they were asked for.
 * @module
 */
import { randomUUID } from 'node:crypto';
import type { CredentialRequest } from '../call.ts';
import { ConfigurationError, LeaseError } from '../errors.ts';
import type { LeasePlan } from '../store/store.ts';
import { within } from '../within-time.ts';
import { maxLeaseTtlMs } from './lease.ts';
import type { CredentialProvider, Lease, LeaseRequest } from './lease.ts';
import { checkAnswer, clockSkewMs, handleOf, noAnswer, providerFailure } from './provider-answer.ts';
import { createScrubber } from './scrub.ts';

/** What is known of the call that leases are for. */
export type LeaseFacts = Omit<LeaseRequest, 'leaseId' | 'service' | 'scope' | 'ttlMs'>;

/** A lease to come. Only what {@link LeasePlan} names is for the store. */
export interface PlannedLease extends LeasePlan {
  readonly request: CredentialRequest;
}

export interface IssuedLease {
  readonly plan: PlannedLease;
  /** For the tool body. It ends with the plan, also where the credential lives longer. */
  readonly lease: Lease;
  /** What `revoke` needs; keep it sealed. */
  readonly credentialId: string;
  /** Until when the credential may work if nobody revokes it, in milliseconds since the epoch. To be recorded. */
  readonly residualUntil?: number;
  /** Whether ending the lease ends the credential, however long it could have lived. */
  readonly revocable: boolean;
}

/** `open`: lease ids whose credential may still exist, for the sweeper; the other plans are closed. */
export type IssueResult =
  | { readonly status: 'issued'; readonly leases: readonly IssuedLease[] }
  | {
      readonly status: 'consent_required';
      readonly service: string;
      readonly url: string;
      readonly open: readonly string[];
    }
  | { readonly status: 'failed'; readonly error: LeaseError; readonly open: readonly string[] };

export interface RevokeResult {
  /** Lease ids that are over. A lease whose provider cannot revoke is over too; its `residualUntil` says how far. */
  readonly closed: readonly string[];
  /** Lease ids that stay open for the sweeper. */
  readonly failed: readonly { readonly id: string; readonly error: LeaseError }[];
}

export interface Leases {
  /**
   * Pure but for random ids. Throws `LeaseError` for an unknown service, a service asked for twice, a life that is not
   * within 15 minutes, and a residual validity that the policy does not accept. `now` in milliseconds since the epoch.
   */
  plan(requests: readonly CredentialRequest[], now: number): readonly PlannedLease[];
  /** Asks all providers at once. All or nothing, never rejects; takes at most two time-outs and a retry. */
  issue(plans: readonly PlannedLease[], facts: LeaseFacts): Promise<IssueResult>;
  /** Never rejects. One retry, each within the time-out. */
  revoke(leases: readonly IssuedLease[], tenant: string): Promise<RevokeResult>;
  /** Waits for late answers of providers, at most one time-out. For an orderly shutdown. */
  idle(): Promise<void>;
}

export interface LeasesOptions {
  readonly providers: readonly CredentialProvider[];
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Upper bound of one call to a provider, in milliseconds. */
  readonly timeoutMs: number;
}

interface Manager extends LeasesOptions {
  readonly byService: ReadonlyMap<string, CredentialProvider>;
  readonly late: Set<Promise<void>>;
}

/** What became of one plan. `credentialId` is absent when the provider never said, and the credential may exist. */
type Attempt =
  | { readonly status: 'issued'; readonly issued: IssuedLease }
  | { readonly status: 'consent'; readonly plan: PlannedLease; readonly url: string }
  | FailedAttempt;

interface FailedAttempt {
  readonly status: 'failed';
  readonly plan: PlannedLease;
  readonly credentialId: string | undefined;
  readonly error: LeaseError;
  /** The provider may still issue: whatever is revoked now, the lease stays open. */
  readonly late: boolean;
}

export function createLeases(options: LeasesOptions): Leases {
  if (!(options.timeoutMs > 0 && options.timeoutMs <= 300_000)) {
    throw new ConfigurationError(`lease time-out: expected 1 to 300000 ms, got ${options.timeoutMs}`);
  }
  const manager: Manager = { ...options, byService: indexProviders(options.providers), late: new Set() };
  return {
    plan: (requests, now) => plan(manager, requests, now),
    issue: (plans, facts) => issue(manager, plans, facts),
    revoke: (leases, tenant) => revokeAll(manager, leases, tenant),
    async idle() {
      await within(Promise.all(manager.late), manager.timeoutMs).catch(() => undefined);
    },
  };
}

/** One provider per service. Throws `ConfigurationError` for two of them, and for one that does not describe itself. */
export function indexProviders(providers: readonly CredentialProvider[]): ReadonlyMap<string, CredentialProvider> {
  const byService = new Map<string, CredentialProvider>();
  const names = new Set<string>();
  for (const provider of providers) {
    const { name, maxLifetimeMs, revocable, findable } = provider;
    if (typeof name !== 'string' || name === '' || names.has(name)) {
      throw new ConfigurationError(`credential provider: expected a name of its own, got ${JSON.stringify(name)}`);
    }
    if (
      !(Number.isSafeInteger(maxLifetimeMs) && maxLifetimeMs > 0) ||
      typeof revocable !== 'boolean' ||
      typeof findable !== 'boolean'
    ) {
      throw new ConfigurationError(
        `credential provider ${name}: expected maxLifetimeMs, revocable and findable to be declared`,
      );
    }
    names.add(name);
    for (const service of provider.services) {
      const other = byService.get(service);
      if (other !== undefined) {
        throw new ConfigurationError(`service ${service}: expected one provider, got ${other.name} and ${name}`);
      }
      byService.set(service, provider);
    }
  }
  return byService;
}

function plan(manager: Manager, requests: readonly CredentialRequest[], now: number): readonly PlannedLease[] {
  const services = new Set<string>();
  return requests.map((request) => {
    const { service, ttlMs } = request;
    const provider = manager.byService.get(service);
    if (provider === undefined) throw new LeaseError(`service ${JSON.stringify(service)}: no provider offers it`);
    if (services.has(service)) throw new LeaseError(`service ${service}: expected one request, got two`);
    services.add(service);
    if (!(Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= maxLeaseTtlMs)) {
      throw new LeaseError(`service ${service}: expected a life of 1 to ${maxLeaseTtlMs} ms, got ${ttlMs}`);
    }
    if (hasResidual(provider) && request.acceptResidual !== true) {
      throw new LeaseError(
        `service ${service}: credentials of ${provider.name} ${provider.revocable ? 'live' : 'cannot be revoked and live'} up to ` +
          `${Math.ceil(provider.maxLifetimeMs / 1000)} s; the policy must say acceptResidual: true`,
      );
    }
    const expiresAt = now + Math.min(ttlMs, provider.maxLifetimeMs);
    return { id: randomUUID(), service, provider: provider.name, expiresAt, request };
  });
}

function hasResidual(provider: CredentialProvider): boolean {
  return !provider.revocable || provider.maxLifetimeMs > maxLeaseTtlMs;
}

async function issue(manager: Manager, plans: readonly PlannedLease[], facts: LeaseFacts): Promise<IssueResult> {
  const attempts = await Promise.all(plans.map((planned) => attempt(manager, planned, facts)));
  const issued = attempts.flatMap((each) => (each.status === 'issued' ? [each.issued] : []));
  if (issued.length === plans.length) return { status: 'issued', leases: issued };

  const failures = attempts.flatMap((each) => (each.status === 'failed' ? [each] : []));
  const undone = await Promise.all(
    [...issued.map((each) => ({ ...each, late: false })), ...failures].map(
      async ({ plan: planned, credentialId, late }) => {
        const error = await revokeOne(manager, planned, facts.tenant, credentialId);
        return error === undefined && !late ? [] : [planned.id];
      },
    ),
  );
  const open = undone.flat();
  const [failure] = failures;
  if (failure !== undefined) return { status: 'failed', error: failure.error, open };
  const consent = attempts.find((each) => each.status === 'consent');
  if (consent !== undefined)
    return { status: 'consent_required', service: consent.plan.service, url: consent.url, open };
  return { status: 'failed', error: new LeaseError('no lease was issued'), open };
}

async function attempt(manager: Manager, planned: PlannedLease, facts: LeaseFacts): Promise<Attempt> {
  const provider = manager.byService.get(planned.service);
  const failed = (error: LeaseError, credentialId?: string): FailedAttempt => ({
    status: 'failed',
    plan: planned,
    credentialId,
    error,
    late: false,
  });
  if (provider === undefined) return failed(new LeaseError(`service ${planned.service}: no provider offers it`));
  const ttlMs = planned.expiresAt - manager.clock();
  if (ttlMs <= 0) return failed(new LeaseError(`service ${planned.service}: the lease ended before it was issued`));
  const asked = ask(provider, planned, facts, ttlMs);
  let answer: unknown;
  try {
    answer = await within(asked.answer, manager.timeoutMs);
  } catch (error) {
    if (asked.settled()) return failed(providerFailure(provider, planned.service, 'get', error));
    awaitLate(manager, asked.answer, planned, facts.tenant);
    return { ...failed(noAnswer(provider, planned.service, 'get', manager.timeoutMs)), late: true };
  }
  try {
    return toAttempt(planned, provider, answer, manager.clock());
  } catch (error) {
    return failed(providerFailure(provider, planned.service, 'get', error), handleOf(answer));
  }
}

function toAttempt(planned: PlannedLease, provider: CredentialProvider, answer: unknown, now: number): Attempt {
  const ttlMs = Math.min(planned.request.ttlMs, provider.maxLifetimeMs);
  const longestMs = planned.request.acceptResidual === true ? Math.max(ttlMs, provider.maxLifetimeMs) : ttlMs;
  const checked = checkAnswer(answer, planned.service, now, longestMs);
  if (checked.kind === 'consent') return { status: 'consent', plan: planned, url: checked.url };
  const { credentialId, secret } = checked;
  const expiresAt = Math.min(checked.expiresAt, planned.expiresAt);
  const residual = !provider.revocable || checked.expiresAt > expiresAt + clockSkewMs;
  const issued: IssuedLease = {
    plan: planned,
    lease: { id: planned.id, service: planned.service, secret, expiresAt },
    credentialId,
    revocable: provider.revocable,
    ...(residual ? { residualUntil: checked.expiresAt } : {}),
  };
  return { status: 'issued', issued };
}

interface Asked {
  readonly answer: Promise<unknown>;
  readonly settled: () => boolean;
}

/** Calls the provider, whose own synchronous throw is a rejection like any other. */
function ask(provider: CredentialProvider, planned: PlannedLease, facts: LeaseFacts, ttlMs: number): Asked {
  const { service, scope } = planned.request;
  const request: LeaseRequest = { ...facts, leaseId: planned.id, service, scope, ttlMs };
  let done = false;
  const answer = (async (): Promise<unknown> => {
    try {
      return await provider.get(request);
    } finally {
      done = true;
    }
  })();
  return { answer, settled: () => done };
}

/** A provider that answers after its time has issued a credential that nobody holds: it is revoked when it comes. */
function awaitLate(manager: Manager, answer: Promise<unknown>, planned: PlannedLease, tenant: string): void {
  const late = answer
    .then(async (value) => void (await revokeOne(manager, planned, tenant, handleOf(value))))
    .catch(() => undefined)
    .finally(() => manager.late.delete(late));
  manager.late.add(late);
}

async function revokeAll(manager: Manager, leases: readonly IssuedLease[], tenant: string): Promise<RevokeResult> {
  const results = await Promise.all(
    leases.map(async ({ plan: planned, lease, credentialId }) => {
      const error = await revokeOne(manager, planned, tenant, credentialId);
      if (error === undefined) return { id: planned.id };
      // The provider had the secret in its hands when it failed.
      return { id: planned.id, error: new LeaseError(createScrubber([lease]).text(error.message)) };
    }),
  );
  return {
    closed: results.flatMap(({ id, error }) => (error === undefined ? [id] : [])),
    failed: results.flatMap(({ id, error }) => (error === undefined ? [] : [{ id, error }])),
  };
}

/** Answers what went wrong at the second try, or nothing. */
async function revokeOne(
  manager: Manager,
  planned: PlannedLease,
  tenant: string,
  credentialId: string | undefined,
): Promise<LeaseError | undefined> {
  const provider = manager.byService.get(planned.service);
  if (provider === undefined) return new LeaseError(`service ${planned.service}: no provider offers it`);
  if (!provider.revocable) return undefined;
  if (credentialId === undefined && !provider.findable) {
    return new LeaseError(`provider ${provider.name}: cannot find the credential of a lease without its id`);
  }
  let last: LeaseError | undefined;
  for (const _try of [1, 2]) {
    last = await tryRevoke(provider, { tenant, leaseId: planned.id, credentialId }, planned.service, manager.timeoutMs);
    if (last === undefined) return undefined;
  }
  return last;
}

/** One bounded attempt; answers what went wrong. */
export async function tryRevoke(
  provider: CredentialProvider,
  input: Parameters<CredentialProvider['revoke']>[0],
  service: string,
  timeoutMs: number,
): Promise<LeaseError | undefined> {
  let settled = false;
  try {
    await within(
      (async () => {
        try {
          await provider.revoke(input);
        } finally {
          settled = true;
        }
      })(),
      timeoutMs,
    );
    return undefined;
  } catch (error) {
    return settled
      ? providerFailure(provider, service, 'revoke', error)
      : noAnswer(provider, service, 'revoke', timeoutMs);
  }
}

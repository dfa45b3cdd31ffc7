/**
 * Rotation of long-lived credentials: one worker at a time across processes, and an overlap in which the old credential
 * still works, so that no call in flight fails.
 *
 * A rotation has a name that is durable before the provider is called; after a crash it is asked for again by that name.
 * @module
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeError } from '../describe-error.ts';
import { ConfigurationError, LeaseError } from '../errors.ts';
import type { RecordDraft } from '../record/record.ts';
import type { Recorder } from '../record/recorder.ts';
import type { Sealer } from '../record/sealing.ts';
import { takeLock, type Lock } from '../store/lock.ts';
import type { Store } from '../store/store.ts';
import { within } from '../within-time.ts';
import { maxLeaseTtlMs } from './lease.ts';
import type { CredentialProvider, Rotation } from './lease.ts';
import { indexProviders } from './lease-manager.ts';
import { createRotationStates, credentialIdOf, dueAt } from './rotation-state.ts';
import type { KeptState, RotatedCredential, RotationState, RotationStates } from './rotation-state.ts';

export interface RotationOptions {
  readonly credentials: readonly RotatedCredential[];
  /**
   * How long a replaced credential stays valid, in milliseconds. Default 20 minutes: longer than any lease. A shorter one
   * lets calls fail that began before the rotation.
   */
  readonly overlapMs?: number;
}

/** `busy`: another worker has it in hand. `failed`: the old credential stays in use, and the next time tries again. */
export type RotationResult = { readonly tenant: string; readonly id: string } & (
  | { readonly status: 'rotated'; readonly expiresAt?: number; readonly retired: number; readonly unretired: number }
  | { readonly status: 'fresh' | 'busy' }
  | { readonly status: 'failed'; readonly reason: string }
);

/** What is known of a credential; no secret, and no id that could be one. */
export interface RotationView {
  readonly tenant: string;
  readonly id: string;
  readonly service: string;
  readonly agent?: string;
  readonly provider: string;
  readonly rotatedAt?: number;
  readonly expiresAt?: number;
  readonly dueAt: number;
  readonly pending: boolean;
  /** How many replaced ones are still valid. */
  readonly superseded: number;
}

export interface Rotations {
  readonly credentials: readonly RotatedCredential[];
  list(tenant: string): Promise<readonly RotationView[]>;
  /** Rotates what is due, of all tenants, and retires what was replaced. Never rejects. */
  rotateDue(): Promise<readonly RotationResult[]>;
  /** On demand. `compromised`: nothing overlaps, everything replaced is retired at once. `records`: of who ordered it. */
  rotate(
    credential: RotatedCredential,
    order: { readonly compromised: boolean; readonly records: readonly RecordDraft[] },
  ): Promise<RotationResult>;
}

export interface RotationContext {
  readonly store: Pick<Store, 'entry' | 'putEntry'>;
  readonly sealer: Pick<Sealer, 'tenant'>;
  readonly recorder: Recorder;
  readonly providers: readonly CredentialProvider[];
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Upper bound of one call to a provider, in milliseconds. */
  readonly timeoutMs: number;
}

const defaultOverlapMs = maxLeaseTtlMs + 300_000;

/** Throws `ConfigurationError` for a credential that no provider serves, that stands twice, or is rotated too seldom. */
export function createRotations(context: RotationContext, options: RotationOptions): Rotations {
  const { credentials, overlapMs = defaultOverlapMs } = options;
  const byService = indexProviders(context.providers);
  requireCredentials(credentials, byService);
  if (!(Number.isSafeInteger(overlapMs) && overlapMs >= 0)) {
    throw new ConfigurationError(`rotation: expected overlapMs in whole milliseconds, got ${overlapMs}`);
  }
  const states = createRotationStates(context);
  const jobOf = (credential: RotatedCredential, order: Order): Job | undefined => {
    const provider = byService.get(credential.service);
    return provider && { context, states, provider, credential, order };
  };
  const run = async (credential: RotatedCredential, order: Order): Promise<RotationResult> => {
    const place = { tenant: credential.tenant, id: credentialIdOf(credential) };
    try {
      const job = jobOf(credential, order);
      return job === undefined
        ? { ...place, status: 'failed', reason: 'no provider serves it' }
        : { ...place, ...(await locked(job)) };
    } catch (error) {
      return { ...place, status: 'failed', reason: describeError(error) };
    }
  };
  return {
    credentials,
    async list(tenant) {
      const own = credentials.filter((credential) => credential.tenant === tenant);
      return Promise.all(own.map(async (each) => view(each, (await states.read(each)).state, byService)));
    },
    async rotateDue() {
      const results: RotationResult[] = [];
      for (const credential of credentials) {
        results.push(await run(credential, { onlyDue: true, overlapMs, fresh: false, records: [] }));
      }
      return results;
    },
    rotate: (credential, { compromised, records }) =>
      run(credential, { onlyDue: false, overlapMs: compromised ? 0 : overlapMs, fresh: compromised, records }),
  };
}

interface Order {
  readonly onlyDue: boolean;
  readonly overlapMs: number;
  /** What an earlier attempt may have made is not good enough: it may be what was compromised. */
  readonly fresh: boolean;
  readonly records: readonly RecordDraft[];
}

interface Job {
  readonly context: RotationContext;
  readonly states: RotationStates;
  readonly provider: CredentialProvider;
  readonly credential: RotatedCredential;
  readonly order: Order;
}

type JobResult =
  | { readonly status: 'rotated'; readonly expiresAt?: number; readonly retired: number; readonly unretired: number }
  | { readonly status: 'fresh' | 'busy' }
  | { readonly status: 'failed'; readonly reason: string };

async function locked(job: Job): Promise<JobResult> {
  const { context, credential, order } = job;
  const { tenant } = credential;
  // Two rotations and a few retirements, each within its time-out.
  const ttlMs = context.timeoutMs * 8;
  const id = `rotation/${credentialIdOf(credential)}`;
  const idle = order.onlyDue && !(await hasWork(job));
  if (idle) return { status: 'fresh' };
  const lock = await lockFor(job, { tenant, id, ttlMs, now: context.now });
  if (lock === undefined) return { status: 'busy' };
  try {
    return await work(job);
  } finally {
    await lock.release().catch(() => undefined);
  }
}

const lockPauseMs = 100;

/** On compromise a worker that is at it is waited for: what it leaves may be what leaked. */
async function lockFor({ context, order }: Job, input: Parameters<typeof takeLock>[1]): Promise<Lock | undefined> {
  for (const until = performance.now() + (order.fresh ? context.timeoutMs * 3 : 0); ;) {
    const lock = await takeLock(context.store, input);
    if (lock !== undefined || performance.now() >= until) return lock;
    await sleep(lockPauseMs);
  }
}

async function hasWork({ states, credential, context }: Job): Promise<boolean> {
  const { state } = await states.read(credential);
  const now = context.now();
  return dueAt(credential, state) <= now || state.superseded.some(({ retireAt }) => retireAt <= now);
}

async function work(job: Job): Promise<JobResult> {
  const { states, credential, order, context } = job;
  let kept = await states.read(credential);
  const due = dueAt(credential, kept.state) <= context.now();
  let rotated = false;
  if (due || !order.onlyDue) {
    const unfinished = order.fresh && kept.state.pending !== undefined;
    if (unfinished) kept = await rotateOnce(job, kept, []);
    kept = await rotateOnce(job, kept, order.records);
    rotated = true;
  }
  const before = kept.state.superseded.length;
  kept = await retireDue(job, kept);
  const { expiresAt, superseded } = kept.state;
  const overdue = superseded.filter(({ retireAt }) => retireAt <= context.now()).length;
  if (!rotated && overdue === 0) return { status: 'fresh' };
  if (!rotated) return { status: 'failed', reason: `${overdue} replaced credentials could not be retired` };
  const end = expiresAt === undefined ? {} : { expiresAt };
  return { status: 'rotated', ...end, retired: before - superseded.length, unretired: overdue };
}

/** Throws `LeaseError` when the provider fails or does not answer: what it did is found again by the rotation's name. */
async function rotateOnce(job: Job, before: KeptState, records: readonly RecordDraft[]): Promise<KeptState> {
  const { states, credential, context, order, provider } = job;
  const rotation = before.state.pending ?? randomUUID();
  const begun = await states.write(credential, before, { ...before.state, pending: rotation }, records);
  const { tenant, service, agent } = credential;
  const input = { tenant, service, ...(agent === undefined ? {} : { agent }), rotation };
  const answer = await within((async () => provider.rotate(input))(), context.timeoutMs);
  const { expiresAt, superseded } = checkRotation(answer, context.now());
  const retireAt = context.now() + order.overlapMs;
  const known = order.fresh
    ? begun.state.superseded.map(({ credentialId }) => ({ credentialId, retireAt }))
    : begun.state.superseded;
  const added = superseded.filter((id) => !known.some(({ credentialId }) => credentialId === id));
  const next: RotationState = {
    rotatedAt: context.now(),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    superseded: [...known, ...added.map((credentialId) => ({ credentialId, retireAt }))],
  };
  return states.write(credential, begun, next, [draftOf(job, 'rotated')]);
}

function checkRotation(answer: Rotation | void, now: number): Rotation {
  if (answer === undefined) return { superseded: [] };
  const { expiresAt, superseded } = answer;
  if (expiresAt !== undefined && !(Number.isSafeInteger(expiresAt) && expiresAt > now)) {
    throw new LeaseError('rotation: expected the new credential to be valid now');
  }
  if (!Array.isArray(superseded) || !superseded.every((id) => typeof id === 'string' && id !== '')) {
    throw new LeaseError('rotation: expected the ids of what was superseded');
  }
  return answer;
}

/** What cannot be retired stays in the list, and is tried again the next time. */
async function retireDue(job: Job, kept: KeptState): Promise<KeptState> {
  const { states, credential, context } = job;
  let current = kept;
  for (const { credentialId, retireAt } of kept.state.superseded) {
    if (retireAt > context.now() || !(await retire(job, credentialId))) continue;
    const superseded = current.state.superseded.filter((each) => each.credentialId !== credentialId);
    current = await states.write(credential, current, { ...current.state, superseded }, [draftOf(job, 'retired')]);
  }
  return current;
}

async function retire({ provider, credential, context }: Job, credentialId: string): Promise<boolean> {
  const { tenant, service, agent } = credential;
  const input = { tenant, service, ...(agent === undefined ? {} : { agent }), credentialId };
  try {
    if (provider.retire === undefined) return false;
    await within(provider.retire(input), context.timeoutMs);
    return true;
  } catch {
    return false;
  }
}

function draftOf({ context, credential }: Job, event: 'rotated' | 'retired'): RecordDraft {
  const { tenant, service, agent } = credential;
  return context.recorder.draft(
    { kind: 'credential', event, tenant, service, ...(agent === undefined ? {} : { agent }) },
    undefined,
  );
}

function view(
  credential: RotatedCredential,
  state: RotationState,
  byService: ReadonlyMap<string, CredentialProvider>,
): RotationView {
  const { tenant, service, agent } = credential;
  const { rotatedAt, expiresAt, pending, superseded } = state;
  return {
    ...{ tenant, id: credentialIdOf(credential), service, provider: byService.get(service)?.name ?? '' },
    ...(agent === undefined ? {} : { agent }),
    ...(rotatedAt === undefined ? {} : { rotatedAt }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...{ dueAt: dueAt(credential, state), pending: pending !== undefined, superseded: superseded.length },
  };
}

function requireCredentials(
  credentials: readonly RotatedCredential[],
  byService: ReadonlyMap<string, CredentialProvider>,
): void {
  const seen = new Set<string>();
  for (const credential of credentials) {
    const { tenant, service, everyDays = 30 } = credential;
    const place = `${tenant}: ${credentialIdOf(credential)}`;
    if (seen.has(place)) throw new ConfigurationError(`rotation: ${place} stands here twice`);
    seen.add(place);
    if (!byService.has(service)) throw new ConfigurationError(`rotation: no provider serves ${place}`);
    if (!(everyDays >= 1 && everyDays <= 30)) {
      throw new ConfigurationError(`rotation: ${place}: expected everyDays from 1 to 30, got ${everyDays}`);
    }
  }
}

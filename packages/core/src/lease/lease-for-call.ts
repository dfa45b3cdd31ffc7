/**
 * The lease stage: credentials for a claimed call, and the ambient context in which its body will run. From here on
 * whoever holds the result must settle or release it.
 * @module
 */
import type { Claimed } from '../execute/claim.ts';
import { traced } from '../gate-context.ts';
import { callEvent } from '../record/call-events.ts';
import type { RecordDraft } from '../record/record.ts';
import { denied, Stop } from '../stop.ts';
import { holdIdsOf } from '../store/hold-ids.ts';
import { messageFor } from '../messages.ts';
import { openCallContext, runInCall } from './ambient.ts';
import type { Reservation } from './budget.ts';
import { handleContext, residualDetail, sealHandle } from './lease-handle.ts';
import type { IssuedLease, LeaseFacts } from './lease-manager.ts';
import { createScrubber, type Scrubber } from './scrub.ts';

/** A call that may run now. */
export interface Leased extends Claimed {
  readonly scrubber: Scrubber;
  /** `performance.now()` when the body could begin. */
  readonly startedAt: number;
  /** Runs a part of the body inside the ambient context. */
  run<Result>(part: () => Result): Result;
  /** Ends the ambient context and the leases. Never rejects; what could not be revoked stays open for the sweeper. */
  revoke(): Promise<{ readonly leases: readonly string[]; readonly records: readonly RecordDraft[] }>;
}

/** @throws Stop when a budget is used up or a credential cannot be had: the claim was then given back. */
export async function leaseForCall(claimed: Claimed, signal?: AbortSignal): Promise<Leased> {
  const { plans, call, context } = claimed;
  const { runtime } = context;
  const reservations = await reserveBudgets(claimed);
  const leases = plans.length === 0 ? [] : await issueLeases(claimed).catch(cancelAll(reservations));
  const { facts } = call;
  const ambient = openCallContext({
    call: {
      callKey: facts.key,
      idempotencyKey: facts.key,
      tenant: facts.tenant,
      user: context.principal.user,
      agent: facts.agent,
      run: facts.run,
      tool: facts.tool.name,
      ...(signal === undefined ? {} : { signal }),
    },
    leases: leases.map(({ lease }) => lease),
    fetchRules: new Map(plans.flatMap(({ service, request }) => (request.fetch ? [[service, request.fetch]] : []))),
    reservations,
    clock: () => runtime.clock.now(),
  });
  return {
    ...claimed,
    scrubber: createScrubber(leases.map(({ lease }) => lease)),
    startedAt: performance.now(),
    run: (part) => runInCall(ambient, part),
    async revoke() {
      ambient.close();
      const revoked = leases.length === 0 ? { leases: [], records: [] } : await revokeLeases(claimed, leases);
      const unsettled = await settleBudgets(claimed, reservations);
      return { ...revoked, records: [...revoked.records, ...unsettled] };
    },
  };
}

/** @throws Stop when a limit would be passed: the claim was then given back, and no provider was asked. */
async function reserveBudgets(claimed: Claimed): Promise<readonly Reservation[]> {
  const { tenant, agent, key } = claimed.call.facts;
  const reserved: Reservation[] = [];
  try {
    for (const { service, request } of claimed.plans) {
      if (request.budget === undefined) continue;
      const { budget } = request;
      const reservation = await claimed.context.runtime.budgets.reserve({ tenant, agent, service, budget });
      if (reservation === undefined) {
        const detail = `one more call would pass the limit of service ${service} for this ${budget.window}`;
        throw denied('budget_exceeded', { callKey: key, capability: claimed.rule.capability, detail });
      }
      reserved.push(reservation);
    }
    return reserved;
  } catch (error) {
    const unasked = claimed.plans.map(({ id }) => id);
    await giveBack(claimed, 'released', unasked, []);
    return cancelAll(reserved)(error);
  }
}

/** What cannot be given back stays counted. */
function cancelAll(reservations: readonly Reservation[]): (error: unknown) => Promise<never> {
  return async (error) => {
    await Promise.allSettled(reservations.map((reservation) => reservation.cancel()));
    throw error;
  };
}

async function settleBudgets(claimed: Claimed, reservations: readonly Reservation[]): Promise<readonly RecordDraft[]> {
  const settled = await Promise.allSettled(reservations.map((reservation) => reservation.settle()));
  return reservations.flatMap(({ service }, index) => {
    if (settled[index]?.status === 'fulfilled') return [];
    const lease = claimed.plans.find((plan) => plan.service === service);
    const detail = 'what was spent could not be counted; what was reserved stays counted';
    return lease === undefined ? [] : [credentialDraft(claimed, lease, 'budget_unsettled', undefined, detail)];
  });
}

async function issueLeases(claimed: Claimed): Promise<readonly IssuedLease[]> {
  const { runtime } = claimed.context;
  const services = claimed.plans.map(({ service }) => service).join(' ');
  const span = runtime.telemetry.lease(traced(claimed.context, claimed.call), services);
  const result = await runtime.leases.issue(claimed.plans, leaseFacts(claimed)).catch(async (cause: unknown) => {
    span.fail(cause);
    await giveBack(claimed, 'released', [], []);
    throw cause;
  });
  if (result.status === 'failed') span.fail(result.error);
  else span.end({ lease: claimed.plans.map(({ id }) => id).join(' ') });
  if (result.status === 'issued') {
    try {
      await noteIssued(claimed, result.leases);
      await refuseHeld(claimed);
      return result.leases;
    } catch (cause) {
      const { records, leases } = await revokeLeases(claimed, result.leases);
      await giveBack(claimed, 'released', leases, records);
      throw cause;
    }
  }
  const closed = claimed.plans.map(({ id }) => id).filter((id) => !result.open.includes(id));
  const failure = result.status === 'failed' ? result.error.message : undefined;
  const event = result.status === 'failed' ? 'refused' : 'consent_required';
  const refusals = claimed.plans.map((plan) => credentialDraft(claimed, plan, event, undefined, failure));
  await giveBack(claimed, 'released', closed, refusals);
  const callKey = claimed.call.facts.key;
  if (result.status === 'consent_required') {
    const message = `The user has to connect ${result.service} first.`;
    throw new Stop(
      { status: 'consent_required', service: result.service, url: result.url, message, callKey },
      { recorded: true },
    );
  }
  const message = messageFor('credential_unavailable');
  throw new Stop({ status: 'failed', error: result.error, message, replayed: false, callKey }, { recorded: true });
}

function leaseFacts({ context, call, rule }: Claimed): LeaseFacts {
  const { user } = context.principal;
  const { argumentsDigest } = call;
  const { tenant, agent, run, key, tool } = call.facts;
  return { tenant, user, agent, run, callKey: key, tool: tool.name, capability: rule.capability, argumentsDigest };
}

/** Makes the handles durable before the body can use the credentials, so that a crash leaves something to revoke. */
async function noteIssued(claimed: Claimed, leases: readonly IssuedLease[]): Promise<void> {
  const { runtime } = claimed.context;
  const { tenant } = claimed.call.facts;
  for (const { lease, credentialId, residualUntil } of leases) {
    await runtime.store.leaseIssued({
      tenant,
      id: lease.id,
      sealedHandle: runtime.sealer
        .tenant(tenant)
        .seal(sealHandle({ credentialId, validUntil: residualUntil ?? lease.expiresAt }), handleContext(lease.id)),
      expiresAt: lease.expiresAt,
      records: [credentialDraft(claimed, lease, 'issued', residualUntil)],
    });
  }
}

/**
 * A hold that was placed after the claim. Whoever placed it before these leases were noted did not see them, so they are
 * looked for here; whoever placed it later revokes them.
 * @throws Stop
 */
async function refuseHeld({ call, context, rule }: Claimed): Promise<void> {
  const { tenant, key } = call.facts;
  const { store } = context.runtime;
  for (const id of holdIdsOf(call.facts)) {
    if ((await store.entry(tenant, 'hold', id)) === undefined) continue;
    throw denied('held', { callKey: key, capability: rule.capability });
  }
}

async function revokeLeases(
  claimed: Claimed,
  leases: readonly IssuedLease[],
): Promise<{ readonly leases: readonly string[]; readonly records: readonly RecordDraft[] }> {
  const { closed, failed } = await claimed.context.runtime.leases.revoke(leases, claimed.call.facts.tenant);
  const failures = new Map(failed.map(({ id, error }) => [id, error.message]));
  const records = leases.map(({ lease, residualUntil, revocable }) => {
    const failure = failures.get(lease.id);
    if (failure !== undefined) return credentialDraft(claimed, lease, 'revoke_failed', residualUntil, failure);
    return revocable
      ? credentialDraft(claimed, lease, 'revoked', undefined)
      : credentialDraft(claimed, lease, 'lapsed', residualUntil);
  });
  return { leases: closed, records };
}

function credentialDraft(
  claimed: Claimed,
  lease: { readonly id: string; readonly service: string },
  event: string,
  residualUntil: number | undefined,
  failure?: string,
): RecordDraft {
  const detail = failure ?? (residualUntil === undefined ? undefined : residualDetail(residualUntil));
  return claimed.context.draft({
    ...callEvent(claimed.call.facts, 'credential', event),
    parent: claimed.intent,
    lease: lease.id,
    service: lease.service,
    ...(detail === undefined ? {} : { detail }),
  });
}

/** The body was not entered, or paused and may be entered again: the claim is undone and its approval can be claimed once more. */
export async function giveBack(
  claimed: Omit<Claimed, 'waitedMs'>,
  event: 'released' | 'suspended',
  closedLeases: readonly string[],
  records: readonly RecordDraft[],
): Promise<void> {
  const { runtime } = claimed.context;
  const { facts } = claimed.call;
  runtime.live.delete(facts.key);
  await runtime.store.release({
    call: facts,
    claim: claimed.intent,
    now: runtime.clock.now(),
    ...(claimed.approval === undefined ? {} : { approval: claimed.approval.id }),
    closedLeases,
    records: [...records, claimed.context.draft({ ...callEvent(facts, 'outcome', event), parent: claimed.intent })],
  });
}

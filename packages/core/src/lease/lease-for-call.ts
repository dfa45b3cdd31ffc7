/**
 * The lease stage: credentials for a claimed call, and the ambient context in which its body will run. From here on
 * whoever holds the result must settle or release it.
 * @module
 */
import type { Claimed } from '../execute/claim.ts';
import { traced } from '../gate-context.ts';
import { callEvent } from '../record/call-events.ts';
import type { RecordDraft } from '../record/record.ts';
import { Stop } from '../stop.ts';
import { messageFor } from '../messages.ts';
import { openCallContext, runInCall } from './ambient.ts';
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

/** @throws Stop when a credential cannot be had: the claim was then given back. */
export async function leaseForCall(claimed: Claimed, signal?: AbortSignal): Promise<Leased> {
  const leases = claimed.plans.length === 0 ? [] : await issueLeases(claimed);
  const { runtime } = claimed.context;
  const { facts } = claimed.call;
  const ambient = openCallContext({
    call: {
      callKey: facts.key,
      idempotencyKey: facts.key,
      tenant: facts.tenant,
      user: claimed.context.principal.user,
      agent: facts.agent,
      run: facts.run,
      tool: facts.tool.name,
      ...(signal === undefined ? {} : { signal }),
    },
    leases: leases.map(({ lease }) => lease),
    clock: () => runtime.clock.now(),
  });
  return {
    ...claimed,
    scrubber: createScrubber(leases.map(({ lease }) => lease)),
    startedAt: performance.now(),
    run: (part) => runInCall(ambient, part),
    async revoke() {
      ambient.close();
      return leases.length === 0 ? { leases: [], records: [] } : revokeLeases(claimed, leases);
    },
  };
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
  const { tenant, agent, run, key, tool, argumentsDigest } = call.facts;
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
      sealedHandle: runtime.sealer.tenant(tenant).seal(credentialId, handleContext(lease.id)),
      expiresAt: lease.expiresAt,
      records: [credentialDraft(claimed, lease, 'issued', residualUntil)],
    });
  }
}

/** Context under which the handle of a lease is sealed: a handle moved to another lease opens nothing. */
export function handleContext(leaseId: string): string {
  return `lease|${leaseId}|handle`;
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
    // What was revoked is over, however long it could have lived.
    const left = revocable ? undefined : residualUntil;
    return credentialDraft(claimed, lease, left === undefined ? 'revoked' : 'lapsed', left);
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
  const residual = residualUntil === undefined ? undefined : `valid until ${new Date(residualUntil).toISOString()}`;
  const detail = failure ?? residual;
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

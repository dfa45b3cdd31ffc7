/**
 * What a timer or cron does: expire approvals, sweep leases, rotate credentials. Nothing depends on it for safety.
 * @module
 */
import { approvalEvent } from './approve/approval-record.ts';
import type { Credentials } from './lease/credentials.ts';
import { handleContext, openHandle } from './lease/lease-handle.ts';
import { sweepLeases } from './lease/sweeper.ts';
import { measureApproval } from './record/metrics.ts';
import type { Runtime } from './runtime.ts';

export interface Maintained {
  readonly expiredApprovals: number;
  readonly closedLeases: number;
  /** Leases whose provider could not revoke them; they are tried again next time. */
  readonly openLeases: number;
  readonly rotatedCredentials: number;
  /** Credentials whose rotation failed; the old ones stay in use, and it is tried again next time. */
  readonly failedRotations: number;
}

const batch = 200;
const maxExpiredSeen = 10_000;

export async function maintain(runtime: Runtime, credentials: Pick<Credentials, 'rotateDue'>): Promise<Maintained> {
  await runtime.ready();
  await runtime.unrun.flush();
  const expiredApprovals = await expireApprovals(runtime);
  const { revoked, lapsed, failed } = await sweepLeases({
    store: runtime.store,
    providers: runtime.providers,
    open: (tenant, handle, lease) =>
      openHandle(runtime.sealer.tenant(tenant).open(handle, handleContext(lease))).credentialId,
    draft: (lease, event) =>
      runtime.recorder.draft(
        {
          kind: 'credential',
          event,
          tenant: lease.tenant,
          call: lease.callKey,
          lease: lease.id,
          service: lease.service,
        },
        undefined,
      ),
    now: runtime.clock.now(),
    timeoutMs: runtime.credentialTimeoutMs,
  });
  const rotations = await credentials.rotateDue();
  return {
    expiredApprovals,
    closedLeases: revoked + lapsed,
    openLeases: failed.length,
    rotatedCredentials: rotations.filter(({ status }) => status === 'rotated').length,
    failedRotations: rotations.filter(({ status }) => status === 'failed').length,
  };
}

/** Looks past those that cannot be ended: one tenant's trouble (a key that cannot be read) is not the others'. */
async function expireApprovals(runtime: Runtime): Promise<number> {
  const now = runtime.clock.now();
  const seen = new Set<string>();
  let count = 0;
  for (let fresh = 1; fresh > 0 && count < batch && seen.size < maxExpiredSeen;) {
    // Those that ended have left the list; only what stays needs more room.
    const found = await runtime.store.system.expiredApprovals(now, batch + seen.size - count);
    const unseen = found.filter(({ id }) => !seen.has(id));
    fresh = unseen.length;
    for (const { tenant, id } of unseen) {
      seen.add(id);
      if (await expireApproval(runtime, tenant, id, now).catch(() => false)) count += 1;
    }
  }
  return count;
}

/** Also for a user who was erased: then its record has no subject. */
async function expireApproval(runtime: Runtime, tenant: string, id: string, now: number): Promise<boolean> {
  const { store, sealer, recorder, metrics } = runtime;
  const approval = await store.approval(tenant, id);
  if (approval === undefined) return false;
  const key = await sealer.bySubject(tenant, approval.call.subject);
  const records = [recorder.draft(approvalEvent(approval, 'expired'), key)];
  if (!(await store.transition({ tenant, approval: id, to: 'expired', now, records }))) return false;
  if (approval.state === 'pending') measureApproval(metrics, approval, 'expired', now);
  return true;
}

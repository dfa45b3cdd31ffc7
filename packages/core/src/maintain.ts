/**
 * What a timer or cron does: expire approvals, sweep leases, rotate credentials. Nothing depends on it for safety.
 * @module
 */
import { approvalEvent } from './approve/approval-record.ts';
import type { Credentials } from './lease/credentials.ts';
import { handleContext, openHandle } from './lease/lease-handle.ts';
import { sweepLeases } from './lease/sweeper.ts';
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

async function expireApprovals({ store, sealer, recorder, clock }: Runtime): Promise<number> {
  const now = clock.now();
  let count = 0;
  for (const { tenant, id } of await store.system.expiredApprovals(now, batch)) {
    try {
      const approval = await store.approval(tenant, id);
      if (approval === undefined) continue;
      const key = await sealer.bySubject(tenant, approval.call.subject);
      if (key === undefined) continue;
      const records = [recorder.draft(approvalEvent(approval, 'expired'), key)];
      if (await store.transition({ tenant, approval: id, to: 'expired', now, records })) count += 1;
    } catch {
      // One tenant's trouble (a key that was erased) is not the others'. Expired it is all the same.
    }
  }
  return count;
}

/**
 * What a timer or cron does for the store: expire approvals and sweep leases. Nothing depends on it for safety.
 * @module
 */
import { approvalEvent } from './approve/approval-record.ts';
import { handleContext } from './lease/lease-for-call.ts';
import { sweepLeases } from './lease/sweeper.ts';
import { measureApproval } from './record/metrics.ts';
import type { Runtime } from './runtime.ts';

export interface Maintained {
  readonly expiredApprovals: number;
  readonly closedLeases: number;
  /** Leases whose provider could not revoke them; they are tried again next time. */
  readonly openLeases: number;
}

const batch = 200;

export async function maintain(runtime: Runtime): Promise<Maintained> {
  await runtime.ready();
  const expiredApprovals = await expireApprovals(runtime);
  const { revoked, lapsed, failed } = await sweepLeases({
    store: runtime.store,
    providers: runtime.providers,
    open: (tenant, handle, lease) => runtime.sealer.tenant(tenant).open(handle, handleContext(lease)),
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
  return { expiredApprovals, closedLeases: revoked + lapsed, openLeases: failed.length };
}

async function expireApprovals({ store, sealer, recorder, clock, metrics }: Runtime): Promise<number> {
  const now = clock.now();
  let count = 0;
  for (const { tenant, id } of await store.system.expiredApprovals(now, batch)) {
    try {
      const approval = await store.approval(tenant, id);
      if (approval === undefined) continue;
      const key = await sealer.bySubject(tenant, approval.call.subject);
      if (key === undefined) continue;
      const records = [recorder.draft(approvalEvent(approval, 'expired'), key)];
      if (!(await store.transition({ tenant, approval: id, to: 'expired', now, records }))) continue;
      if (approval.state === 'pending') measureApproval(metrics, approval, 'expired', now);
      count += 1;
    } catch {
      // One tenant's trouble (a key that was erased) is not the others'. Expired it is all the same.
    }
  }
  return count;
}

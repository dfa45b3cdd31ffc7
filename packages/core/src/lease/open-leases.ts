/**
 * The leases that are open in a tenant, and whose they are.
 * @module
 */
import { parseRecordBody } from '../record/open-record.ts';
import type { Runtime } from '../runtime.ts';
import type { StoredLease } from '../store/store.ts';
import { handleContext, openHandle } from './lease-handle.ts';
import type { LeaseHandle } from './lease-handle.ts';

export interface OwnedLease extends StoredLease {
  /** Absent where the ledger does not say: such a lease is everybody's. */
  readonly owner?: LeaseOwner;
  /** Absent while the provider is asked, and where it cannot be opened any more. */
  readonly handle?: LeaseHandle;
}

export interface LeaseOwner {
  readonly subject: string | undefined;
  /** The agent of the call and those above it. */
  readonly agents: readonly string[];
}

const pageSize = 500;

/** Also those that have not expired. */
export async function openLeasesOf(runtime: Runtime, tenant: string): Promise<readonly OwnedLease[]> {
  let leases: readonly StoredLease[] = [];
  // All of them, however many others have: what is not seen here would not be revoked.
  for (let limit = pageSize; ; limit *= 4) {
    leases = await runtime.store.system.openLeases(Number.MAX_SAFE_INTEGER, limit);
    if (leases.length < limit) break;
  }
  const own = leases.filter((lease) => lease.tenant === tenant);
  const owned: OwnedLease[] = [];
  for (const lease of own) {
    const [owner, handle] = [await ownerOf(runtime, lease), handleOf(runtime, lease)];
    owned.push({ ...lease, ...(owner === undefined ? {} : { owner }), ...(handle === undefined ? {} : { handle }) });
  }
  return owned;
}

/** By the claim of its call, which is in the ledger before any provider is asked. */
export async function ownerOf(
  { store }: Pick<Runtime, 'store'>,
  { tenant, callKey }: Pick<StoredLease, 'tenant' | 'callKey'>,
): Promise<LeaseOwner | undefined> {
  try {
    const [claim] = await store.records(tenant, { call: callKey, kind: 'claim', limit: 1 });
    if (claim === undefined) return undefined;
    const { subject, agent, delegation = [] } = parseRecordBody(claim);
    return { subject, agents: [...delegation, ...(agent === undefined ? [] : [agent])] };
  } catch {
    return undefined;
  }
}

function handleOf({ sealer }: Runtime, { tenant, id, sealedHandle }: StoredLease): LeaseHandle | undefined {
  if (sealedHandle === undefined) return undefined;
  try {
    return openHandle(sealer.tenant(tenant).open(sealedHandle, handleContext(id)));
  } catch {
    return undefined;
  }
}

/**
 * Ends the leases that nobody ended: their process died, or their provider did not answer when it mattered.
 * @module
 */
import { LeaseError } from '../errors.ts';
import type { RecordDraft } from '../record/record.ts';
import type { Store, StoredLease } from '../store/store.ts';
import { tryRevoke } from './lease-manager.ts';
import type { CredentialProvider } from './lease.ts';

/** `revoked` at the provider; `lapsed`: it cannot be revoked, and has ended by itself or will at its recorded time. */
export type SweptEvent = 'revoked' | 'lapsed';

export interface SweepInput {
  readonly store: Pick<Store, 'leaseClosed'> & { readonly system: Pick<Store['system'], 'openLeases'> };
  readonly providers: readonly CredentialProvider[];
  /** Opens a sealed handle. A throw means that it cannot be read any more (for example: its key was erased). */
  readonly open: (tenant: string, sealedHandle: string, leaseId: string) => string | Promise<string>;
  /** The record to close a lease with. */
  readonly draft: (lease: StoredLease, event: SweptEvent) => RecordDraft | Promise<RecordDraft>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Upper bound of one call to a provider, in milliseconds. */
  readonly timeoutMs: number;
}

export interface SweepFailure {
  readonly tenant: string;
  readonly lease: string;
  readonly provider: string;
  /** For the operator; holds no secret. */
  readonly reason: string;
}

export interface SweepSummary {
  readonly revoked: number;
  readonly lapsed: number;
  /** Still open: the next sweep tries again. */
  readonly failed: readonly SweepFailure[];
}

const pageSize = 200;
/** Leases that stay open come first in every page: look this far past them, and no further. */
const maxLeases = 10_000;
/** A provider that failed this often in a row is left alone until the next sweep. */
const maxFailuresInARow = 3;

/**
 * Revokes and closes every lease past its expiry. Idempotent, and safe beside another sweeper. One failing provider
 * does not hold up the others. Rejects with `StoreError` only when the store cannot list leases.
 */
export async function sweepLeases(input: SweepInput): Promise<SweepSummary> {
  const sweep: Sweep = {
    ...input,
    // Also those that serve nothing any more: what they issued is still theirs to revoke.
    byName: new Map(input.providers.map((provider) => [provider.name, provider])),
    failuresInARow: new Map(),
  };
  const seen = new Set<string>();
  const results: SweptLease[] = [];
  for (let limit = pageSize; limit <= maxLeases; limit += pageSize) {
    const page = await input.store.system.openLeases(input.now, limit);
    const fresh = page.filter((lease) => !seen.has(keyOf(lease)));
    for (const lease of fresh) seen.add(keyOf(lease));
    results.push(...(await sweepPage(sweep, fresh)));
    if (page.length < limit || fresh.length === 0) break;
    // Those closed have left the list, so the same limit may show new ones; only what stays open needs more room.
    limit = results.filter((result) => 'failure' in result).length;
  }
  return {
    revoked: results.filter((result) => 'event' in result && result.event === 'revoked').length,
    lapsed: results.filter((result) => 'event' in result && result.event === 'lapsed').length,
    failed: results.flatMap((result) => ('failure' in result ? [result.failure] : [])),
  };
}

interface Sweep extends SweepInput {
  readonly byName: ReadonlyMap<string, CredentialProvider>;
  readonly failuresInARow: Map<string, number>;
}

type SweptLease = { readonly event: SweptEvent } | { readonly failure: SweepFailure };

function keyOf(lease: StoredLease): string {
  return JSON.stringify([lease.tenant, lease.id]);
}

/** Providers side by side, the leases of each in turn. */
async function sweepPage(sweep: Sweep, leases: readonly StoredLease[]): Promise<SweptLease[]> {
  const groups = Map.groupBy(leases, (lease) => lease.provider);
  const swept = await Promise.all(
    [...groups.values()].map(async (group) => {
      const results: SweptLease[] = [];
      for (const lease of group) results.push(await sweepOne(sweep, lease));
      return results;
    }),
  );
  return swept.flat();
}

async function sweepOne(sweep: Sweep, lease: StoredLease): Promise<SweptLease> {
  const provider = sweep.byName.get(lease.provider);
  if (provider === undefined) return failure(lease, 'no such provider is configured');
  try {
    const ended = await end(sweep, provider, lease);
    if (ended instanceof LeaseError) return failure(lease, ended.message);
    const record = await sweep.draft(lease, ended);
    await sweep.store.leaseClosed({ tenant: lease.tenant, id: lease.id, records: [record] });
    return { event: ended };
  } catch (error) {
    return failure(lease, error instanceof Error ? `could not be closed: ${error.name}` : 'could not be closed');
  }
}

async function end(sweep: Sweep, provider: CredentialProvider, lease: StoredLease): Promise<SweptEvent | LeaseError> {
  if (!provider.revocable) return 'lapsed';
  const credentialId = await openHandle(sweep, lease);
  if (credentialId === undefined && !provider.findable) {
    // Issued or not, nobody can know; what nobody can find is over when the longest life is.
    const over = lease.expiresAt + provider.maxLifetimeMs <= sweep.now;
    return over
      ? 'lapsed'
      : new LeaseError('the provider cannot find its credential without the handle; waiting for its end');
  }
  const failures = sweep.failuresInARow.get(provider.name) ?? 0;
  if (failures >= maxFailuresInARow) return new LeaseError('left alone until the next sweep: its provider fails');
  const { tenant, id, service } = lease;
  const error = await tryRevoke(provider, { tenant, leaseId: id, credentialId }, service, sweep.timeoutMs);
  sweep.failuresInARow.set(provider.name, error === undefined ? 0 : failures + 1);
  return error ?? 'revoked';
}

async function openHandle(input: SweepInput, lease: StoredLease): Promise<string | undefined> {
  if (lease.sealedHandle === undefined) return undefined;
  try {
    return await input.open(lease.tenant, lease.sealedHandle, lease.id);
  } catch {
    return undefined;
  }
}

function failure(lease: StoredLease, reason: string): SweptLease {
  return { failure: { tenant: lease.tenant, lease: lease.id, provider: lease.provider, reason } };
}

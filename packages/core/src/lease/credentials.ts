/**
 * Credentials as their operators see them: what is open, what is due, rotation, and the end of all on compromise.
 * @module
 */
import { ConfigurationError, LeaseError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { Runtime } from '../runtime.ts';
import { openLeasesOf } from './open-leases.ts';
import { endLease, revokeAll, type RevokeAllInput, type RevokeAllResult } from './revoke-all.ts';
import { createRotations, type RotationOptions, type RotationResult, type RotationView } from './rotation.ts';
import { credentialIdOf } from './rotation-state.ts';
import { scheduleRotation, type RotationSchedule, type RotationScheduleOptions } from './rotation-schedule.ts';

/** Who ordered something, and why; recorded as administration. */
export interface CredentialOrder {
  readonly tenant: string;
  readonly id: string;
  readonly by: string;
  readonly reason: string;
}

export interface CredentialsView {
  readonly rotated: readonly RotationView[];
  /** Leases that nobody has ended yet. */
  readonly leases: readonly {
    readonly id: string;
    readonly service: string;
    readonly provider: string;
    readonly state: 'planned' | 'issued' | 'closed';
    readonly agent?: string;
    readonly expiresAt: number;
  }[];
}

export interface Credentials {
  /** No secret is in it. */
  list(tenant: string): Promise<CredentialsView>;
  /** Rotates what is due in all tenants, and retires what was replaced long enough ago. For cron; never rejects. */
  rotateDue(): Promise<readonly RotationResult[]>;
  /** One credential of {@link RotationOptions}, now. `compromised`: what it replaces is retired at once. */
  rotate(order: CredentialOrder & { readonly compromised?: boolean }): Promise<RotationResult>;
  /** Ends one open lease. Rejects with `LeaseError` when there is none, or its provider does not end it. */
  revoke(order: CredentialOrder): Promise<void>;
  revokeAll(input: RevokeAllInput): Promise<RevokeAllResult>;
  /** `rotateDue` by the clock. */
  schedule(options?: RotationScheduleOptions): RotationSchedule;
}

/** Throws `ConfigurationError` for a rotation that cannot be kept. */
export function createCredentials(runtime: Runtime, options: RotationOptions = { credentials: [] }): Credentials {
  const { store, sealer, recorder, providers, clock, credentialTimeoutMs: timeoutMs } = runtime;
  const rotations = createRotations({ store, sealer, recorder, providers, timeoutMs, now: () => clock.now() }, options);
  const rotateDue = async (): Promise<readonly RotationResult[]> => {
    await runtime.ready();
    return rotations.rotateDue();
  };
  const record = (event: string, { tenant, by, reason, id }: CredentialOrder) => {
    requireId('user', by);
    if (typeof reason !== 'string' || reason.trim() === '') throw new ConfigurationError('a reason is needed');
    const detail = `${id}: ${reason}`;
    return recorder.draft({ kind: 'administration', event, tenant, approver: by, detail }, sealer.tenant(tenant));
  };
  return {
    async list(tenant) {
      await runtime.ready();
      const leases = await openLeasesOf(runtime, requireId('tenant', tenant));
      return {
        rotated: await rotations.list(tenant),
        leases: leases.map(({ id, service, provider, state, expiresAt, owner }) => {
          const agent = owner?.agents.at(-1);
          return { id, service, provider, state, expiresAt, ...(agent === undefined ? {} : { agent }) };
        }),
      };
    },
    rotateDue,
    async rotate({ compromised = false, ...order }) {
      await runtime.ready();
      const records = [record('credential_rotation_ordered', order)];
      const credential = rotations.credentials.find(
        (each) => each.tenant === order.tenant && credentialIdOf(each) === order.id,
      );
      if (credential === undefined) throw new LeaseError(`no credential ${order.id} is rotated in this tenant`);
      return rotations.rotate(credential, { compromised, records });
    },
    async revoke(order) {
      await runtime.ready();
      const records = [record('lease_revocation_ordered', order)];
      const lease = (await openLeasesOf(runtime, order.tenant)).find(({ id }) => id === order.id);
      if (lease === undefined) throw new LeaseError(`no open lease ${order.id} in this tenant`);
      await store.append(order.tenant, records);
      const { open, residual } = await endLease(runtime, lease);
      if (open !== undefined) throw new LeaseError(`lease ${order.id} is still open: ${open.reason}`);
      if (residual === undefined) return;
      const until = new Date(residual.validUntil).toISOString();
      throw new LeaseError(`lease ${order.id}: its provider cannot revoke it; it may work until ${until}`);
    },
    async revokeAll(input) {
      return revokeAll(runtime, rotations, input);
    },
    schedule: (schedule = {}) => scheduleRotation(rotateDue, schedule),
  };
}

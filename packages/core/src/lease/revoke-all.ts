/**
 * On compromise: a hold first, so that nothing new is claimed or leased in any process, then the end of every open
 * lease, then new long-lived credentials. What could not be ended is said, with the time until which it may work.
 * @module
 */
import { ConfigurationError } from '../errors.ts';
import { requireId } from '../identify/principal.ts';
import type { RecordDraft } from '../record/record.ts';
import type { Runtime } from '../runtime.ts';
import { createHolds } from '../holds.ts';
import { holdId, type HoldTarget } from '../store/hold-ids.ts';
import { createLedger } from '../record/ledger.ts';
import type { CredentialProvider } from './lease.ts';
import { residualFrom } from './lease-handle.ts';
import { tryRevoke } from './lease-manager.ts';
import { openLeasesOf, ownerOf, type LeaseOwner, type OwnedLease } from './open-leases.ts';
import type { RotationResult, Rotations } from './rotation.ts';

/** Exactly one of `agent`, `user` and `all`. */
export interface RevokeAllInput {
  readonly tenant: string;
  readonly agent?: string;
  readonly user?: string;
  readonly all?: true;
  /** Who orders it. */
  readonly by: string;
  readonly reason: string;
}

export interface RevokeAllResult {
  /** Id of the entry of kind `hold` that is in force now. It stays until it is released. */
  readonly hold: string;
  /** Lease ids that were ended at their provider. */
  readonly revoked: readonly string[];
  /** Leases that could not be ended now. The sweeper goes on trying. */
  readonly open: readonly {
    readonly lease: string;
    readonly service: string;
    readonly reason: string;
    /** Until when the credential may work, in milliseconds since the epoch. */
    readonly validUntil: number;
  }[];
  /** Credentials of leases, ended ones too, that their provider cannot revoke. End them at the service. */
  readonly residual: readonly { readonly service: string; readonly leases: number; readonly validUntil: number }[];
  /** Long-lived credentials that were replaced, and the old ones retired, or not. */
  readonly rotated: readonly RotationResult[];
}

interface Scope {
  readonly tenant: string;
  readonly target: HoldTarget;
  /** What is known of a lease may be nothing: then it is in. */
  includes(owner: LeaseOwner | undefined): boolean;
}

const atOnce = 20;

/** @throws ConfigurationError unless it says exactly whose credentials, who orders it and why */
export async function revokeAll(
  runtime: Runtime,
  rotations: Rotations,
  input: RevokeAllInput,
): Promise<RevokeAllResult> {
  await runtime.ready();
  const scope = scopeOf(runtime, input);
  await placeHold(runtime, scope, input);
  const leases = (await openLeasesOf(runtime, scope.tenant)).filter(({ owner }) => scope.includes(owner));
  const ended: Ended[] = [];
  for (let from = 0; from < leases.length; from += atOnce) {
    ended.push(...(await Promise.all(leases.slice(from, from + atOnce).map((lease) => endLease(runtime, lease)))));
  }
  const outliving = [...ended.flatMap((each) => each.residual ?? []), ...(await pastResidual(runtime, scope))];
  const residual = sumUp(outliving);
  const records = [administration(runtime, input, 'credentials_revoked')];
  const rotated: RotationResult[] = [];
  for (const credential of rotations.credentials) {
    const touched = residual.some(({ service }) => service === credential.service);
    const theirs = input.all === true || (input.agent !== undefined && credential.agent === input.agent);
    const shared = touched && (credential.agent === undefined || input.user !== undefined);
    // A sub-agent's own, which is out because of a call for them.
    const below = outliving.some(({ service, agent }) => service === credential.service && agent === credential.agent);
    if (credential.tenant !== scope.tenant || !(theirs || shared || below)) continue;
    rotated.push(await rotations.rotate(credential, { compromised: true, records: [] }));
  }
  await runtime.store.append(scope.tenant, records);
  return {
    hold: holdId(scope.target),
    revoked: ended.flatMap(({ revoked }) => revoked ?? []),
    open: ended.flatMap(({ open }) => open ?? []),
    residual,
    rotated,
  };
}

function scopeOf(runtime: Runtime, { tenant, agent, user, all, by, reason }: RevokeAllInput): Scope {
  requireId('tenant', tenant);
  requireId('user', by);
  if (typeof reason !== 'string' || reason.trim() === '') throw new ConfigurationError('revokeAll: a reason is needed');
  // A mistaken or an empty choice must neither widen nor narrow it.
  if ([agent, user, all].filter((each) => each !== undefined).length !== 1 || (all !== undefined && all !== true)) {
    throw new ConfigurationError('revokeAll: expected exactly one of agent, user and all: true');
  }
  if (agent !== undefined) {
    const id = requireId('agent', agent);
    return { tenant, target: { agent: id }, includes: (owner) => owner?.agents.includes(id) ?? true };
  }
  if (user !== undefined) {
    const subject = runtime.sealer.pseudonym(tenant, requireId('user', user));
    return {
      tenant,
      target: { subject },
      includes: (owner) => owner?.subject === undefined || owner.subject === subject,
    };
  }
  return { tenant, target: { all: true }, includes: () => true };
}

/** An earlier hold stays as it is: who placed it must be the one who releases it. */
async function placeHold(runtime: Runtime, { tenant, target }: Scope, input: RevokeAllInput): Promise<void> {
  if ((await runtime.store.entry(tenant, 'hold', holdId(target))) !== undefined) return;
  const { agent, user, by, reason } = input;
  const held = agent !== undefined ? { agent } : user !== undefined ? { user } : {};
  await createHolds(runtime).hold({ tenant, ...held, by, reason });
}

function administration({ recorder, sealer }: Runtime, input: RevokeAllInput, event: string): RecordDraft {
  const { tenant, by, reason, agent, user } = input;
  return recorder.draft(
    {
      ...{ kind: 'administration', event, tenant, approver: by, detail: reason },
      ...(agent === undefined ? {} : { agent }),
    },
    {
      seal: (text, context) => sealer.tenant(tenant).seal(text, context),
      ...(user === undefined ? {} : { pseudonym: sealer.pseudonym(tenant, user) }),
    },
  );
}

interface Ended {
  readonly revoked?: string;
  readonly open?: RevokeAllResult['open'][number];
  readonly residual?: Residual;
}

interface Residual {
  readonly service: string;
  /** Whose call it was; absent where the ledger does not say. */
  readonly agent?: string | undefined;
  readonly leases: number;
  readonly validUntil: number;
}

/** Ends one open lease at its provider, and closes it. Never rejects. */
export async function endLease(runtime: Runtime, lease: OwnedLease): Promise<Ended> {
  const { tenant, id, service, handle } = lease;
  const provider = runtime.providers.find(({ name }) => name === lease.provider);
  const validUntil = handle?.validUntil ?? lease.expiresAt + (provider?.maxLifetimeMs ?? 0);
  const open = (reason: string): Ended => ({ open: { lease: id, service, reason, validUntil } });
  if (provider === undefined) return open(`provider ${lease.provider} is not configured here`);
  if (!provider.revocable) return { residual: { service, agent: lease.owner?.agents.at(-1), leases: 1, validUntil } };
  if (handle === undefined && !provider.findable) return open('its provider cannot find it before it is noted');
  const input = { tenant, leaseId: id, credentialId: handle?.credentialId };
  const failure =
    (await tryRevoke(provider, input, service, runtime.credentialTimeoutMs)) &&
    (await tryRevoke(provider, input, service, runtime.credentialTimeoutMs));
  if (failure !== undefined) return open(failure.message);
  // The provider may be about to issue it: whoever asked finds the hold, and ends it.
  if (lease.state === 'planned') return open('it is being issued; it ends when it comes');
  try {
    const draft = { kind: 'credential', event: 'revoked', tenant, call: lease.callKey, lease: id, service } as const;
    await runtime.store.leaseClosed({ tenant, id, records: [runtime.recorder.draft(draft, undefined)] });
    return { revoked: id };
  } catch {
    return open('it was ended, and that could not be recorded');
  }
}

/** Credentials of leases that have ended, which nobody can take back. */
async function pastResidual(runtime: Runtime, scope: Scope): Promise<readonly Residual[]> {
  const lasting = new Map(
    runtime.providers.flatMap((provider: CredentialProvider) =>
      provider.revocable ? [] : provider.services.map((service) => [service, provider.maxLifetimeMs] as const),
    ),
  );
  if (lasting.size === 0) return [];
  const { store, sealer, recorder, clock } = runtime;
  const now = clock.now();
  const since = Math.max(0, now - Math.max(...lasting.values()));
  const found: Residual[] = [];
  const query = { tenant: scope.tenant, kind: 'credential', since } as const;
  for await (const record of createLedger({ store, sealer, recorder, clock }).query(query)) {
    const { service, agent, delegation = [], subject, call } = record;
    if (record.event !== 'lapsed' || service === undefined) continue;
    // The sweeper, which closes what a crash left, knows the call alone.
    const owner =
      agent !== undefined || call === undefined
        ? { subject, agents: [...delegation, ...(agent === undefined ? [] : [agent])] }
        : await ownerOf(runtime, { tenant: scope.tenant, callKey: call });
    if (!scope.includes(owner)) continue;
    const validUntil = residualFrom(record.detail) ?? record.time + (lasting.get(service) ?? 0);
    if (validUntil > now) found.push({ service, agent: owner?.agents.at(-1), leases: 1, validUntil });
  }
  return found;
}

function sumUp(all: readonly Residual[]): readonly Residual[] {
  const byService = Map.groupBy(all, ({ service }) => service);
  return [...byService].map(([service, each]) => ({
    service,
    leases: each.length,
    validUntil: Math.max(...each.map(({ validUntil }) => validUntil)),
  }));
}

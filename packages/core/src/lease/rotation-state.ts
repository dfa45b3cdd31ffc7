/**
 * What is remembered of a long-lived credential between rotations, sealed in one entry of kind `credential`.
 * @module
 */
import { hash } from 'node:crypto';
import { LeaseError } from '../errors.ts';
import type { Sealer } from '../record/sealing.ts';
import type { RecordDraft } from '../record/record.ts';
import type { Store } from '../store/store.ts';

const dayMs = 86_400_000;
const maxRotationMs = 30 * dayMs;
const renewBeforeMs = 7 * dayMs;
/** Credentials that were registered together are not all rotated together: each is early by up to this part. */
const jitter = 0.1;

/** A long-lived credential behind a service that is to be rotated. */
export interface RotatedCredential {
  readonly tenant: string;
  readonly service: string;
  /** Whose it is. Without: the one that all agents of the tenant share. */
  readonly agent?: string;
  /** At the latest after so many days, 1 to 30. Default 30. */
  readonly everyDays?: number;
}

export interface RotationState {
  /** Milliseconds since the epoch. */
  readonly rotatedAt?: number;
  readonly expiresAt?: number;
  /** Begun and not known to have ended: durable before the provider is called. */
  readonly pending?: string;
  /** What was replaced and is still valid, until its overlap ends. */
  readonly superseded: readonly { readonly credentialId: string; readonly retireAt: number }[];
}

export interface KeptState {
  readonly state: RotationState;
  readonly version: string | undefined;
}

export interface RotationStates {
  read(credential: RotatedCredential): Promise<KeptState>;
  /** Compare-and-set. Rejects with `LeaseError` when somebody else wrote meanwhile. */
  write(
    credential: RotatedCredential,
    before: KeptState,
    state: RotationState,
    records?: readonly RecordDraft[],
  ): Promise<KeptState>;
}

/** Names a credential within its tenant. */
export function credentialIdOf({ service, agent }: Pick<RotatedCredential, 'service' | 'agent'>): string {
  return agent === undefined ? service : `${service}/${agent}`;
}

export function createRotationStates(options: {
  readonly store: Pick<Store, 'entry' | 'putEntry'>;
  readonly sealer: Pick<Sealer, 'tenant'>;
  readonly now: () => number;
}): RotationStates {
  const { store, sealer, now } = options;
  const contextOf = (id: string): string => `credential|${id}|rotation`;
  return {
    async read(credential) {
      const id = credentialIdOf(credential);
      const entry = await store.entry(credential.tenant, 'credential', id);
      if (entry === undefined) return { state: { superseded: [] }, version: undefined };
      const text = sealer.tenant(credential.tenant).open(entry.value, contextOf(id));
      return { state: JSON.parse(text) as RotationState, version: entry.version };
    },
    async write(credential, { version: expected }, state, records = []) {
      const { tenant } = credential;
      const id = credentialIdOf(credential);
      const value = sealer.tenant(tenant).seal(JSON.stringify(state), contextOf(id));
      const version = await store.putEntry({ tenant, kind: 'credential', id, expected, value, now: now(), records });
      if (version === undefined) throw new LeaseError(`credential ${id}: another worker rotates it`);
      return { state, version };
    },
  };
}

/** When it is to be rotated next. Nobody knows the age of one that was never rotated here: at once. */
export function dueAt(credential: RotatedCredential, state: RotationState): number {
  const { rotatedAt, expiresAt, pending } = state;
  if (rotatedAt === undefined || pending !== undefined) return 0;
  const everyMs = Math.min((credential.everyDays ?? 30) * dayMs, maxRotationMs);
  const byAge = rotatedAt + everyMs * (1 - jitter * fractionOf(credential));
  if (expiresAt === undefined) return Math.floor(byAge);
  // One that lives shorter than two weeks is renewed half way.
  return Math.floor(Math.min(byAge, expiresAt - Math.min(renewBeforeMs, (expiresAt - rotatedAt) / 2)));
}

/** From 0 to 1, the same for a credential in every process. */
function fractionOf(credential: RotatedCredential): number {
  const digest = hash('sha256', JSON.stringify([credential.tenant, credentialIdOf(credential)]), 'buffer');
  return digest.readUInt32BE(0) / 0xffff_ffff;
}

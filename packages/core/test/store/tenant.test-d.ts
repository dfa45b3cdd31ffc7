/** No operation of a store can be asked without a tenant: this file compiles only while that holds. */
import type { Store, SystemStore } from '../../src/store/store.ts';

/** The first argument is the tenant, or says it in one of these places. */
type NamesTenant<First> = First extends string
  ? true
  : First extends { tenant: string } | { call: { tenant: string } } | { vote: { tenant: string } }
    ? true
    : false;

type Operations = Omit<Store, 'writer' | 'durability' | 'system' | 'close'>;
type WithoutTenant = {
  [Name in keyof Operations]-?: NonNullable<Operations[Name]> extends (...args: infer Args) => unknown
    ? NamesTenant<Args[0]> extends true
      ? never
      : Name
    : Name;
}[keyof Operations];

/** Work across tenants that names none, each for its reason: sweeping, running, listing, the epoch and the clock. */
type AcrossTenants =
  | 'tenants'
  | 'expiredApprovals'
  | 'runnableApprovals'
  | 'openLeases'
  | 'epoch'
  | 'newEpoch'
  | 'latestTime';

const nothing: [WithoutTenant] extends [never] ? true : WithoutTenant = true;
const known: [Exclude<keyof SystemStore, AcrossTenants | 'prune'>] extends [never] ? true : false = true;
export const checked: readonly boolean[] = [nothing, known];

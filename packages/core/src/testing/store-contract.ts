/**
 * The contract of a {@link Store}, as cases for any test runner: every driver runs the very same ones.
 *
 * Declare or fail: a driver that cannot do a case names it in `skip` with the reason. A case that did not run is never
 * mistaken for one that did.
 * @module
 */
import { ConfigurationError } from '../errors.ts';
import type { Store } from '../store/store.ts';
import { approvalCases } from './store-contract-approvals.ts';
import { attemptCases } from './store-contract-attempts.ts';
import { callCases } from './store-contract-calls.ts';
import { entryCases } from './store-contract-entries.ts';
import { grantCases } from './store-contract-grants.ts';
import { ledgerCases } from './store-contract-ledger.ts';
import { tenantCases } from './store-contract-tenants.ts';

/** One storage, empty at first. */
export interface StoreStorage {
  /** Opens a store on it; again for a second instance beside the first. */
  open(): Promise<Store>;
  /** Closes every store that was opened, and removes the storage. */
  remove(): Promise<void>;
}

export interface StoreUnderTest {
  readonly createStorage: () => Promise<StoreStorage>;
  /** Names of cases, each with the reason why this driver cannot do it. */
  readonly skip?: Readonly<Record<string, string>>;
}

export type StoreCheck = (storage: StoreStorage, createStorage: () => Promise<StoreStorage>) => Promise<void>;

export interface StoreContractCase {
  readonly name: string;
  /** Why this driver does not run the case. */
  readonly skipped: string | undefined;
  /** Rejects when the contract is broken. */
  readonly run: () => Promise<void>;
}

const checks: Readonly<Record<string, StoreCheck>> = {
  ...callCases,
  ...attemptCases,
  ...grantCases,
  ...approvalCases,
  ...ledgerCases,
  ...entryCases,
  ...tenantCases,
};

/** Throws `ConfigurationError` when `skip` names a case that does not exist, or gives no reason. */
export function storeContract({ createStorage, skip = {} }: StoreUnderTest): readonly StoreContractCase[] {
  for (const [name, reason] of Object.entries(skip)) {
    if (!Object.hasOwn(checks, name)) throw new ConfigurationError(`the store contract has no case "${name}"`);
    if (reason.trim() === '') throw new ConfigurationError(`skipping "${name}" needs a reason`);
  }
  return Object.entries(checks).map(([name, check]) => ({
    name,
    skipped: Object.hasOwn(skip, name) ? skip[name] : undefined,
    async run() {
      const opened: StoreStorage[] = [];
      const create = async (): Promise<StoreStorage> => {
        const storage = await createStorage();
        opened.push(storage);
        return storage;
      };
      try {
        await check(await create(), create);
      } finally {
        for (const storage of opened) await storage.remove();
      }
    },
  }));
}

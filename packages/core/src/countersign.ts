/**
 * Puts the parts together: policy, store, credentials, approvals and audit become gates.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { randomBytes } from 'node:crypto';
import { readInbox, type InboxEntry, type InboxInput } from './approve/inbox.ts';
import { createApprovalRuns, type ApprovalRuns } from './approve/run-approved.ts';
import { createVoteVerifier } from './approve/votes.ts';
import { createWorker, type Worker, type WorkerOptions } from './approve/worker.ts';
import type { Authorizer, UserDirectory } from './authorize/authorize.ts';
import type { HeardSource } from './authorize/heard.ts';
import { createObservedResults } from './authorize/observed-results.ts';
import { ConfigurationError, PrincipalError } from './errors.ts';
import { createGate, type Gate } from './gate.ts';
import { createHolds, type Holds } from './holds.ts';
import { inventory, type Inventory, type InventoryTool } from './identify/inventory.ts';
import { createPrincipal, ownerOf, requireId, type Principal, type PrincipalInput } from './identify/principal.ts';
import { isGate, withinScope } from './identify/scope.ts';
import { createBudgets } from './lease/budget.ts';
import { createCredentials, type Credentials } from './lease/credentials.ts';
import { createLeases } from './lease/lease-manager.ts';
import { keyBytes } from './key-bytes.ts';
import { createBacklogGuard, type DeliveryOptions } from './deliver/backlog.ts';
import type { CredentialProvider } from './lease/lease.ts';
import type { RotationOptions } from './lease/rotation.ts';
import { maintain, type Maintained } from './maintain.ts';
import type { PrincipalOwner } from './process-state.ts';
import { createClock } from './record/clock.ts';
import { createLedger, type Ledger } from './record/ledger.ts';
import { createMetrics } from './record/metrics.ts';
import { recordRefusal } from './record/record-refusal.ts';
import { createRecorder } from './record/recorder.ts';
import { createSealer } from './record/sealing.ts';
import { createUnrunCalls } from './record/unrun-calls.ts';
import { createTelemetry, type TelemetryOptions } from './record/telemetry.ts';
import type { Runtime } from './runtime.ts';
import { boundedStore, inTime } from './store/bounded-store.ts';
import type { Store } from './store/store.ts';

export interface CountersignOptions {
  readonly policy: Authorizer;
  readonly store: Store;
  readonly audit: AuditOptions;
  /** Sources of credentials. A tool whose policy entry names a service that none of them serves is denied. */
  readonly credentials?: readonly CredentialProvider[];
  /** Long-lived credentials behind those services that are to be replaced in time. */
  readonly rotation?: RotationOptions;
  /** Without it nothing can be approved: every review is a denial. */
  readonly approvals?: ApprovalOptions;
  /** Asked on every call whether the user is active; without it the policy's own users decide. */
  readonly users?: UserDirectory;
  readonly timeouts?: TimeoutOptions;
  /** Milliseconds since the epoch. A clock that goes back is held at its highest value. Default `Date.now`. */
  readonly now?: () => number;
}

export interface AuditOptions {
  /** 32 bytes from which the keys that seal arguments, results and users are derived. */
  readonly key: KeyObject | Uint8Array;
  readonly telemetry?: TelemetryOptions;
  /** Calls of a tenant are refused while its records cannot be delivered. Without it the ledger grows as far as the disk. */
  readonly delivery?: DeliveryOptions;
}

export interface ApprovalOptions {
  /** Public keys (Ed25519, PEM) of the approvals services whose votes count. */
  readonly keys: readonly (string | KeyObject)[];
  /** Pending approvals that one run may have; one more is denied. Default 20. */
  readonly maxPendingPerRun?: number;
  /** Pending approvals that one user may have in all runs together. Default 100. */
  readonly maxPendingPerUser?: number;
}

export interface TimeoutOptions {
  /** For an authorizer or user directory that answers asynchronously. Default 1 000 ms. */
  readonly authorizeMs?: number;
  /** For one call to a credential provider. Default 10 000 ms. */
  readonly credentialMs?: number;
  /** For a blocking approval that is waited for in process. Default 300 000 ms. */
  readonly approvalMs?: number;
  /** For one operation of the store on the way of a call. Default 10 000 ms. */
  readonly storeMs?: number;
  /** How long a second evaluation of a running call waits for its outcome. Default 2 000 ms. */
  readonly settleMs?: number;
}

export interface Countersign extends Holds {
  /** Makes the opaque object that stands for who is behind a call. Do this after your own authentication. */
  principal(input: PrincipalInput): Principal;
  /** A new run id: one conversation, kept by you across requests. */
  newRun(): string;
  gate(input: RunInput | (PrincipalInput & Omit<RunInput, 'principal'>)): Gate;
  /** Runs `task` with an ambient principal, for tools that are guarded with `ambientGate`. A principal alone gets a new run. */
  within<Result>(scope: Principal | Gate | RunInput, task: () => Result): Result;
  readonly approvals: ApprovalRuns;
  worker(options: WorkerOptions): Worker;
  /**
   * What became of the asynchronous calls that this user made in this run: results, rejections, requests that nobody
   * answered. Untrusted data: never put it into system or user messages.
   */
  inbox(input: InboxInput): Promise<readonly InboxEntry[]>;
  /** Which of these tools the policy governs in a tenant, and which it does not. */
  inventory(tenant: string, tools: readonly InventoryTool[]): Inventory;
  readonly credentials: Credentials;
  readonly ledger: Ledger;
  /** Expires approvals, sweeps leases and rotates credentials; run it by a timer or cron. Nothing depends on it for safety. */
  maintain(): Promise<Maintained>;
  close(): Promise<void>;
}

export interface RunInput {
  readonly principal: Principal;
  readonly run: string;
  /** What the server knows of the conversation, for rules and approvals that ask where a value came from. */
  readonly heard?: HeardSource;
}

/** @throws ConfigurationError when an option is missing or contradicts another */
export function createCountersign(options: CountersignOptions): Countersign {
  requireOptions(options);
  const { store } = options;
  const runtime = createRuntime(options);
  const credentials = createCredentials(runtime, options.rotation);
  const gates = new WeakMap<object, Gate>();
  const newRun = (): string => `run_${randomBytes(16).toString('base64url')}`;
  const owner: PrincipalOwner = {
    pseudonymOf: ({ tenant, user }) => runtime.sealer.pseudonym(tenant, user),
    gateFor(principal) {
      const gate = gates.get(principal) ?? createGate(runtime, principal as Principal, newRun());
      gates.set(principal, gate);
      return gate;
    },
  };
  const principalOf = (input: PrincipalInput): Principal =>
    recordRefusal(runtime, input, () => createPrincipal(input, owner));
  const gateOf: Countersign['gate'] = (input) => {
    const principal = 'principal' in input ? input.principal : principalOf(input);
    return recordRefusal(runtime, principal, () => {
      if (ownerOf(principal) === owner) return createGate(runtime, principal, requireId('run', input.run), input.heard);
      throw new PrincipalError('a gate needs a principal made by countersign.principal()');
    });
  };
  const ledger = createLedger(runtime);

  return {
    principal: principalOf,
    newRun,
    gate: gateOf,
    within(scope, task) {
      if (isGate(scope)) return withinScope(scope, task);
      return withinScope('principal' in scope ? gateOf(scope) : gateOf({ principal: scope, run: newRun() }), task);
    },
    approvals: createApprovalRuns(runtime, owner),
    worker: (workerOptions) => createWorker(runtime, owner, workerOptions),
    inbox: (input) => readInbox(runtime, input),
    inventory: (tenant, tools) => inventory(options.policy, tenant, tools),
    credentials,
    ledger,
    ...createHolds(runtime),
    maintain: () => maintain(runtime, credentials),
    async close() {
      await runtime.unrun.flush();
      await store.close();
    },
  };
}

function requireOptions({ policy, store, audit, approvals }: CountersignOptions): void {
  if (typeof policy?.decide !== 'function')
    throw new ConfigurationError('`policy` must be a policy or another authorizer');
  if (typeof store?.claim !== 'function')
    throw new ConfigurationError('`store` must be a store, for example sqliteStore({ path })');
  if (approvals !== undefined && approvals.keys.length === 0) {
    throw new ConfigurationError('`approvals.keys` needs the public key of an approvals service, got none');
  }
  if (audit?.key === undefined) throw new ConfigurationError('`audit.key` is required, for example readKeyFile(path)');
}

function createRuntime(options: CountersignOptions): Runtime {
  const { audit, approvals, timeouts = {}, credentials: providers = [] } = options;
  const storeTimeoutMs = timeouts.storeMs ?? 10_000;
  const store = boundedStore(options.store, storeTimeoutMs);
  const credentialTimeoutMs = timeouts.credentialMs ?? 10_000;
  const clock = createClock(options.now);
  let ready: Promise<void> | undefined;
  const recorder = createRecorder({ clock });
  const prepare = async (): Promise<void> => clock.advanceTo(await inTime(store.system.latestTime(), storeTimeoutMs));
  return {
    store,
    storeTimeoutMs,
    sealer: createSealer({ masterKey: keyBytes(audit.key, 32), keys: store }),
    recorder,
    clock,
    asked: { authorizer: options.policy, users: options.users, timeoutMs: timeouts.authorizeMs ?? 1_000 },
    results: createObservedResults(),
    leases: createLeases({ providers, clock: () => clock.now(), timeoutMs: credentialTimeoutMs }),
    budgets: createBudgets({ store, clock: () => clock.now() }),
    providers,
    credentialTimeoutMs,
    telemetry: createTelemetry(audit.telemetry),
    metrics: createMetrics(audit.telemetry?.meterProvider),
    backlog:
      audit.delivery &&
      createBacklogGuard({
        ...audit.delivery,
        store,
        note: (event) => store.append(event.tenant, [recorder.draft(event, undefined)]),
      }),
    approvals: approvals && {
      verifier: createVoteVerifier(approvals.keys),
      maxPendingPerRun: approvals.maxPendingPerRun ?? 20,
      maxPendingPerUser: approvals.maxPendingPerUser ?? 100,
      waitMs: timeouts.approvalMs ?? 300_000,
    },
    live: new Set(),
    unrun: createUnrunCalls(),
    settleWaitMs: timeouts.settleMs ?? 2_000,
    ready() {
      // A store that is down now may be up for the next call: only success is remembered.
      ready ??= prepare().catch((error: unknown) => {
        ready = undefined;
        throw error;
      });
      return ready;
    },
  };
}

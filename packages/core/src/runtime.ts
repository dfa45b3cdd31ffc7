/**
 * What every gate of one Countersign instance shares. Built once by `createCountersign`; never leaves the package.
 * @module
 */
import type { VoteVerifier } from './approve/votes.ts';
import type { Asked } from './authorize/ask.ts';
import type { ObservedResults } from './authorize/observed-results.ts';
import type { Budgets } from './lease/budget.ts';
import type { CredentialProvider } from './lease/lease.ts';
import type { Leases } from './lease/lease-manager.ts';
import type { BacklogGuard } from './deliver/backlog.ts';
import type { Clock } from './record/clock.ts';
import type { Metrics } from './record/metrics.ts';
import type { Recorder } from './record/recorder.ts';
import type { Sealer } from './record/sealing.ts';
import type { Telemetry } from './record/telemetry.ts';
import type { UnrunCalls } from './record/unrun-calls.ts';
import type { Store } from './store/store.ts';

export interface Runtime {
  /** Bounded in time, except for the claim. */
  readonly store: Store;
  readonly storeTimeoutMs: number;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly asked: Asked;
  /** What guarded calls answered lately, to find out where values come from. */
  readonly results: ObservedResults;
  readonly leases: Leases;
  readonly budgets: Budgets;
  readonly providers: readonly CredentialProvider[];
  readonly credentialTimeoutMs: number;
  readonly telemetry: Telemetry;
  readonly metrics: Metrics;
  /** Refuses calls while records cannot be delivered; absent where nothing has to be. */
  readonly backlog: BacklogGuard | undefined;
  readonly approvals: ApprovalRuntime | undefined;
  /** Call keys whose body is running in this process. */
  readonly live: Set<string>;
  /** Permitted calls that nobody has claimed yet. */
  readonly unrun: UnrunCalls;
  /** How long a second evaluation of a running call waits for its outcome, in milliseconds. */
  readonly settleWaitMs: number;
  /** Settles once: the clock was set from the store. */
  readonly ready: () => Promise<void>;
}

export interface ApprovalRuntime {
  readonly verifier: VoteVerifier;
  readonly maxPendingPerRun: number;
  readonly maxPendingPerUser: number;
  readonly waitMs: number;
}

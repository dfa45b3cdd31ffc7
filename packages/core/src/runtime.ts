/**
 * What every gate of one Countersign instance shares. Built once by `createCountersign`; never leaves the package.
 * @module
 */
import type { VoteVerifier } from './approve/votes.ts';
import type { Asked } from './authorize/ask.ts';
import type { CredentialProvider } from './lease/lease.ts';
import type { Leases } from './lease/lease-manager.ts';
import type { Clock } from './record/clock.ts';
import type { Recorder } from './record/recorder.ts';
import type { Sealer } from './record/sealing.ts';
import type { Telemetry } from './record/telemetry.ts';
import type { Store } from './store/store.ts';

export interface Runtime {
  /** Bounded in time, except for the claim. */
  readonly store: Store;
  readonly storeTimeoutMs: number;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly asked: Asked;
  readonly leases: Leases;
  readonly providers: readonly CredentialProvider[];
  readonly credentialTimeoutMs: number;
  readonly telemetry: Telemetry;
  readonly approvals: ApprovalRuntime | undefined;
  /** Call keys whose body is running in this process. */
  readonly live: Set<string>;
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

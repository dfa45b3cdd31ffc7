/**
 * The approvals service from its parts. Run it where its signing key may live: apart from the agents in production.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import type { MeterProvider } from '@opentelemetry/api';
import type { Authorizer } from '../authorize/authorize.ts';
import { ConfigurationError } from '../errors.ts';
import { keyBytes } from '../key-bytes.ts';
import { createClock } from '../record/clock.ts';
import { createMetrics } from '../record/metrics.ts';
import { createRecorder } from '../record/recorder.ts';
import { createSealer } from '../record/sealing.ts';
import type { Store } from '../store/store.ts';
import type { ApproverDirectory } from './approve.ts';
import { createApprovalsService, type ApprovalsService } from './approvals-service.ts';
import { createNotifier, type Notifier, type NotifierOptions } from './notifier.ts';
import { createChanges } from './changes.ts';
import type { LedgerAccess } from './oversight.ts';
import { createRefusedRequests, type RefusedRequest } from './refused-requests.ts';
import { createVoteSigner } from './votes.ts';

export interface CreateApprovalsOptions {
  /** The store of the agents; in a process of its own this is another handle on the same file or database. */
  readonly store: Store;
  /** Ed25519 private key, or its 32-byte seed from `readKeyFile`. The agent runtime needs only the public half. */
  readonly signingKey: KeyObject | Uint8Array;
  readonly approvers: ApproverDirectory;
  /** The key that seals arguments and reasons: the same as the agents'. */
  readonly audit: { readonly key: KeyObject | Uint8Array; readonly meterProvider?: MeterProvider };
  /**
   * The agents' policy. It decides on arguments that an approver edits, and says what a channel must not
   * show; without it nothing can be edited, and channels see what its `redact` entries hide.
   */
  readonly policy?: Authorizer;
  /** Who of the approvers may read the ledger of their tenant, and from where. */
  readonly ledger?: LedgerAccess;
  /** Milliseconds since the epoch. Default: the system's clock. */
  readonly now?: () => number;
}

export interface Approvals extends ApprovalsService {
  /** PEM, for `createCountersign({ approvals: { keys: [publicKey] } })`. */
  readonly publicKey: string;
  /** Tells people on channels what waits for them. Run it in one process or several: one is at work at a time. */
  notifier(options: NotifierOptions): Notifier;
  /**
   * For front ends: a request was refused before anybody was authenticated. Never rejects, and a flood of such requests
   * does not flood the ledger: of each tenant, channel and reason the first 10 in a minute leave a record each, the others
   * one record with their `count`, by itself at the end of the minute; no process lives on for that. What an authenticated
   * approver is refused, their session records by itself.
   */
  recordRefused(refused: RefusedRequest): Promise<void>;
  /** Writes down at once what was only counted so far. Call it before the process ends, or that is lost. Never rejects. */
  flush(): Promise<void>;
}

/** @throws KeyError for a key that is none; ConfigurationError for an empty list of groups */
export function createApprovals(options: CreateApprovalsOptions): Approvals {
  const { store, approvers, ledger } = options;
  if (ledger?.groups?.length === 0) {
    throw new ConfigurationError(
      'an empty list of groups that may read the ledger: name one, or leave it out for every approver',
    );
  }
  const clock = createClock(options.now);
  const signer = createVoteSigner(options.signingKey);
  const sealer = createSealer({ masterKey: keyBytes(options.audit.key, 32), keys: store });
  const recorder = createRecorder({ clock });
  const refused = createRefusedRequests({ store, recorder });
  const service = createApprovalsService({
    store,
    signer,
    approvers,
    sealer,
    clock,
    policy: options.policy,
    ledger,
    changes: createChanges(store),
    recorder,
    metrics: createMetrics(options.audit.meterProvider),
  });
  const parts = { store, sealer, clock, policy: options.policy };
  const notifier = (channels: NotifierOptions): Notifier => createNotifier(parts, channels);
  return {
    ...service,
    publicKey: signer.publicKey,
    notifier,
    recordRefused: (request) => refused.record(request),
    flush: () => refused.flush(),
  };
}

/**
 * The approvals service: what a person's terminal, HTTP client or inbox talks to. It authenticates the approver,
 * shows what would run, and signs the vote. It may, and outside development should, run apart from the agents.
 * @module
 */
import { askDirectory } from './ask-directory.ts';
import type { Authorizer } from '../authorize/authorize.ts';
import { ApproverError } from '../errors.ts';
import type { Clock } from '../record/clock.ts';
import type { Metrics } from '../record/metrics.ts';
import type { Recorder } from '../record/recorder.ts';
import type { Sealer } from '../record/sealing.ts';
import type { Store } from '../store/store.ts';
import {
  createApproverSession,
  type ApprovalQuery,
  type ApproverSession,
  type DecideInput,
  type EditRequest,
} from './approver-session.ts';
import type { ApprovalView, Approver, ApproverDirectory } from './approve.ts';
import type { Changes } from './changes.ts';
import type { LedgerAccess } from './oversight.ts';
import type { VoteSigner } from './votes.ts';

export interface ApprovalsServiceOptions {
  readonly store: Store;
  readonly signer: VoteSigner;
  readonly approvers: ApproverDirectory;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Decides on edited arguments. Without it nothing can be edited. */
  readonly policy: Authorizer | undefined;
  readonly ledger?: LedgerAccess | undefined;
  readonly changes: Changes;
}

/** Every method takes what the approver presented, and rejects with `ApproverError` when it proves nobody. */
export interface ApprovalsService {
  /** @throws ApproverError, with the reason `unauthenticated`, when the credential proves nobody */
  authenticate(credential: string): Promise<ApproverSession>;
  /** The approvals of the approver's own tenant. */
  list(credential: string, filter?: ApprovalQuery): Promise<readonly ApprovalView[]>;
  /** @throws ApprovalNotFound, also when the approval is another tenant's. */
  show(credential: string, id: string): Promise<ApprovalView>;
  /**
   * @throws ApprovalConflict when it is no longer pending, the digest differs or it is not the hour for it; ApproverError
   * for one's own request, and for whoever is not in charge
   */
  decide(credential: string, input: DecideInput): Promise<ApprovalView>;
  /**
   * Changes the arguments of a request that nobody has voted on. They pass the policy again, and get a new digest.
   * @throws as `decide`, and ApprovalConflict when rule or policy do not permit it
   */
  edit(credential: string, request: EditRequest): Promise<ApprovalView>;
  /**
   * The same for a front that has authenticated the person by itself, such as a web session or a signed chat message.
   * Whoever calls this vouches for who it is.
   */
  as(approver: Approver): ApproverSession;
}

export function createApprovalsService(options: ApprovalsServiceOptions): ApprovalsService {
  const as = (approver: Approver): ApproverSession => createApproverSession(options, approver);

  async function authenticate(credential: string): Promise<ApproverSession> {
    const approver = await askDirectory(() => options.approvers.authenticate(credential));
    if (approver === undefined) {
      throw new ApproverError('the approver could not be authenticated', { reason: 'unauthenticated' });
    }
    return as(approver);
  }

  return {
    as,
    authenticate,
    list: async (credential, filter) => (await authenticate(credential)).list(filter),
    show: async (credential, id) => (await authenticate(credential)).show(id),
    decide: async (credential, input) => (await authenticate(credential)).decide(input),
    edit: async (credential, request) => (await authenticate(credential)).edit(request),
  };
}

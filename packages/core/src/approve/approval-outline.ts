/**
 * A request as it stands in the store, with nothing opened and nothing verified: to notice that something changed, and to
 * find one. What an outline says is never decided on, and shown to nobody.
 * @module
 */
import type { ApprovalState } from '../call.ts';
import type { StoredApproval } from '../store/store.ts';

export interface ApprovalOutline {
  readonly id: string;
  readonly state: ApprovalState;
  readonly tool: string;
  readonly source: string;
  readonly agent: string;
  readonly digest: string;
  /** Whether its grant was used. */
  readonly consumed: boolean;
  /** How many there are. */
  readonly votes: number;
}

export function outlineApproval(approval: StoredApproval, now: number): ApprovalOutline {
  const { id, call, digest, votes, consumedAt } = approval;
  const { name: tool, source } = call.tool;
  const state = stateAt(approval, now);
  const consumed = consumedAt !== undefined;
  return { id, state, tool, source, agent: call.agent, digest, consumed, votes: votes.length };
}

/** Also when nobody has marked yet that its time has come. */
export function stateAt({ state, expiresAt }: StoredApproval, now: number): ApprovalState {
  return state === 'pending' && expiresAt <= now ? 'expired' : state;
}

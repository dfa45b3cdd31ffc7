/**
 * Sessions that are about one approval.
 * @module
 */
import { ApprovalNotFound, ApproverError, type ApproverSession } from '@countersign/core';

/** Pages that such a session may open, below the console's own path; everything else is refused, also what comes later. */
export function isOpenTo(only: string, path: string): boolean {
  const own = `/approvals/${only}`;
  return path === '/events' || path === own || path === `${own}/decision` || path === `${own}/arguments`;
}

/** What an approver can do, for one approval: nothing else exists. */
export function restrictTo(only: string, session: ApproverSession): ApproverSession {
  const check = (id: string): void => {
    if (id !== only) throw new ApprovalNotFound('this session is for one approval, and that is another one');
  };
  const nothingElse = async (): Promise<never> => {
    throw new ApproverError('this session is for one approval, and reads no ledger');
  };
  return {
    approver: session.approver,
    readsLedger: false,
    timeline: nothingElse,
    load: nothingElse,
    approvers: async () => undefined,
    async list({ state, before } = {}) {
      if (before !== undefined) return [];
      const approval = await session.show(only);
      return state === undefined || approval.state === state ? [approval] : [];
    },
    async outlines({ state, before } = {}) {
      if (before !== undefined) return [];
      const approval = await session.outline(only);
      return state === undefined || approval.state === state ? [approval] : [];
    },
    async show(id) {
      check(id);
      return session.show(id);
    },
    async outline(id) {
      check(id);
      return session.outline(id);
    },
    async decide(input) {
      check(input.id);
      return session.decide(input);
    },
    async edit(request) {
      check(request.id);
      return session.edit(request);
    },
    changed: (ids, signal) =>
      session.changed(
        ids.filter((id) => id === only),
        signal,
      ),
  };
}

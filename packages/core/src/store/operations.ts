/**
 * What each operation of an embedded store means, over its {@link Tables}. Synchronous: the driver runs each inside a
 * transaction and undoes it when it throws. A refused operation has written nothing.
 * @module
 */
import { StoreError } from '../errors.ts';
import type { Chain } from '../record/chain.ts';
import type { RecordDraft } from '../record/record.ts';
import { edit, transition, vote, type OperationContext } from './approval-operations.ts';
import { isHeld, prune, putEntry } from './entry-operations.ts';
import { refuseGrant, type ClaimRefusal } from './grant.ts';
import type {
  CallFacts,
  CallState,
  ClaimInput,
  ClaimResult,
  EditInput,
  EditResult,
  ObserveInput,
  ObserveResult,
  PruneInput,
  PutEntryInput,
  ReleaseInput,
  SettleInput,
  Store,
  StoredCall,
  TransitionInput,
  VoteInput,
  VoteResult,
} from './store.ts';
import type { CallRow, Tables } from './tables.ts';

export interface Operations {
  observe(input: ObserveInput): ObserveResult;
  claim(input: ClaimInput): ClaimResult;
  settle(input: SettleInput): void;
  release(input: ReleaseInput): void;
  vote(input: VoteInput): VoteResult;
  edit(input: EditInput): EditResult;
  transition(input: TransitionInput): boolean;
  leaseIssued(input: Parameters<Store['leaseIssued']>[0]): void;
  leaseClosed(input: Parameters<Store['leaseClosed']>[0]): void;
  append(tenant: string, drafts: readonly RecordDraft[]): void;
  keepSubjectKey(tenant: string, subject: string, candidate: string): string;
  eraseSubject(tenant: string, subject: string, drafts: readonly RecordDraft[]): void;
  putEntry(input: PutEntryInput): string | undefined;
  prune(input: PruneInput): number;
  newEpoch(): number;
}

export function createOperations(tables: Tables, chain: Chain): Operations {
  const { calls, subjects } = tables;
  const append = (tenant: string, drafts: readonly RecordDraft[]): void => {
    if (drafts.length === 0) return;
    for (const record of chain.link(tenant, drafts)) tables.records.append(record);
  };
  const context = { tables, append };

  return {
    observe: (input) => observe(context, input),
    claim: (input) => claim(context, input),
    settle({ call, claim: attempt, outcome, now, closedLeases, records }) {
      if (!calls.settle(call, attempt, outcome, now)) {
        const row = calls.inSlot(call);
        if (row?.call.state === 'settled' && row.call.key === call.key && row.call.claim === attempt) return;
        throw notClaimed(call, row, 'settled');
      }
      closeLeases(tables, call, closedLeases);
      append(call.tenant, records);
    },
    release: (input) => release(context, input),
    vote: (input) => vote(context, input),
    edit: (input) => edit(context, input),
    transition: (input) => transition(context, input),
    leaseIssued({ tenant, id, sealedHandle, expiresAt, records }) {
      const lease = requireLease(tables, tenant, id);
      if (lease.state === 'closed') throw new StoreError(`lease ${id} is closed and cannot be issued`);
      tables.leases.update({ ...lease, state: 'issued', sealedHandle, expiresAt });
      append(tenant, records);
    },
    leaseClosed({ tenant, id, records }) {
      const { sealedHandle: _, ...lease } = requireLease(tables, tenant, id);
      if (lease.state === 'closed') return;
      tables.leases.update({ ...lease, state: 'closed' });
      append(tenant, records);
    },
    append,
    keepSubjectKey(tenant, subject, candidate) {
      const kept = subjects.find(tenant, subject);
      if (kept === undefined) subjects.insert(tenant, subject, candidate);
      return kept ?? candidate;
    },
    eraseSubject(tenant, subject, drafts) {
      subjects.remove(tenant, subject);
      append(tenant, drafts);
    },
    putEntry: (input) => putEntry(context, input),
    prune: (input) => prune(context, input),
    newEpoch() {
      const epoch = tables.epoch() + 1;
      tables.setEpoch(epoch);
      return epoch;
    },
  };
}

function observe({ tables, append }: OperationContext, input: ObserveInput): ObserveResult {
  const { calls, approvals } = tables;
  const { call, verdict } = input;
  const row = calls.inSlot(call);
  if (row !== undefined && row.call.key !== call.key) return { status: 'refused', code: 'call_id_reused' };
  if (row === undefined && input.origin !== 'model') return { status: 'refused', code: 'call_never_made' };

  const begun = row?.call.state === 'claimed' || row?.call.state === 'settled';
  const opening = verdict === 'review' && !begun && row?.call.approval === undefined ? input.approval : undefined;
  if (opening !== undefined) {
    const pending = approvals.countPending(call, input.now, tables.epoch());
    if (!(pending.ofRun < input.maxPendingPerRun && pending.ofUser < input.maxPendingPerUser)) {
      return { status: 'refused', code: 'too_many_pending' };
    }
    approvals.insert(opening, factsOf(call), tables.epoch());
  }

  const fresh = row === undefined || opening !== undefined;
  const { drafts, decisions } = unrecorded(row, input.records);
  const state = begun ? row.call.state : observedState(verdict, row?.call.state);
  const seen: StoredCall = {
    ...(row?.call ?? factsOf(call)),
    state,
    ...(opening === undefined ? {} : { approval: opening.id }),
  };
  if (row === undefined) calls.insert({ call: seen, decisions });
  else if (opening !== undefined || state !== row.call.state || decisions.length > row.decisions.length) {
    calls.update({ call: seen, decisions });
  }
  append(call.tenant, fresh ? drafts : drafts.filter((draft) => draft.decision !== undefined));

  const approval = seen.approval === undefined ? undefined : approvals.find(call.tenant, seen.approval);
  return {
    status: 'observed',
    call: seen,
    ...(approval === undefined ? {} : { approval }),
    opened: opening !== undefined,
  };
}

/** Permission does not take back what was said before: a review stays one until its approval is claimed. */
function observedState(verdict: ObserveInput['verdict'], before: CallState | undefined): CallState {
  if (verdict === 'allow') return before ?? 'seen';
  return verdict === 'review' ? 'review' : 'denied';
}

function claim({ tables, append }: OperationContext, input: ClaimInput): ClaimResult {
  const { calls, approvals, leases } = tables;
  const { call, now } = input;
  const row = calls.inSlot(call);
  if (row === undefined) {
    if (input.origin !== 'model') return { status: 'refused', code: 'call_never_made' };
  } else {
    if (row.call.key !== call.key) return { status: 'refused', code: 'call_id_reused' };
    if (row.call.state === 'settled') {
      if (row.call.outcome === undefined) throw new StoreError('a settled call has no outcome: the store is damaged');
      return { status: 'settled', outcome: row.call.outcome };
    }
    if (row.call.state === 'claimed' && !input.idempotent) return { status: 'unsettled' };
  }
  if (isHeld(tables, call)) return { status: 'refused', code: 'held' };
  const code = refuseClaim(tables, input, row);
  if (code !== undefined) return { status: 'refused', code };

  const { drafts, decisions } = unrecorded(row, input.records);
  const claimed: StoredCall = { ...(row?.call ?? factsOf(call)), state: 'claimed', claimedAt: now, claim: input.claim };
  if (row === undefined) calls.insert({ call: claimed, decisions });
  else calls.update({ call: claimed, decisions });
  if (input.approval !== undefined) {
    approvals.update(call.tenant, input.approval.id, { state: 'approved', consumedAt: now });
  }
  for (const plan of input.leases) leases.insert(call.tenant, call.key, plan);
  append(call.tenant, drafts);
  return { status: 'claimed' };
}

function refuseClaim(tables: Tables, input: ClaimInput, row: CallRow | undefined): ClaimRefusal | undefined {
  const { call, approval } = input;
  if (approval !== undefined) {
    const now = Math.max(input.now, tables.records.latestTime(call.tenant));
    const found = tables.approvals.find(call.tenant, approval.id);
    return refuseGrant({ ...input, approval }, row, found, { epoch: tables.epoch(), now });
  }
  // Once a human was asked, only their answer lets the call run, whatever the policy says now.
  if (row?.call.state === 'review' || row?.call.approval !== undefined) return 'approval_required';
  if (input.idempotent) return undefined;
  const unknown = tables.calls.claimedAlike(call).some((key) => key !== call.key && !input.live.has(key));
  return unknown ? 'earlier_outcome_unknown' : undefined;
}

function release({ tables, append }: OperationContext, input: ReleaseInput): void {
  const { call, approval, closedLeases, records } = input;
  const row = tables.calls.inSlot(call);
  if (row?.call.state !== 'claimed' || row.call.key !== call.key || row.call.claim !== input.claim) {
    throw notClaimed(call, row, 'released');
  }
  if (approval !== undefined && approval !== row.call.approval) {
    throw new StoreError(`approval ${approval} is not the one that the claim of call ${call.key} consumed`);
  }
  const { claimedAt: _at, claim: _claim, ...given } = row.call;
  tables.calls.update({ call: { ...given, state: 'released' }, decisions: row.decisions });
  if (given.approval !== undefined) {
    tables.approvals.update(call.tenant, given.approval, { state: 'approved', consumedAt: undefined });
  }
  closeLeases(tables, call, closedLeases);
  append(call.tenant, records);
}

/** The drafts that the ledger does not hold yet: a decision is written once per call key. */
function unrecorded(
  row: CallRow | undefined,
  drafts: readonly RecordDraft[],
): { drafts: readonly RecordDraft[]; decisions: readonly string[] } {
  const decisions = [...(row?.decisions ?? [])];
  const fresh = drafts.filter(({ decision }) => {
    if (decision === undefined) return true;
    if (decisions.includes(decision)) return false;
    decisions.push(decision);
    return true;
  });
  return { drafts: fresh, decisions };
}

function closeLeases(tables: Tables, call: CallFacts, ids: readonly string[]): void {
  for (const id of ids) {
    const lease = tables.leases.find(call.tenant, id);
    if (lease === undefined || lease.callKey !== call.key || lease.state === 'closed') continue;
    const { sealedHandle: _, ...rest } = lease;
    tables.leases.update({ ...rest, state: 'closed' });
  }
}

function requireLease(tables: Tables, tenant: string, id: string) {
  const lease = tables.leases.find(tenant, id);
  if (lease === undefined) throw new StoreError(`no lease ${id} in tenant ${tenant}`);
  return lease;
}

function notClaimed(call: CallFacts, row: CallRow | undefined, wanted: string): StoreError {
  const state = row === undefined ? 'not known' : row.call.key === call.key ? row.call.state : 'another in this slot';
  return new StoreError(`only a claimed call can be ${wanted}: call ${call.key} is ${state}`);
}

/** The facts alone, copied: the caller's object may hold more, or change later. */
function factsOf({ tenant, run, subject, agent, delegation, tool, slot, key, argumentsDigest }: CallFacts): CallFacts {
  const { name, source, schemaDigest } = tool;
  return {
    tenant,
    run,
    subject,
    agent,
    delegation: [...delegation],
    tool: { name, source, ...(schemaDigest === undefined ? {} : { schemaDigest }) },
    slot,
    key,
    argumentsDigest,
  };
}

/**
 * Tables that answer only what was locked and loaded, and note what changes.
 *
 * Anything else throws {@link NotLoaded}, so that "not loaded" is never taken for "not there".
 * @module
 */
import { StoreError } from '@countersign/core';
import type {
  ApprovalTable,
  CallTable,
  EntryTable,
  LeaseTable,
  RecordTable,
  SubjectTable,
  Tables,
} from '@countersign/core/store-kit';
import { needs, type Need } from './needs.ts';
import type { SubjectRow, Touched } from './touched.ts';
import type { WorkingSetInput } from './working-set.ts';

/** Not a failure: what an operation reads beyond its forecast. */
export class NotLoaded extends Error {
  readonly need: Need;
  constructor(need: Need) {
    super(`not loaded: ${need.key}`);
    this.need = need;
  }
}

type Require = (need: Need) => void;

/** Reads that no operation does; they have statements of their own. */
const never = (): never => {
  throw new StoreError('an operation read more rows than a batch can hold');
};

export function guardTables(
  { needs: ready, loaded }: WorkingSetInput,
  memory: Tables,
  records: Pick<RecordTable, 'append' | 'head' | 'latestTime' | 'prune'>,
  touched: Touched,
): Tables {
  const require: Require = (need) => {
    if (!ready.has(need.key)) throw new NotLoaded(need);
  };
  const ofCalls = new Set((loaded.approvalsOfCalls ?? []).map(({ id }) => id));
  return {
    calls: callTable(memory, require, touched),
    approvals: approvalTable(memory, require, touched, ofCalls),
    leases: leaseTable(memory, require, touched),
    records: { ...records, list: never, heads: never, writers: never },
    subjects: subjectTable(memory, require, touched),
    entries: entryTable(memory, { ready, require }, touched),
    tenants: never,
    epoch() {
      if (!ready.has(needs.nextEpoch().key)) require(needs.epoch());
      return touched.epoch ?? loaded.epoch ?? never();
    },
    setEpoch(epoch) {
      require(needs.nextEpoch());
      touched.epoch = epoch;
    },
  };
}

function callTable({ calls }: Tables, require: Require, touched: Touched): CallTable {
  const change = (call: Parameters<CallTable['inSlot']>[0]): void => {
    require(needs.slot(call));
    const { tenant, run, slot } = call;
    touched.calls.mark(JSON.stringify([run, slot]), () => calls.inSlot({ tenant, run, slot }));
  };
  return {
    inSlot(call) {
      require(needs.slot(call));
      return calls.inSlot(call);
    },
    insert(row) {
      change(row.call);
      calls.insert(row);
    },
    update(row) {
      change(row.call);
      calls.update(row);
    },
    settle(call, claim, outcome, now) {
      change(call);
      return calls.settle(call, claim, outcome, now);
    },
    claimedAlike(call) {
      require(needs.alike(call));
      return calls.claimedAlike(call);
    },
    settledAsynchronous: never,
  };
}

function approvalTable(
  { approvals }: Tables,
  require: Require,
  touched: Touched,
  /** Loaded with their calls: to be read, not to be changed. */
  ofCalls: ReadonlySet<string>,
): ApprovalTable {
  const mark = (tenant: string, id: string): void => touched.approvals.mark(id, () => approvals.find(tenant, id));
  const opened = new Set<string>();
  return {
    find(tenant, id) {
      if (!ofCalls.has(id) && !opened.has(id)) require(needs.approval(tenant, id));
      return approvals.find(tenant, id);
    },
    insert(approval, call, epoch) {
      mark(call.tenant, approval.id);
      approvals.insert(approval, call, epoch);
      opened.add(approval.id);
    },
    update(tenant, id, change) {
      require(needs.approval(tenant, id));
      mark(tenant, id);
      approvals.update(tenant, id, change);
    },
    edit(tenant, id, digest, edit) {
      require(needs.approval(tenant, id));
      mark(tenant, id);
      approvals.edit(tenant, id, digest, edit);
    },
    addVote(vote) {
      require(needs.approval(vote.tenant, vote.approval));
      mark(vote.tenant, vote.approval);
      approvals.addVote(vote);
    },
    countPending(call, now, epoch) {
      require(needs.pending(call));
      return approvals.countPending(call, now, epoch);
    },
    list: never,
    expired: never,
    runnable: never,
  };
}

function leaseTable({ leases }: Tables, require: Require, touched: Touched): LeaseTable {
  const mark = (tenant: string, id: string): void => touched.leases.mark(id, () => leases.find(tenant, id));
  return {
    find(tenant, id) {
      require(needs.lease(tenant, id));
      return leases.find(tenant, id);
    },
    insert(tenant, callKey, plan) {
      mark(tenant, plan.id);
      leases.insert(tenant, callKey, plan);
    },
    update(lease) {
      require(needs.lease(lease.tenant, lease.id));
      mark(lease.tenant, lease.id);
      leases.update(lease);
    },
    open: never,
  };
}

function subjectTable({ subjects }: Tables, require: Require, touched: Touched): SubjectTable {
  /** One object for one key, so that an unchanged row is the same row. */
  const rows = new Map<string, SubjectRow>();
  const row = (tenant: string, subject: string): SubjectRow | undefined => {
    const key = subjects.find(tenant, subject);
    if (key === undefined) return undefined;
    const known = rows.get(subject);
    const found = known?.key === key ? known : { subject, key };
    rows.set(subject, found);
    return found;
  };
  const change = (tenant: string, subject: string): void => {
    require(needs.subject(tenant, subject));
    touched.subjects.mark(subject, () => row(tenant, subject));
  };
  return {
    find(tenant, subject) {
      require(needs.subject(tenant, subject));
      return subjects.find(tenant, subject);
    },
    insert(tenant, subject, key) {
      change(tenant, subject);
      subjects.insert(tenant, subject, key);
    },
    remove(tenant, subject) {
      change(tenant, subject);
      subjects.remove(tenant, subject);
    },
  };
}

interface EntryGuard {
  readonly ready: ReadonlyMap<string, Need>;
  readonly require: Require;
}

function entryTable({ entries }: Tables, { ready, require }: EntryGuard, touched: Touched): EntryTable {
  const change = (tenant: string, kind: Parameters<EntryTable['find']>[1], id: string): void => {
    require(needs.entry(tenant, kind, id));
    touched.entries.mark(JSON.stringify([kind, id]), () => entries.find(tenant, kind, id));
  };
  return {
    find(tenant, kind, id) {
      const hold = needs.hold(tenant, id);
      if (kind !== 'hold' || !ready.has(hold.key)) require(needs.entry(tenant, kind, id));
      return entries.find(tenant, kind, id);
    },
    put(entry) {
      change(entry.tenant, entry.kind, entry.id);
      entries.put(entry);
    },
    remove(tenant, kind, id) {
      change(tenant, kind, id);
      entries.remove(tenant, kind, id);
    },
    list: never,
  };
}

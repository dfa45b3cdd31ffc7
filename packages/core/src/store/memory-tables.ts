/**
 * The tables of the memory store: one set of maps per tenant, so that no lookup can reach another tenant's rows.
 * @module
 */
import { StoreError } from '../errors.ts';
import type { StoredRecord } from '../record/record.ts';
import { maxRows } from './row-limit.ts';
import type { ApprovalFilter, CallFacts, RecordFilter, StoredApproval, StoredEntry, StoredLease } from './store.ts';
import type {
  ApprovalTable,
  CallRow,
  CallTable,
  EntryTable,
  LeaseTable,
  RecordTable,
  SubjectTable,
  Tables,
} from './tables.ts';

interface TenantRows {
  readonly calls: Map<string, CallRow>;
  readonly approvals: Map<string, StoredApproval>;
  readonly leases: Map<string, StoredLease>;
  readonly chains: Map<string, StoredRecord[]>;
  readonly subjects: Map<string, string>;
  readonly entries: Map<string, StoredEntry>;
}

const noRows = (): TenantRows => ({
  calls: new Map(),
  approvals: new Map(),
  leases: new Map(),
  chains: new Map(),
  subjects: new Map(),
  entries: new Map(),
});

export interface UndoLog {
  push(inverse: () => void): void;
  /** Takes back everything since the last `clear`, newest first. */
  undo(): void;
  clear(): void;
}

export function createUndoLog(): UndoLog {
  let inverses: (() => void)[] = [];
  return {
    push: (inverse) => void inverses.push(inverse),
    undo() {
      for (const inverse of inverses.toReversed()) inverse();
    },
    clear() {
      inverses = [];
    },
  };
}

interface Memory {
  /** For reading: asking about a tenant does not bring it into being. */
  readonly of: (tenant: string) => TenantRows;
  readonly for: (tenant: string) => TenantRows;
  readonly put: <Value>(map: Map<string, Value>, key: string, value: Value | undefined) => void;
  readonly all: () => readonly (readonly [string, TenantRows])[];
  readonly log: UndoLog;
}

function createMemory(log: UndoLog): Memory {
  const tenants = new Map<string, TenantRows>();
  return {
    of: (tenant) => tenants.get(tenant) ?? noRows(),
    for(tenant) {
      const rows = tenants.get(tenant) ?? noRows();
      tenants.set(tenant, rows);
      return rows;
    },
    put(map, key, value) {
      const before = map.get(key);
      log.push(() => void (before === undefined ? map.delete(key) : map.set(key, before)));
      if (value === undefined) map.delete(key);
      else map.set(key, value);
    },
    all: () => [...tenants],
    log,
  };
}

export function memoryTables(log: UndoLog): Tables {
  const memory = createMemory(log);
  let epoch = 1;
  return {
    calls: callTable(memory),
    approvals: approvalTable(memory),
    leases: leaseTable(memory),
    records: recordTable(memory),
    subjects: subjectTable(memory),
    entries: entryTable(memory),
    tenants() {
      const used = memory
        .all()
        .filter(([, rows]) => rows.calls.size + rows.chains.size + rows.subjects.size + rows.entries.size > 0);
      return used.map(([tenant]) => tenant).toSorted(byText);
    },
    epoch: () => epoch,
    setEpoch(next) {
      const before = epoch;
      log.push(() => {
        epoch = before;
      });
      epoch = next;
    },
  };
}

const byText = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

const placeOf = ({ run, slot }: Pick<CallFacts, 'run' | 'slot'>): string => JSON.stringify([run, slot]);

function callTable({ of, for: rowsFor, put }: Memory): CallTable {
  const update = (row: CallRow): void => put(rowsFor(row.call.tenant).calls, placeOf(row.call), row);
  const callsOf = (tenant: string) => [...of(tenant).calls.values()].map((row) => row.call);
  return {
    inSlot: (call) => of(call.tenant).calls.get(placeOf(call)),
    insert: update,
    update,
    settle(call, claim, outcome, now) {
      const row = of(call.tenant).calls.get(placeOf(call));
      if (row?.call.state !== 'claimed' || row.call.key !== call.key || row.call.claim !== claim) return false;
      update({ ...row, call: { ...row.call, state: 'settled', outcome: { ...outcome }, settledAt: now } });
      return true;
    },
    claimedAlike({ tenant, run, tool, argumentsDigest }) {
      const written = (id = ''): string | undefined => of(tenant).approvals.get(id)?.edit?.argumentsDigest;
      return callsOf(tenant)
        .filter((call) => call.state === 'claimed' && call.run === run)
        .filter((call) => [call.argumentsDigest, written(call.approval)].includes(argumentsDigest))
        .filter((call) => call.tool.name === tool.name && call.tool.source === tool.source)
        .map((call) => call.key);
    },
    settledAsynchronous(tenant, run) {
      return callsOf(tenant)
        .filter((call) => call.run === run && call.state === 'settled')
        .filter((call) => of(tenant).approvals.get(call.approval ?? '')?.mode === 'asynchronous')
        .toSorted((left, right) => (left.settledAt ?? 0) - (right.settledAt ?? 0));
    },
  };
}

function isOpen({ state, consumedAt }: StoredApproval): boolean {
  return state === 'pending' || (state === 'approved' && consumedAt === undefined);
}

function isRunnable({ state, mode, consumedAt }: StoredApproval): boolean {
  return state === 'approved' && mode === 'asynchronous' && consumedAt === undefined;
}

function approvalTable({ of, for: rowsFor, put, all }: Memory): ApprovalTable {
  const oldestFirst = (tenant: string) =>
    [...of(tenant).approvals.values()].toSorted((left, right) => left.createdAt - right.createdAt);
  const everywhere = () => all().flatMap(([tenant]) => oldestFirst(tenant));
  const place = ({ call, id }: StoredApproval) => ({ tenant: call.tenant, id });
  const change = (approval: StoredApproval): void =>
    put(rowsFor(approval.call.tenant).approvals, approval.id, approval);
  const require = (tenant: string, id: string): StoredApproval =>
    of(tenant).approvals.get(id) ?? fail(`no approval ${id} in tenant ${tenant}`);
  return {
    find: (tenant, id) => of(tenant).approvals.get(id),
    list: (tenant, filter) => filterApprovals(oldestFirst(tenant), filter),
    insert(approval, call, epoch) {
      if (of(call.tenant).approvals.has(approval.id))
        throw new StoreError(`there already is an approval ${approval.id}`);
      change({ ...approval, call, state: 'pending', epoch, votes: [] });
    },
    update(tenant, id, { state, consumedAt }) {
      const { consumedAt: _, ...rest } = require(tenant, id);
      change({ ...rest, state, ...(consumedAt === undefined ? {} : { consumedAt }) });
    },
    addVote(vote) {
      const approval = require(vote.tenant, vote.approval);
      change({ ...approval, votes: [...approval.votes, { ...vote }] });
    },
    edit: (tenant, id, digest, edit) => change({ ...require(tenant, id), digest, edit: { ...edit } }),
    countPending({ tenant, run, subject }, now, epoch) {
      const open = oldestFirst(tenant).filter(
        (approval) => approval.state === 'pending' && approval.expiresAt > now && approval.epoch === epoch,
      );
      return {
        ofRun: open.filter(({ call }) => call.run === run).length,
        ofUser: open.filter(({ call }) => call.subject === subject).length,
      };
    },
    expired(now, limit) {
      return everywhere()
        .filter((approval) => isOpen(approval) && approval.expiresAt <= now)
        .toSorted((left, right) => left.expiresAt - right.expiresAt)
        .slice(0, maxRows(limit))
        .map(place);
    },
    runnable({ epoch, now, limit, offset }) {
      return everywhere()
        .filter((approval) => isRunnable(approval) && approval.epoch === epoch && approval.expiresAt > now)
        .toSorted((left, right) => left.createdAt - right.createdAt)
        .slice(offset, offset + maxRows(limit))
        .map(place);
    },
  };
}

/** `sorted`: oldest first. */
function filterApprovals(
  sorted: readonly StoredApproval[],
  { state, run, mode, consumed, before, after, newestFirst, limit }: ApprovalFilter,
): readonly StoredApproval[] {
  const placeOfId = (wanted: string): number => sorted.findIndex(({ id }) => id === wanted);
  const begin = after === undefined ? 0 : placeOfId(after) + 1 || sorted.length;
  const end = before === undefined ? sorted.length : Math.max(0, placeOfId(before));
  const between = sorted.slice(begin, end);
  return (newestFirst === true ? between.toReversed() : between)
    .filter((approval) => state === undefined || approval.state === state)
    .filter((approval) => run === undefined || approval.call.run === run)
    .filter((approval) => mode === undefined || approval.mode === mode)
    .filter((approval) => consumed === undefined || (approval.consumedAt !== undefined) === consumed)
    .slice(0, maxRows(limit ?? 100));
}

function fail(message: string): never {
  throw new StoreError(message);
}

function leaseTable({ of, for: rowsFor, put, all }: Memory): LeaseTable {
  return {
    find: (tenant, id) => of(tenant).leases.get(id),
    insert(tenant, callKey, { id, service, provider, expiresAt }) {
      if (of(tenant).leases.has(id)) throw new StoreError(`there already is a lease ${id}`);
      put(rowsFor(tenant).leases, id, { tenant, callKey, id, service, provider, expiresAt, state: 'planned' });
    },
    update: (lease) => put(rowsFor(lease.tenant).leases, lease.id, { ...lease }),
    open(before, limit) {
      return all()
        .flatMap(([, rows]) => [...rows.leases.values()])
        .filter((lease) => lease.state !== 'closed' && lease.expiresAt < before)
        .toSorted((left, right) => left.expiresAt - right.expiresAt)
        .slice(0, maxRows(limit));
    },
  };
}

function recordTable({ of, for: rowsFor, log, all }: Memory): RecordTable {
  const chainsOf = (tenant: string) =>
    [...of(tenant).chains.entries()].toSorted(([left], [right]) => byText(left, right));
  const latestOf = (tenant: string) => Math.max(0, ...chainsOf(tenant).map(([, chain]) => chain.at(-1)?.time ?? 0));
  const head = (tenant: string, writer: string) => {
    const last = of(tenant).chains.get(writer)?.at(-1);
    return last && { tenant, writer, seq: last.seq, hash: last.hash };
  };
  return {
    append(record) {
      const { chains } = rowsFor(record.tenant);
      const chain = chains.get(record.writer) ?? [];
      chains.set(record.writer, chain);
      chain.push(Object.freeze({ ...record }));
      log.push(() => {
        chain.pop();
        if (chain.length === 0) chains.delete(record.writer);
      });
    },
    list(tenant, filter) {
      const matching = matches(filter);
      const chains = chainsOf(tenant).filter(([writer]) => filter.writer === undefined || filter.writer === writer);
      const found = chains.flatMap(([, chain]) => chain.filter(matching));
      return filter.limit === undefined ? found : found.slice(0, maxRows(filter.limit));
    },
    head,
    heads: (tenant) => chainsOf(tenant).flatMap(([writer]) => head(tenant, writer) ?? []),
    writers: (tenant) => chainsOf(tenant).map(([writer]) => writer),
    prune(tenant, writer, through) {
      const chain = of(tenant).chains.get(writer) ?? [];
      const removed = chain.splice(0, chain.filter(({ seq }) => seq <= through).length);
      log.push(() => void chain.unshift(...removed));
      return removed.length;
    },
    latestTime: (tenant) =>
      tenant === undefined ? Math.max(0, ...all().map(([each]) => latestOf(each))) : latestOf(tenant),
  };
}

function entryTable({ of, for: rowsFor, put }: Memory): EntryTable {
  const place = (kind: string, id: string) => JSON.stringify([kind, id]);
  return {
    find: (tenant, kind, id) => of(tenant).entries.get(place(kind, id)),
    list(tenant, kind, { after, limit }) {
      return [...of(tenant).entries.values()]
        .filter((entry) => entry.kind === kind && (after === undefined || byBytes(entry.id, after) > 0))
        .toSorted((left, right) => byBytes(left.id, right.id))
        .slice(0, maxRows(limit ?? 100));
    },
    put: (entry) => put(rowsFor(entry.tenant).entries, place(entry.kind, entry.id), { ...entry }),
    remove: (tenant, kind, id) => put(rowsFor(tenant).entries, place(kind, id), undefined),
  };
}

const byBytes = (left: string, right: string): number => Buffer.compare(Buffer.from(left), Buffer.from(right));

function matches({ call, kind, since, until, afterSeq }: RecordFilter): (record: StoredRecord) => boolean {
  return (record) =>
    (call === undefined || record.call === call) &&
    (kind === undefined || record.kind === kind) &&
    (since === undefined || record.time >= since) &&
    (until === undefined || record.time <= until) &&
    (afterSeq === undefined || record.seq > afterSeq);
}

function subjectTable({ of, for: rowsFor, put }: Memory): SubjectTable {
  return {
    find: (tenant, subject) => of(tenant).subjects.get(subject),
    insert: (tenant, subject, key) => put(rowsFor(tenant).subjects, subject, key),
    remove: (tenant, subject) => put(rowsFor(tenant).subjects, subject, undefined),
  };
}

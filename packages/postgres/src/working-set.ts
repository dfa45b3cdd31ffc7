/**
 * The rows of one tenant that a batch of operations works on: loaded before, in memory while the operations run, and
 * compared with what was loaded to know what must be written.
 *
 * Reading a row that was not loaded throws {@link NotLoaded}, so that "not loaded" is never taken for "not there".
 * @module
 */
import { createUndoLog, memoryTables } from '@countersign/core/store-kit';
import type {
  CallRow,
  NewApproval,
  RecordTable,
  StoredApproval,
  StoredEntry,
  StoredLease,
  StoredRecord,
  Tables,
  UndoLog,
} from '@countersign/core/store-kit';
import { NotLoaded, guardTables } from './guard-tables.ts';
import { needs, type Need } from './needs.ts';
import { changedRows, createTouched, type ChangedRows } from './touched.ts';

/** What a load statement answers: each part only when it was asked for. */
export interface Loaded {
  readonly calls?: readonly CallRow[] | undefined;
  readonly approvalsOfCalls?: readonly StoredApproval[] | undefined;
  readonly alike?: readonly CallRow[] | undefined;
  readonly editsAlike?: readonly StoredApproval[] | undefined;
  readonly pendingOfRuns?: readonly StoredApproval[] | undefined;
  readonly pendingOfSubjects?: readonly StoredApproval[] | undefined;
  readonly approvals?: readonly StoredApproval[] | undefined;
  readonly leases?: readonly StoredLease[] | undefined;
  readonly subjects?: readonly { readonly subject: string; readonly key: string }[] | undefined;
  readonly entries?: readonly StoredEntry[] | undefined;
  readonly heads?: readonly { readonly writer: string; readonly seq: number; readonly hash: string }[] | undefined;
  readonly prunable?:
    | readonly { readonly writer: string; readonly through: number; readonly number: number }[]
    | undefined;
  readonly epoch?: number | undefined;
  readonly time?: number | undefined;
}

export interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** What is to be written, each row once. */
export interface Changes extends ChangedRows {
  readonly records: readonly StoredRecord[];
  readonly pruned: readonly { readonly writer: string; readonly through: number }[];
}

export interface WorkingSet {
  readonly tables: Tables;
  /** All of the operation, or nothing when it throws. */
  run<Result>(operation: () => Result): Result;
  changes(): Changes;
  /** The head of the given writer after the batch. */
  head(writer: string): Head | undefined;
}

export interface WorkingSetInput {
  readonly tenant: string;
  /** Everything that was locked and loaded. */
  readonly needs: ReadonlyMap<string, Need>;
  readonly loaded: Loaded;
  /** The writer of this process, and its head when it is known; `undefined`: it must be loaded. */
  readonly own: { readonly writer: string; readonly head: Head | undefined };
}

export function createWorkingSet(input: WorkingSetInput): WorkingSet {
  const log = createUndoLog();
  const memory = memoryTables(log);
  fill(memory, input);
  log.clear();
  const records = recordTable(input, log);
  const touched = createTouched();
  return {
    tables: guardTables(input, memory, records.table, touched),
    run(operation) {
      try {
        return operation();
      } catch (error) {
        log.undo();
        throw error;
      } finally {
        log.clear();
      }
    },
    changes: () => ({ ...changedRows(touched), records: records.appended, pruned: records.pruned }),
    head: (writer) => records.head(writer),
  };
}

function fill(memory: Tables, { tenant, loaded }: WorkingSetInput): void {
  for (const row of [...(loaded.calls ?? []), ...(loaded.alike ?? [])]) {
    if (memory.calls.inSlot(row.call) === undefined) memory.calls.insert(row);
  }
  const whole = [...(loaded.approvals ?? []), ...(loaded.approvalsOfCalls ?? []), ...(loaded.editsAlike ?? [])];
  for (const approval of [...whole, ...(loaded.pendingOfRuns ?? []), ...(loaded.pendingOfSubjects ?? [])]) {
    const { id, call, epoch, state, consumedAt, votes } = approval;
    if (memory.approvals.find(tenant, id) !== undefined) continue;
    memory.approvals.insert(approvalOnly(approval), call, epoch);
    memory.approvals.update(tenant, id, { state, consumedAt });
    for (const vote of votes) memory.approvals.addVote(vote);
  }
  for (const lease of loaded.leases ?? []) memory.leases.update(lease);
  for (const { subject, key } of loaded.subjects ?? []) memory.subjects.insert(tenant, subject, key);
  for (const entry of loaded.entries ?? []) memory.entries.put(entry);
}

function approvalOnly(approval: StoredApproval): NewApproval {
  const { call: _call, state: _state, epoch: _epoch, consumedAt: _at, votes: _votes, ...given } = approval;
  return given;
}

interface OwnRecords {
  readonly table: Pick<RecordTable, 'append' | 'head' | 'latestTime' | 'prune'>;
  readonly appended: readonly StoredRecord[];
  readonly pruned: readonly { readonly writer: string; readonly through: number }[];
  head(writer: string): Head | undefined;
}

function recordTable({ tenant, needs: ready, loaded, own }: WorkingSetInput, log: UndoLog): OwnRecords {
  const appended: StoredRecord[] = [];
  const pruned: { writer: string; through: number }[] = [];
  const head = (writer: string): Head | undefined => {
    const last = appended.findLast((record) => record.writer === writer);
    if (last !== undefined) return { seq: last.seq, hash: last.hash };
    if (writer === own.writer && own.head !== undefined) return own.head;
    if (!ready.has(needs.head(writer).key)) throw new NotLoaded(needs.head(writer));
    return loaded.heads?.find((each) => each.writer === writer);
  };
  const pushUndoably = <Item>(list: Item[], item: Item): void => {
    list.push(item);
    log.push(() => void list.pop());
  };
  return {
    appended,
    pruned,
    head,
    table: {
      append: (record) => pushUndoably(appended, record),
      head(of, writer) {
        const found = head(writer);
        return found && { tenant: of, writer, seq: found.seq, hash: found.hash };
      },
      latestTime() {
        if (!ready.has(needs.time().key)) throw new NotLoaded(needs.time());
        return Math.max(loaded.time ?? 0, appended.at(-1)?.time ?? 0);
      },
      prune(_, writer, through) {
        const need = needs.prunable(tenant, writer, through);
        if (!ready.has(need.key)) throw new NotLoaded(need);
        pushUndoably(pruned, { writer, through });
        const counted = loaded.prunable?.find((each) => each.writer === writer && each.through === through);
        return counted?.number ?? 0;
      },
    },
  };
}

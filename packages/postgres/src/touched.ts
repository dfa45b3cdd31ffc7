/**
 * Which rows operations have changed: each as it was before the first change, to be compared with what it became.
 * @module
 */
import type { CallRow, StoredApproval, StoredEntry, StoredLease, Vote } from '@countersign/core/store-kit';

interface Tracked<Row> {
  /** Before the row with this key changes. `current` reads it as it is whenever it is asked. */
  mark(key: string, current: () => Row | undefined): void;
  /** What differs now, in the order of the first changes. */
  differing(): readonly { readonly before: Row | undefined; readonly after: Row | undefined }[];
}

function track<Row>(): Tracked<Row> {
  const rows = new Map<string, { readonly before: Row | undefined; readonly current: () => Row | undefined }>();
  return {
    mark(key, current) {
      if (!rows.has(key)) rows.set(key, { before: current(), current });
    },
    differing: () =>
      [...rows.values()]
        .map(({ before, current }) => ({ before, after: current() }))
        .filter(({ before, after }) => before !== after),
  };
}

export interface SubjectRow {
  readonly subject: string;
  readonly key: string;
}

export interface Touched {
  readonly calls: Tracked<CallRow>;
  readonly approvals: Tracked<StoredApproval>;
  readonly leases: Tracked<StoredLease>;
  readonly subjects: Tracked<SubjectRow>;
  readonly entries: Tracked<StoredEntry>;
  epoch: number | undefined;
}

export function createTouched(): Touched {
  return {
    calls: track(),
    approvals: track(),
    leases: track(),
    subjects: track(),
    entries: track(),
    epoch: undefined,
  };
}

export interface ChangedRows {
  readonly newCalls: readonly CallRow[];
  readonly calls: readonly CallRow[];
  readonly newApprovals: readonly StoredApproval[];
  /** Only their state is new. Who may move them on may not always consume them. */
  readonly approvalStates: readonly StoredApproval[];
  /** An approver changed their arguments. */
  readonly editedApprovals: readonly StoredApproval[];
  /** Their consumption is new, and perhaps their state. */
  readonly approvals: readonly StoredApproval[];
  readonly votes: readonly Vote[];
  readonly newLeases: readonly StoredLease[];
  readonly leases: readonly StoredLease[];
  readonly newSubjects: readonly SubjectRow[];
  readonly removedSubjects: readonly SubjectRow[];
  readonly newEntries: readonly StoredEntry[];
  readonly entries: readonly StoredEntry[];
  readonly removedEntries: readonly StoredEntry[];
  readonly epoch: readonly number[];
}

/** Rows that were not there before, that changed, and that are gone. */
function sort<Row>(tracked: Tracked<Row>): { fresh: Row[]; changed: { before: Row; after: Row }[]; gone: Row[] } {
  const [fresh, gone]: [Row[], Row[]] = [[], []];
  const changed: { before: Row; after: Row }[] = [];
  for (const { before, after } of tracked.differing()) {
    if (before === undefined && after !== undefined) fresh.push(after);
    else if (before !== undefined && after === undefined) gone.push(before);
    else if (before !== undefined && after !== undefined) changed.push({ before, after });
  }
  return { fresh, changed, gone };
}

export function changedRows(touched: Touched): ChangedRows {
  const calls = sort(touched.calls);
  const approvals = sort(touched.approvals);
  const leases = sort(touched.leases);
  const subjects = sort(touched.subjects);
  const entries = sort(touched.entries);
  const votesOf = (after: StoredApproval, before?: StoredApproval) => after.votes.slice(before?.votes.length ?? 0);
  const after = <Row>({ changed }: { changed: { after: Row }[] }): Row[] => changed.map((each) => each.after);
  return {
    newCalls: calls.fresh,
    calls: after(calls),
    newApprovals: approvals.fresh,
    approvalStates: approvals.changed
      .filter(({ before, after: now }) => before.state !== now.state && before.consumedAt === now.consumedAt)
      .map((each) => each.after),
    editedApprovals: approvals.changed
      .filter(({ before, after: now }) => before.digest !== now.digest)
      .map((each) => each.after),
    approvals: approvals.changed
      .filter(({ before, after: now }) => before.consumedAt !== now.consumedAt)
      .map((each) => each.after),
    votes: [
      ...approvals.fresh.flatMap((approval) => votesOf(approval)),
      ...approvals.changed.flatMap((each) => votesOf(each.after, each.before)),
    ],
    newLeases: leases.fresh,
    leases: after(leases),
    newSubjects: subjects.fresh,
    removedSubjects: subjects.gone,
    newEntries: entries.fresh,
    entries: after(entries),
    removedEntries: entries.gone,
    epoch: touched.epoch === undefined ? [] : [touched.epoch],
  };
}

/**
 * A {@link Store} over the tables of a driver in this process.
 * @module
 */
import { createOperations, type Operations } from './operations.ts';
import { createChain, newWriter } from '../record/chain.ts';
import type { Durability, Store, SystemStore } from './store.ts';
import type { Tables } from './tables.ts';
import type { Topics } from './topics.ts';

/** How a driver runs what touches its tables. Both reject with `StoreError` only. */
export interface Runner {
  readonly read: <Result>(operation: () => Result) => Promise<Result>;
  /** All of the operation or, when it throws, nothing. Resolves when it is durable. */
  readonly write: <Result>(operation: () => Result, durability?: Durability) => Promise<Result>;
  readonly close: () => Promise<void>;
}

export interface Embedded {
  readonly durability: Durability;
  readonly tables: Tables;
  /** Told of changes of approvals. */
  readonly changes: Topics;
  /** Names what the tables are of, among all that share these topics. */
  readonly place: string;
  /** `undone` is to be called after each write that failed, or may have failed. */
  readonly createRunner: (undone: () => void) => Runner;
}

export function embeddedStore({ durability, tables, changes, place, createRunner }: Embedded): Store {
  const writer = newWriter();
  const chain = createChain(writer, (tenant) => tables.records.head(tenant, writer));
  const operations = createOperations(tables, chain);
  const { read, write, close } = createRunner(chain.forget);

  return {
    writer,
    durability,
    observe: (input) => write(() => operations.observe(input)),
    claim: (input) => write(() => operations.claim(input), input.durability),
    settle: (input) => write(() => operations.settle(input)),
    release: (input) => write(() => operations.release(input)),
    call: (call) =>
      read(() => {
        const found = tables.calls.inSlot(call)?.call;
        return found?.key === call.key ? found : undefined;
      }),
    settledAsynchronous: (tenant, run) => read(() => tables.calls.settledAsynchronous(tenant, run)),
    approval: (tenant, id) => read(() => tables.approvals.find(tenant, id)),
    approvals: (tenant, filter) => read(() => tables.approvals.list(tenant, filter)),
    ...approvalChanges(operations, write, changes, place),
    leaseIssued: (input) => write(() => operations.leaseIssued(input)),
    leaseClosed: (input) => write(() => operations.leaseClosed(input)),
    append: (tenant, records) => write(() => operations.append(tenant, records)),
    records: (tenant, filter) => read(() => tables.records.list(tenant, filter)),
    heads: (tenant) => read(() => tables.records.heads(tenant)),
    writers: (tenant) => read(() => tables.records.writers(tenant)),
    subjectKey: (tenant, subject, candidate) =>
      candidate === undefined
        ? read(() => tables.subjects.find(tenant, subject))
        : write(() => operations.keepSubjectKey(tenant, subject, candidate)),
    eraseSubject: (tenant, subject, records) => write(() => operations.eraseSubject(tenant, subject, records)),
    entry: (tenant, kind, id) => read(() => tables.entries.find(tenant, kind, id)),
    entries: (tenant, kind, filter = {}) => read(() => tables.entries.list(tenant, kind, filter)),
    putEntry: (input) => write(() => operations.putEntry(input)),
    system: systemStore(tables, operations, { read, write }),
    close,
  };
}

/** The operations that decide on an approval, and who waits for one. */
function approvalChanges(
  operations: Operations,
  write: Runner['write'],
  changes: Topics,
  place: string,
): Pick<Required<Store>, 'vote' | 'edit' | 'transition' | 'approvalChanged'> {
  const topicOf = (tenant: string, id: string): string => [place, tenant, id].join('\n');
  async function changing<Result>(tenant: string, id: string, operation: () => Result): Promise<Result> {
    try {
      return await write(operation);
    } finally {
      // Whether it happened or not: to look once too often is harmless.
      changes.wake(topicOf(tenant, id));
    }
  }
  return {
    vote: (input) => changing(input.vote.tenant, input.vote.approval, () => operations.vote(input)),
    edit: (input) => changing(input.tenant, input.approval, () => operations.edit(input)),
    transition: (input) => changing(input.tenant, input.approval, () => operations.transition(input)),
    approvalChanged: (tenant, id, signal) => changes.next(topicOf(tenant, id), signal),
  };
}

function systemStore(
  tables: Tables,
  operations: Operations,
  { read, write }: Pick<Runner, 'read' | 'write'>,
): SystemStore {
  return {
    tenants: () => read(() => tables.tenants()),
    expiredApprovals: (now, limit) => read(() => tables.approvals.expired(now, limit)),
    runnableApprovals: (input) => read(() => tables.approvals.runnable({ ...input, epoch: tables.epoch() })),
    openLeases: (before, limit) => read(() => tables.leases.open(before, limit)),
    epoch: () => read(() => tables.epoch()),
    newEpoch: () => write(() => operations.newEpoch()),
    latestTime: () => read(() => tables.records.latestTime()),
    prune: (input) => write(() => operations.prune(input)),
  };
}

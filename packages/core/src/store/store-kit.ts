/**
 * For drivers in packages of their own: what the operations of a store mean, and what they are run over.
 * @module
 */
export { createChain, newWriter } from '../record/chain.ts';
export type { Chain } from '../record/chain.ts';
export type { RecordDraft, RecordKind, StoredRecord } from '../record/record.ts';
export { createUndoLog, memoryTables } from './memory-tables.ts';
export type { UndoLog } from './memory-tables.ts';
export { createOperations } from './operations.ts';
export type { Operations } from './operations.ts';
export { maxRows } from './row-limit.ts';
export type {
  ApprovalFilter,
  CallFacts,
  ClaimInput,
  EntryFilter,
  EntryKind,
  LeasePlan,
  NewApproval,
  ObserveInput,
  PruneInput,
  PutEntryInput,
  RecordFilter,
  Store,
  StoredApproval,
  StoredCall,
  StoredEntry,
  StoredLease,
  SystemStore,
  Vote,
} from './store.ts';
export type {
  ApprovalTable,
  CallRow,
  CallTable,
  EntryTable,
  LeaseTable,
  RecordTable,
  SubjectTable,
  Tables,
} from './tables.ts';
export { createTopics } from './topics.ts';
export type { Topics } from './topics.ts';

export { maintainPartitions } from './maintain-partitions.ts';
export type { MaintainPartitionsOptions, MaintainPartitionsResult } from './maintain-partitions.ts';
export { migrate } from './migrate.ts';
export type { MigrateOptions, MigrateResult } from './migrate.ts';
export { postgresStore } from './postgres-store.ts';
export type { PostgresStoreOptions } from './postgres-store.ts';

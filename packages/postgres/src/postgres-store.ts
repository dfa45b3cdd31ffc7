/**
 * The shared store: one PostgreSQL database for any number of processes and machines.
 *
 * Every write is flushed before it is answered, whatever the server's `synchronous_commit` says: a server that crashes
 * must not bring a consumed grant back. So a store on PostgreSQL always survives loss of power.
 * See docs/decisions/0013-postgres.md.
 * @module
 */
import { ConfigurationError, StoreError, type Store } from '@countersign/core';
import { newWriter, type Operations } from '@countersign/core/store-kit';
import { openConnections, type Connections } from './connections.ts';
import { storeError } from './errors.ts';
import { inspect } from './inspect.ts';
import { createLanes } from './lanes.ts';
import { createListener } from './listener.ts';
import { foresee, needs, type Forecast } from './needs.ts';
import { createRead, createReads, createSystemReads } from './reads.ts';

export interface PostgresStoreOptions {
  /** `postgresql://login:password@host:port/database`; `sslmode` and the other parameters of libpq are understood. */
  readonly connectionString: string;
  /** Most connections that this store opens, from 1 to 1000; one more listens for approvals. Default 10. */
  readonly maxConnections?: number;
  /**
   * How long a connection, a lock or a statement may take, in milliseconds, from 100 to 600,000. What takes longer
   * rejects. Default 5,000.
   */
  readonly timeoutMs?: number;
}

/**
 * Rejects with `StoreError` when the database cannot serve: it is not there, not migrated, newer than this version, or
 * this login is a superuser, who would bypass row-level security, or has none of the roles.
 */
export async function postgresStore(options: PostgresStoreOptions): Promise<Store> {
  const { connectionString, maxConnections, timeoutMs } = checked(options);
  const connections = openConnections({ connectionString, maxConnections, timeoutMs });
  try {
    await inspect(connections);
  } catch (error) {
    await connections.close();
    throw storeError(error);
  }
  return storeOver(connections, { connectionString, timeoutMs });
}

function checked({
  connectionString,
  maxConnections = 10,
  timeoutMs = 5_000,
}: PostgresStoreOptions): Required<PostgresStoreOptions> {
  if (typeof connectionString !== 'string' || !/^postgres(ql)?:\/\//.test(connectionString)) {
    throw new ConfigurationError('connectionString must begin with postgresql://');
  }
  if (!(Number.isSafeInteger(maxConnections) && maxConnections >= 1 && maxConnections <= 1_000)) {
    throw new ConfigurationError(`maxConnections must be a whole number from 1 to 1000, got ${maxConnections}`);
  }
  if (!(timeoutMs >= 100 && timeoutMs <= 600_000)) {
    throw new ConfigurationError(`timeoutMs must be from 100 to 600,000 milliseconds, got ${timeoutMs}`);
  }
  return { connectionString, maxConnections, timeoutMs: Math.ceil(timeoutMs) };
}

function storeOver(
  connections: Connections,
  { connectionString, timeoutMs }: Pick<Required<PostgresStoreOptions>, 'connectionString' | 'timeoutMs'>,
): Store {
  const writer = newWriter();
  const lanes = createLanes({ connections, writer, timeoutMs });
  const listener = createListener(connectionString, timeoutMs);
  let closed: Promise<void> | undefined;
  const checkOpen = (): void => {
    if (closed !== undefined) throw new StoreError('PostgreSQL: the store is closed');
  };
  const write: Write = async (tenant, forecast, run, alone = false) => {
    checkOpen();
    return lanes.write(tenant, { forecast, run, alone });
  };
  const read = createRead(connections, checkOpen);
  const { subjectKey, ...reads } = createReads(read);
  return {
    writer,
    durability: 'power',
    ...writes(write),
    ...reads,
    subjectKey: (tenant, subject, candidate) =>
      candidate === undefined
        ? subjectKey(tenant, subject)
        : write(tenant, [needs.subject(tenant, subject)], (operations) =>
            operations.keepSubjectKey(tenant, subject, candidate),
          ),
    approvalChanged: (tenant, id, signal) => listener.changed(tenant, id, signal),
    system: {
      ...createSystemReads(read),
      newEpoch: () => write('', [needs.nextEpoch()], (operations) => operations.newEpoch()),
      prune: (input) =>
        write(
          input.tenant,
          [
            needs.head(input.writer),
            needs.prunable(input.tenant, input.writer, input.through),
            needs.entry(input.tenant, 'segment', input.entry.id),
          ],
          (operations) => operations.prune(input),
        ),
    },
    close() {
      closed ??= lanes
        .drain()
        .then(() => listener.close())
        .then(() => connections.close());
      return closed;
    },
  };
}

type Write = <Result>(
  tenant: string,
  forecast: Forecast,
  run: (operations: Operations) => Result,
  alone?: boolean,
) => Promise<Result>;

function writes(
  write: Write,
): Pick<
  Store,
  | 'observe'
  | 'claim'
  | 'settle'
  | 'release'
  | 'vote'
  | 'edit'
  | 'transition'
  | 'leaseIssued'
  | 'leaseClosed'
  | 'append'
  | 'eraseSubject'
  | 'putEntry'
> {
  return {
    observe: (input) => write(input.call.tenant, foresee.observe(input), (operations) => operations.observe(input)),
    claim: (input) => write(input.call.tenant, foresee.claim(input), (operations) => operations.claim(input)),
    settle: (input) => write(input.call.tenant, foresee.end(input), (operations) => operations.settle(input)),
    release: (input) => write(input.call.tenant, foresee.end(input), (operations) => operations.release(input)),
    edit: (input) => write(input.tenant, foresee.vote(input), (operations) => operations.edit(input), true),
    vote: (input) => write(input.vote.tenant, foresee.vote(input.vote), (operations) => operations.vote(input)),
    transition: (input) => write(input.tenant, foresee.transition(input), (operations) => operations.transition(input)),
    leaseIssued: (input) => write(input.tenant, foresee.lease(input), (operations) => operations.leaseIssued(input)),
    leaseClosed: (input) => write(input.tenant, foresee.lease(input), (operations) => operations.leaseClosed(input)),
    append: (tenant, records) => write(tenant, [], (operations) => operations.append(tenant, records)),
    eraseSubject: (tenant, subject, records) =>
      write(tenant, [needs.subject(tenant, subject)], (operations) =>
        operations.eraseSubject(tenant, subject, records),
      ),
    putEntry: (input) => write(input.tenant, foresee.putEntry(input), (operations) => operations.putEntry(input)),
  };
}

/**
 * What an approver may see besides requests: the ledger of a run, how much approvals ask of people, and who approves.
 * @module
 */
import { ApprovalNotFound, ApproverError } from '../errors.ts';
import { readTimeline, type RunTimeline, type TimelineQuery } from '../record/run-timeline.ts';
import type { Sealer } from '../record/sealing.ts';
import type { Clock } from '../record/clock.ts';
import type { Store } from '../store/store.ts';
import { measureLoad, type ApprovalLoad, type LoadQuery } from './approval-load.ts';
import type { Approver, ApproverDirectory } from './approve.ts';

/** Who may read the ledger of their tenant through the approvals service, and from where. */
export interface LedgerAccess {
  /** Groups of approvers. Default: every approver of the tenant. */
  readonly groups?: readonly string[];
  /** A handle that may read records, where the service's own may not: PostgreSQL with the role `countersign_reader`. */
  readonly store?: Pick<Store, 'records' | 'heads' | 'writers'>;
}

export interface Oversight {
  /** Whether this approver may ask for `timeline` and `load`. */
  readonly readsLedger: boolean;
  /**
   * The records of one run, in order, opened as far as their keys exist.
   * @throws ApproverError for whoever may not read the ledger; ApprovalNotFound for a run that this tenant does not know
   */
  timeline(run: string, query?: TimelineQuery): Promise<RunTimeline>;
  /** @throws ApproverError as `timeline` */
  load(query: LoadQuery): Promise<ApprovalLoad>;
  /** Who may decide in this tenant, and their groups; `undefined` when the directory cannot list them. */
  approvers(): Promise<readonly Approver[] | undefined>;
}

interface OversightParts {
  readonly store: Store;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly approvers: ApproverDirectory;
  readonly ledger?: LedgerAccess | undefined;
}

/** A run may have done things before it asked for the first time. */
const leadMs = 3_600_000;
const unaskedMs = 24 * 3_600_000;
const maxListed = 1_000;

export function createOversight(parts: OversightParts, approver: Approver): Oversight {
  const { store, sealer, clock, approvers, ledger = {} } = parts;
  const { tenant } = approver;
  const records = ledger.store ?? store;
  const readsLedger =
    ledger.groups === undefined || (approver.groups ?? []).some((group) => ledger.groups?.includes(group));

  function requireReader(): void {
    if (!readsLedger) throw new ApproverError('this approver is in none of the groups that may read the ledger');
  }

  return {
    readsLedger,
    async timeline(run, query = {}) {
      requireReader();
      const [first] = await store.approvals(tenant, { run, limit: 1 });
      const begin = first === undefined ? clock.now() - unaskedMs : first.createdAt - leadMs;
      const from = query.from !== undefined && Number.isFinite(query.from) ? query.from : begin;
      const place = { tenant, run, from: Math.max(0, Math.floor(from)) };
      const found = await readTimeline({ store: records, sealer }, place, query);
      if (first === undefined && found.records.length === 0) {
        throw new ApprovalNotFound(`no run ${run} in tenant ${tenant}`);
      }
      return found;
    },
    async load(query) {
      requireReader();
      return measureLoad({ store, ledger: records, sealer }, tenant, query, clock.now());
    },
    async approvers() {
      const listed = await approvers.list?.(tenant);
      return listed
        ?.filter((each) => each.tenant === tenant)
        .slice(0, maxListed)
        .map(({ id, groups = [] }) => ({ tenant, id, groups }));
    },
  };
}

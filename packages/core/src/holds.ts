/**
 * The kill switch: a hold stops new claims of a tenant, a user or an agent, in every process at once. Calls that run
 * already are not stopped. No gate reaches it: it belongs to whoever runs the installation.
 * @module
 */
import { LedgerError } from './errors.ts';
import { requireId } from './identify/principal.ts';
import type { Clock } from './record/clock.ts';
import type { RecordDraft } from './record/record.ts';
import type { Recorder } from './record/recorder.ts';
import type { Sealer } from './record/sealing.ts';
import { holdId } from './store/hold-ids.ts';
import type { Store, StoredEntry } from './store/store.ts';

/** What is held: the whole tenant, unless a user or an agent is named. An agent is held wherever it stands in a chain. */
export type HoldTarget = { readonly tenant: string } & (
  | { readonly user?: undefined; readonly agent?: undefined }
  | { readonly user: string; readonly agent?: undefined }
  | { readonly user?: undefined; readonly agent: string }
);

export type HoldRequest = HoldTarget & {
  /** Who ordered it. */
  readonly by: string;
  readonly reason?: string;
};

export interface Hold {
  readonly tenant: string;
  readonly user?: string;
  readonly agent?: string;
  readonly by: string;
  readonly reason?: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
}

export interface Holds {
  /** Every claim from now on is refused. Held already: its reason is replaced. Rejects with `StoreError`. */
  hold(request: HoldRequest): Promise<void>;
  /** Answers whether there was such a hold. */
  release(request: HoldRequest): Promise<boolean>;
  holds(tenant: string): Promise<readonly Hold[]>;
}

export interface HoldsOptions {
  readonly store: Pick<Store, 'entry' | 'entries' | 'putEntry'>;
  readonly sealer: Sealer;
  readonly recorder: Recorder;
  readonly clock: Clock;
}

const attempts = 5;
const pageSize = 100;

export function createHolds(options: HoldsOptions): Holds {
  const { sealer } = options;
  return {
    async hold(request) {
      const { tenant, user, agent, by, reason } = request;
      const kept = JSON.stringify({ user, agent, by, reason });
      await put(options, 'held', request, (id) => sealer.tenant(tenant).seal(kept, holdContext(tenant, id)));
    },
    release: (request) => put(options, 'released', request, () => undefined),
    holds: (tenant) => list(options, tenant),
  };
}

function idOf(sealer: Sealer, { tenant, user, agent }: HoldTarget): string {
  requireId('tenant', tenant);
  if (user !== undefined && agent !== undefined) throw new LedgerError('hold a user or an agent, not both at once');
  if (user !== undefined) return holdId({ subject: sealer.pseudonym(tenant, user) });
  return holdId(agent === undefined ? { all: true } : { agent: requireId('agent', agent) });
}

function draftOf({ sealer, recorder }: HoldsOptions, event: 'held' | 'released', request: HoldRequest): RecordDraft {
  const { tenant, user, agent, by, reason } = request;
  const details = [
    ...(user === undefined ? [] : [`user ${user}`]),
    ...(user === undefined && agent === undefined ? ['the whole tenant'] : []),
    ...(reason === undefined ? [] : [reason]),
  ];
  return recorder.draft(
    {
      ...{ kind: 'administration', event, tenant, approver: requireId('user', by) },
      ...(agent === undefined ? {} : { agent }),
      ...(details.length === 0 ? {} : { detail: details.join(': ') }),
    },
    sealer.tenant(tenant),
  );
}

/** Somebody else may hold or release the same at this moment. */
async function put(
  options: HoldsOptions,
  event: 'held' | 'released',
  request: HoldRequest,
  valueOf: (id: string) => string | undefined,
): Promise<boolean> {
  const { store, sealer, clock } = options;
  const { tenant } = request;
  const id = idOf(sealer, request);
  await sealer.check(tenant);
  for (let attempt = 0; attempt < attempts; attempt += 1) {
    const expected = (await store.entry(tenant, 'hold', id))?.version;
    if (expected === undefined && event === 'released') return false;
    const records = [draftOf(options, event, request)];
    const input = { tenant, kind: 'hold', id, expected, value: valueOf(id), now: clock.now(), records } as const;
    if ((await store.putEntry(input)) !== undefined) return true;
  }
  throw new LedgerError(`the hold of ${tenant} was changed ${attempts} times meanwhile: look at it, then try again`);
}

async function list({ store, sealer }: HoldsOptions, tenant: string): Promise<readonly Hold[]> {
  await sealer.check(requireId('tenant', tenant));
  const found: Hold[] = [];
  let after: string | undefined;
  for (;;) {
    const filter = { limit: pageSize, ...(after === undefined ? {} : { after }) };
    const entries = await store.entries(tenant, 'hold', filter);
    after = entries.at(-1)?.id;
    if (after === undefined) return found;
    for (const entry of entries) found.push(open(sealer, tenant, entry));
  }
}

function open(sealer: Sealer, tenant: string, { id, value, updatedAt }: StoredEntry): Hold {
  const sealed = sealer.tenant(tenant).open(value, holdContext(tenant, id));
  return { tenant, ...(JSON.parse(sealed) as Pick<Hold, 'by' | 'user' | 'agent' | 'reason'>), since: updatedAt };
}

function holdContext(tenant: string, id: string): string {
  return `hold|${tenant}|${id}`;
}

/**
 * Bounds the disk by refusing calls, never by dropping records: a tenant whose receivers are too far behind may make no
 * calls until they have caught up.
 *
 * The gate asks, not the outbox: a dead outbox is the case that matters. What it asks for is read from the store at
 * most once a second and tenant, so a call pays a look into a map; calls of that second may go past the limit.
 * @module
 */
import { diag } from '@opentelemetry/api';
import { ConfigurationError } from '../errors.ts';
import { putBounded } from '../record/bounded-map.ts';
import type { RecordEvent } from '../record/record.ts';
import { denied } from '../stop.ts';
import type { Store } from '../store/store.ts';
import { requireSinkName, undelivered } from './cursor.ts';

/** Which receivers must have the records, and how far they may be behind. */
export interface DeliveryOptions {
  /** Names of sinks, each delivered to by an outbox. */
  readonly sinks: readonly string[];
  /** Records of one tenant that one of them may not have yet. Default 100 000. */
  readonly maxUndelivered?: number;
}

export interface BacklogGuard {
  /** @throws Stop with `delivery_backlog`, or what the store throws */
  admit(tenant: string): void | Promise<void>;
}

interface Looked {
  readonly until: number;
  readonly full: string | undefined;
}

export interface BacklogGuardOptions extends DeliveryOptions {
  readonly store: Pick<Store, 'entries' | 'heads'>;
  /** Writes down that calls are refused, and that they are not any more. */
  readonly note: (event: RecordEvent) => Promise<void>;
}

const freshMs = 1_000;
/** A look at many chains takes its time: it may take a twentieth of it. */
const share = 20;
const maxTenants = 10_000;

export function createBacklogGuard(options: BacklogGuardOptions): BacklogGuard {
  const { store, maxUndelivered = 100_000, note } = options;
  const sinks = options.sinks.map((name) => requireSinkName(name));
  if (sinks.length === 0) throw new ConfigurationError('`audit.delivery.sinks` needs the name of a sink, got none');
  if (!(maxUndelivered > 0))
    throw new ConfigurationError(`\`audit.delivery.maxUndelivered\` must be at least 1, got ${maxUndelivered}`);
  const looked = new Map<string, Looked>();
  const looking = new Map<string, Promise<Looked>>();

  async function look(tenant: string): Promise<Looked> {
    const began = performance.now();
    const counts = await undelivered(store, tenant, sinks);
    const [over] = [...counts].filter(([, count]) => count > maxUndelivered);
    const full = over && `${over[0]} does not have ${over[1]} records of this tenant yet, more than ${maxUndelivered}`;
    const before = looked.get(tenant)?.full;
    if ((before === undefined) !== (full === undefined)) await announce(tenant, full, note);
    const ended = performance.now();
    const found = { until: ended + Math.max(freshMs, (ended - began) * share), full };
    putBounded(looked, tenant, found, maxTenants);
    return found;
  }

  /** Calls that come together look once. */
  function lookOnce(tenant: string): Promise<Looked> {
    const running = looking.get(tenant) ?? look(tenant).finally(() => looking.delete(tenant));
    looking.set(tenant, running);
    return running;
  }

  return {
    admit(tenant) {
      const known = looked.get(tenant);
      if (known !== undefined && performance.now() < known.until) return refuseIf(known);
      return lookOnce(tenant).then(refuseIf);
    },
  };
}

function refuseIf({ full }: Looked): void {
  // Recorded once by the guard: a record for every refusal would go on filling the disk.
  if (full !== undefined) throw denied('delivery_backlog', { detail: full, recorded: true });
}

async function announce(tenant: string, full: string | undefined, note: BacklogGuardOptions['note']): Promise<void> {
  if (full === undefined) diag.warn(`countersign: tenant ${tenant} may make calls again: its records were delivered`);
  else diag.error(`countersign: calls of tenant ${tenant} are refused: ${full}. Is its outbox running?`);
  const event = {
    kind: 'administration',
    tenant,
    event: full === undefined ? 'calls_resumed' : 'calls_refused',
  } as const;
  // The refusal stands whether it can be written down or not.
  await note({ ...event, ...(full === undefined ? {} : { code: 'delivery_backlog' }) }).catch(() => undefined);
}

/**
 * The outbox: delivers every record of the ledger to a receiver, at least once, across crashes and outages.
 *
 * It keeps nothing of its own: a cursor per chain, kept in the store, says what the receiver has. One outbox works on a
 * tenant at a time; should two, records arrive twice and none is skipped.
 * @module
 */
import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MeterProvider } from '@opentelemetry/api';
import { backOff } from '../back-off.ts';
import { describeError } from '../describe-error.ts';
import { ConfigurationError } from '../errors.ts';
import { own } from '../record/attributes.ts';
import { createMetrics } from '../record/metrics.ts';
import { takeLock } from '../store/lock.ts';
import type { Store } from '../store/store.ts';
import { tellListener } from '../tell-listener.ts';
import { requireSinkName, undelivered } from './cursor.ts';
import { deliverTenant, type TenantWork, type Worked } from './deliver-tenant.ts';
import { disclosedOutgoing, sealedOutgoing } from './outgoing.ts';
import type { RecordSink } from './sink.ts';

export interface OutboxOptions {
  readonly store: OutboxStore;
  readonly sink: RecordSink;
  /** Only these tenants. Default: all. */
  readonly tenants?: readonly string[];
  /**
   * Also sends what was sealed: users, approvers, reasons, digests, and arguments as they were redacted. What has left
   * is out of reach of a later erasure.
   */
  readonly disclose?: { readonly key: KeyObject | Uint8Array };
  /** For one request, in milliseconds. Default 30 000. */
  readonly timeoutMs?: number;
  /** How long a dead outbox keeps others from its tenant, in milliseconds. Default 60 000; more than `timeoutMs`. */
  readonly lockMs?: number;
  readonly meterProvider?: MeterProvider;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

type OutboxStore = Pick<Store, 'records' | 'heads' | 'entry' | 'entries' | 'putEntry' | 'subjectKey' | 'system'>;

/** What one look at the ledger came to. */
export interface OutboxReport {
  readonly delivered: number;
  /** Set aside: the receiver will never take them. */
  readonly refused: number;
  /** Records that the receiver does not have yet. */
  readonly backlog: number;
  /** Tenants on which another outbox is at work. */
  readonly busy: number;
  /** What went wrong. The rest was done all the same. */
  readonly problems: readonly string[];
  /** Set when the receiver could not take more: when to try again at the earliest, in milliseconds (0: soon). */
  readonly retryAfterMs: number | undefined;
}

export interface Outbox {
  /** Delivers what there is, tenant by tenant, until the receiver has everything or cannot take more. Never rejects. */
  tick(signal?: AbortSignal): Promise<OutboxReport>;
  /** Ticks until `signal` aborts; then the request in flight is abandoned, to be repeated by the next outbox. */
  start(signal: AbortSignal, options?: StartOptions): Promise<void>;
}

export interface StartOptions {
  /** Between two looks at a ledger with nothing new, in milliseconds. Default 1 000. */
  readonly pollMs?: number;
  /** What it throws counts for nothing: the outbox goes on. */
  readonly onReport?: (report: OutboxReport) => unknown;
}

/** @throws ConfigurationError */
export function createOutbox(options: OutboxOptions): Outbox {
  const { store, sink, now = Date.now, timeoutMs = 30_000, lockMs = 60_000 } = options;
  requireSinkName(sink.name);
  if (!(sink.maxRecords >= 1)) throw new ConfigurationError('`sink.maxRecords` must be at least 1');
  if (!(lockMs > timeoutMs)) throw new ConfigurationError('`lockMs` must be more than `timeoutMs`');
  const outgoing = options.disclose === undefined ? sealedOutgoing : disclosedOutgoing(store, options.disclose.key);
  const metrics = createMetrics(options.meterProvider);

  async function tick(signal = new AbortController().signal): Promise<OutboxReport> {
    const sum = { delivered: 0, refused: 0, backlog: 0, busy: 0 };
    const problems: string[] = [];
    let retryAfterMs: number | undefined;
    const note = (about: string, error: unknown): void => void problems.push(`${about}: ${describeError(error)}`);
    const tenants = await Promise.resolve(options.tenants ?? store.system.tenants()).catch((error: unknown) => {
      note('tenants', error);
      return [];
    });

    async function visit(tenant: string, proven: boolean): Promise<boolean> {
      try {
        const waiting = await backlogOf(tenant);
        // A receiver that is down for one tenant is down for all: then only the backlog is counted.
        const goOn = waiting > 0 && retryAfterMs === undefined && !signal.aborted;
        const worked = goOn ? await work(tenant, signal, proven) : undefined;
        if (worked === 'busy') sum.busy += 1;
        else if (worked !== undefined) {
          sum.delivered += worked.delivered;
          sum.refused += worked.refused;
          problems.push(...worked.problems.map((problem) => `tenant ${tenant}: ${problem}`));
          retryAfterMs = worked.later?.afterMs;
        }
        const stuck = worked !== undefined && worked !== 'busy' && worked.stuck;
        if (stuck && !proven) return true;
        sum.backlog += worked === undefined ? waiting : await backlogOf(tenant);
      } catch (error) {
        note(`tenant ${tenant}`, error);
      }
      return false;
    }

    const stuck: string[] = [];
    for (const tenant of tenants) if (await visit(tenant, false)) stuck.push(tenant);
    // Refused records hold up their chain until the same receiver took others: only then they are the cause.
    const proven = sum.delivered > 0;
    for (const tenant of stuck) {
      if (proven) await visit(tenant, true);
      else sum.backlog += await backlogOf(tenant).catch(() => 0);
    }
    if (stuck.length > 0 && !proven) retryAfterMs ??= 0;
    measure(metrics, { ...sum, failures: retryAfterMs === undefined ? 0 : 1 }, sink.name);
    return { ...sum, problems, retryAfterMs };
  }

  const backlogOf = async (tenant: string): Promise<number> =>
    (await undelivered(store, tenant, [sink.name])).get(sink.name) ?? 0;

  const work = (tenant: string, signal: AbortSignal, proven: boolean) =>
    workLocked({ store, sink, tenant, outgoing, lockMs, timeoutMs, signal, now, proven });

  return { tick, start: (signal, startOptions) => tickUntil(signal, tick, startOptions) };
}

async function workLocked(work: Omit<TenantWork, 'lock'>): Promise<Worked | 'busy'> {
  const { store, sink, tenant, lockMs, now } = work;
  const lock = await takeLock(store, { tenant, id: `outbox/${sink.name}`, ttlMs: lockMs, now });
  if (lock === undefined) return 'busy';
  try {
    return await deliverTenant({ ...work, lock });
  } finally {
    // What is not given back ends by itself.
    await lock.release().catch(() => undefined);
  }
}

interface Measured {
  readonly delivered: number;
  readonly refused: number;
  readonly backlog: number;
  readonly failures: number;
}

function measure(metrics: ReturnType<typeof createMetrics>, sum: Measured, sink: string): void {
  const attributes = { [own.sink]: sink };
  metrics.record('outboxDelivered', sum.delivered, attributes);
  metrics.record('outboxRefused', sum.refused, attributes);
  metrics.record('outboxBacklog', sum.backlog, attributes);
  metrics.record('outboxFailures', sum.failures, attributes);
}

async function tickUntil(
  signal: AbortSignal,
  tick: Outbox['tick'],
  { pollMs = 1_000, onReport }: StartOptions = {},
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const report = await tick(signal);
    tellListener(onReport, report);
    const failed = report.retryAfterMs !== undefined || report.problems.length > 0;
    // A receiver that takes some of it is not waited for longer and longer.
    failures = failed ? (report.delivered > 0 ? 1 : failures + 1) : 0;
    const more = report.delivered > 0 && report.backlog > 0;
    const calmMs = more ? 0 : pollMs;
    const pauseMs = failed ? Math.max(report.retryAfterMs ?? 0, backoffMs(failures)) : calmMs;
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
  }
}

const backOffLimits = { firstMs: 500, longestMs: 30_000 };

/** Doubles, with a fifth up or down, so that several outboxes do not come back together. */
function backoffMs(failures: number): number {
  return backOff(failures, backOffLimits) * (0.8 + Math.random() * 0.4);
}

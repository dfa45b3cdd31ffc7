/**
 * What calls with a credential may cost. The most that a call can cost is reserved before any provider is asked, by
 * compare-and-set on one counter for all processes; what the body reports to have spent less is given back afterwards. What
 * is in doubt (a crash, a lost answer) stays counted until its window ends.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ConfigurationError, LeaseError, StoreError } from '../errors.ts';
import type { Store, StoredEntry } from '../store/store.ts';

/** Amounts are whole millionths of the currency. */
export interface BudgetRule {
  readonly limit: number;
  readonly cost: number;
  readonly currency: string;
  readonly window: 'day' | 'month';
  readonly per: 'tenant' | 'agent';
}

export interface BudgetRequest {
  readonly tenant: string;
  readonly agent: string;
  readonly service: string;
  readonly budget: BudgetRule;
}

/** What one call may spend. */
export interface Reservation {
  readonly service: string;
  /** Reports what the call has cost, more with every report. Throws `LeaseError` for what is no amount. */
  spend(amount: number): void;
  /** Gives back what was not reported, where anything was; counts what was reported above the reservation. Idempotent. */
  settle(): Promise<void>;
  /** The body was not entered: all of it is given back. Idempotent. */
  cancel(): Promise<void>;
}

export interface Budgets {
  /** Answers `undefined` when the limit would be passed. Rejects with `StoreError` when the counter cannot be had. */
  reserve(request: BudgetRequest): Promise<Reservation | undefined>;
}

interface Counter {
  /** `2026-11-26` or `2026-11`. */
  readonly window: string;
  readonly used: number;
}

const maxAttempts = 200;
const maxPauseMs = 20;

/** Millionths; `undefined` for what is no amount, or has more decimals. */
export function microsOf(amount: number): number | undefined {
  const micros = Math.round(amount * 1e6);
  return Number.isSafeInteger(micros) && micros >= 0 && Math.abs(micros - amount * 1e6) < 1e-3 ? micros : undefined;
}

export function createBudgets(options: {
  readonly store: Pick<Store, 'entry' | 'putEntry'>;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}): Budgets {
  /** One change at a time of each counter in this process: only other processes are raced against. */
  const queues = new Map<string, Promise<unknown>>();
  const change = (
    request: BudgetRequest,
    by: number,
    bounded: boolean,
    reserved?: string,
  ): Promise<Counter | undefined> => {
    const place = JSON.stringify([request.tenant, counterId(request)]);
    const next = (queues.get(place) ?? Promise.resolve()).then(() => add(options, request, by, bounded, reserved));
    const settled = next.catch(() => undefined).finally(() => queues.get(place) === settled && queues.delete(place));
    queues.set(place, settled);
    return next;
  };
  return {
    async reserve(request) {
      const reserved = await change(request, request.budget.cost, true);
      return reserved && reservation(request, (by) => change(request, by, false, reserved.window));
    },
  };
}

function reservation({ service, budget }: BudgetRequest, change: (by: number) => Promise<unknown>): Reservation {
  let spent: number | undefined;
  let closed = false;
  const close = async (by: number): Promise<void> => {
    if (closed) return;
    closed = true;
    if (by !== 0) await change(by);
  };
  return {
    service,
    spend(amount) {
      const micros = typeof amount === 'number' ? microsOf(Math.ceil(amount * 1e6) / 1e6) : undefined;
      if (micros === undefined) throw new LeaseError(`service ${service}: expected an amount that was spent`);
      if (closed) throw new LeaseError(`service ${service}: the call has ended, and so has its budget`);
      spent = (spent ?? 0) + micros;
    },
    settle: () => close(spent === undefined ? 0 : spent - budget.cost),
    cancel: () => close(-budget.cost),
  };
}

async function add(
  { store, clock }: Parameters<typeof createBudgets>[0],
  request: BudgetRequest,
  by: number,
  bounded: boolean,
  reserved: string | undefined,
): Promise<Counter | undefined> {
  const { tenant, budget } = request;
  const id = counterId(request);
  for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
    const stored = await store.entry(tenant, 'budget', id);
    const now = clock();
    const counter = currentCounter(stored, windowOf(budget.window, now));
    // What was reserved in a window that is over is not owed to this one.
    if (by < 0 && reserved !== counter.window) return counter;
    // What is no safe integer would read as damage, in later windows too.
    const used = Math.min(Math.max(0, counter.used + by), Number.MAX_SAFE_INTEGER);
    if (bounded && used > budget.limit) return undefined;
    const next: Counter = { window: counter.window, used };
    const value = JSON.stringify(next);
    const put = await store.putEntry({
      tenant,
      kind: 'budget',
      id,
      expected: stored?.version,
      value,
      now,
      records: [],
    });
    if (put !== undefined) return next;
    await sleep(Math.random() * Math.min(maxPauseMs, attempt));
  }
  throw new StoreError(`budget of service ${request.service}: too many others changed it at once`);
}

function counterId({ service, agent, budget }: BudgetRequest): string {
  const owner = budget.per === 'agent' ? `agent:${agent}` : 'tenant';
  return `credential/${service}/${owner}/${budget.currency}/${budget.window}`;
}

/** Windows sort by time. A process whose clock is behind counts in the window that another has begun. */
function currentCounter(stored: StoredEntry | undefined, window: string): Counter {
  if (stored === undefined) return { window, used: 0 };
  const counter = parseCounter(stored.value);
  return counter.window < window ? { window, used: 0 } : counter;
}

function parseCounter(value: string): Counter {
  try {
    const { window, used } = JSON.parse(value) as Partial<Counter>;
    if (typeof window === 'string' && Number.isSafeInteger(used) && Number(used) >= 0)
      return { window, used: Number(used) };
  } catch {
    // Refused below.
  }
  throw new StoreError('the counter of a budget is damaged: nothing is spent on it');
}

function windowOf(window: BudgetRule['window'], now: number): string {
  const date = new Date(now).toISOString();
  switch (window) {
    case 'day':
      return date.slice(0, 10);
    case 'month':
      return date.slice(0, 7);
    default:
      throw new ConfigurationError(`unknown window of a budget: ${String(window satisfies never)}`);
  }
}

/**
 * Executes approved asynchronous calls in any process that holds the tools.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../call.ts';
import type { Principal } from '../identify/principal.ts';
import type { PrincipalOwner } from '../process-state.ts';
import type { Runtime } from '../runtime.ts';
import type { Store } from '../store/store.ts';
import { within } from '../within-time.ts';
import { createPostponed, type Postponed } from './postponed.ts';
import { createApprovalRuns, findTool, type ApprovedRequest, type RunnableTools } from './run-approved.ts';

export interface WorkerOptions {
  readonly tools: RunnableTools;
  /** Supplies the principal anew, or refuses by answering `undefined`. Default: the one of the signed approval. */
  readonly principalFor?: (approval: ApprovedRequest) => Principal | undefined | Promise<Principal | undefined>;
  /** Told about each call whose body was entered here. */
  readonly onSettled?: (settled: {
    readonly approval: ApprovedRequest;
    readonly outcome: Outcome;
  }) => void | Promise<void>;
  /** For `principalFor` and for `onSettled`, each, in milliseconds. Late is no. Default 10 000. */
  readonly timeoutMs?: number;
  /** Calls that may run at once. Default 10. */
  readonly concurrency?: number;
  /** Pause between looks when started, in milliseconds. Default 500. */
  readonly pollMs?: number;
}

export interface Worker {
  /** Runs what is approved now; answers how many calls it ran. */
  tick(): Promise<number>;
  /** Ticks until the signal aborts. Errors of one look (the store is down) are retried at the next. */
  start(signal: AbortSignal): Promise<void>;
}

/** Approvals read in one page, tried in one look, and read in one look together with those that wait for their next try. */
const page = 50;
const maxTried = 1_000;
const maxRead = 10_000;
const defaultConcurrency = 10;
const defaultTimeoutMs = 10_000;

export function createWorker(runtime: Runtime, owner: PrincipalOwner, options: WorkerOptions): Worker {
  const runs = createApprovalRuns(runtime, owner);
  /** A body that hangs keeps its own place, and nobody else's. */
  const running = new Set<string>();
  const postponed = createPostponed();
  const { tools, concurrency = defaultConcurrency, timeoutMs = defaultTimeoutMs } = options;

  async function principalOf(approval: ApprovedRequest): Promise<Principal | undefined> {
    return within((async () => options.principalFor?.(approval))(), timeoutMs);
  }

  /** Answers whether the body was entered here. */
  async function runOne(id: string): Promise<boolean> {
    const approval = await runs.get(id);
    // A worker without this tool leaves the call to one that has it; nobody with it means that it expires.
    if (approval === undefined || findTool(tools, approval.call.tool) === undefined) return false;
    const principal = await principalOf(approval);
    if (options.principalFor !== undefined && principal === undefined) return false;
    let entered = false;
    const outcome = await runs.run(id, {
      ...(principal === undefined ? { tools } : { tools, principal }),
      onEnter: () => (entered = true),
    });
    if (!entered) return false;
    // Whoever is told and throws, or hangs, changes nothing about what ran.
    await within((async () => options.onSettled?.({ approval, outcome }))(), timeoutMs).catch(() => undefined);
    return true;
  }

  async function runUnlessRunning(id: string): Promise<boolean> {
    if (running.has(id)) return false;
    running.add(id);
    // One call that cannot run must not keep the others from running.
    const ran = await runOne(id).catch(() => false);
    running.delete(id);
    if (!ran) postponed.add(id);
    return ran;
  }

  async function tick(): Promise<number> {
    await runtime.ready();
    const now = runtime.clock.now();
    const found = await runnableApprovals(runtime.store, now, postponed);
    let count = 0;
    const next = found.values();
    const lane = async (): Promise<void> => {
      for (const id of next) if (await runUnlessRunning(id)) count += 1;
    };
    const lanes = Math.max(0, concurrency - running.size);
    await Promise.all(Array.from({ length: lanes }, lane));
    return count;
  }

  return {
    tick,
    async start(signal) {
      while (!signal.aborted) {
        // Not awaited to its end: what one look found may run longer than the pause.
        const looked = tick().catch(() => 0);
        await Promise.race([looked, sleep(maxLookMs, undefined, { signal }).catch(() => undefined)]);
        await sleep(options.pollMs ?? 500, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

const maxLookMs = 1_000;

/** Page by page, so that what cannot run here does not hide what can. */
async function runnableApprovals(store: Store, now: number, postponed: Postponed): Promise<readonly string[]> {
  const due: string[] = [];
  for (let offset = 0; due.length < maxTried && offset < maxRead; offset += page) {
    const more = await store.system.runnableApprovals({ now, limit: page, offset });
    due.push(...more.flatMap(({ id }) => (postponed.has(id) ? [] : [id])));
    if (more.length < page) break;
  }
  return due;
}

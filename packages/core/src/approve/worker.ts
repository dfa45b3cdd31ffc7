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

/** Approvals looked at in one page, and pages in one look. */
const page = 50;
const maxPages = 20;
const defaultConcurrency = 10;

export function createWorker(runtime: Runtime, owner: PrincipalOwner, options: WorkerOptions): Worker {
  const runs = createApprovalRuns(runtime, owner);
  /** A body that hangs keeps its own place, and nobody else's. */
  const running = new Set<string>();
  const concurrency = options.concurrency ?? defaultConcurrency;

  async function runOne(approval: ApprovedRequest): Promise<boolean> {
    const principal = await options.principalFor?.(approval);
    if (options.principalFor !== undefined && principal === undefined) return false;
    const { tools } = options;
    const outcome = await runs.run(approval.id, principal === undefined ? { tools } : { tools, principal });
    const ran = outcome.status === 'completed' || outcome.status === 'failed';
    if (ran || outcome.status === 'unknown') await options.onSettled?.({ approval, outcome });
    return ran;
  }

  async function runUnlessRunning(id: string): Promise<boolean> {
    if (running.has(id)) return false;
    running.add(id);
    try {
      const approval = await runs.get(id);
      // A worker without this tool leaves the call to one that has it; nobody with it means that it expires.
      if (approval === undefined || findTool(options.tools, approval.call.tool) === undefined) return false;
      return await runOne(approval);
    } catch {
      // One call that cannot run must not keep the others from running.
      return false;
    } finally {
      running.delete(id);
    }
  }

  async function tick(): Promise<number> {
    await runtime.ready();
    const now = runtime.clock.now();
    const found = await runnableApprovals(runtime.store, now);
    let count = 0;
    const next = found.values();
    const lane = async (): Promise<void> => {
      for (const { id } of next) if (await runUnlessRunning(id)) count += 1;
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
async function runnableApprovals(store: Store, now: number): Promise<readonly { tenant: string; id: string }[]> {
  const found: { tenant: string; id: string }[] = [];
  for (let looked = 0; looked < maxPages; looked += 1) {
    const more = await store.system.runnableApprovals({ now, limit: page, offset: found.length });
    found.push(...more);
    if (more.length < page) break;
  }
  return found;
}

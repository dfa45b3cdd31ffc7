/**
 * Executes approved asynchronous calls in any process that holds the tools.
 * @module
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Outcome } from '../call.ts';
import type { Principal, PrincipalInput } from '../identify/principal.ts';
import type { Runtime } from '../runtime.ts';
import type { StoredApproval } from '../store/store.ts';
import { createApprovalRuns, type RunnableTools } from './run-approved.ts';

export interface WorkerOptions {
  readonly tools: RunnableTools;
  /** Supplies the principal anew, or refuses by answering `undefined`. Default: the one of the signed approval. */
  readonly principalFor?: (approval: StoredApproval) => Principal | undefined | Promise<Principal | undefined>;
  /** Told about each call that ended. */
  readonly onSettled?: (settled: {
    readonly approval: StoredApproval;
    readonly outcome: Outcome;
  }) => void | Promise<void>;
  /** Pause between looks when started, in milliseconds. Default 500. */
  readonly pollMs?: number;
}

export interface Worker {
  /** Runs what is approved now; answers how many calls it ran. */
  tick(): Promise<number>;
  /** Ticks until the signal aborts. Errors of one look (the store is down) are retried at the next. */
  start(signal: AbortSignal): Promise<void>;
}

const batch = 50;

export function createWorker(
  runtime: Runtime,
  makePrincipal: (input: PrincipalInput) => Principal,
  options: WorkerOptions,
): Worker {
  const runs = createApprovalRuns(runtime, makePrincipal);

  async function runOne(tenant: string, id: string): Promise<boolean> {
    const approval = await runtime.store.approval(tenant, id);
    if (approval === undefined) return false;
    // A worker without this tool leaves the call to one that has it; nobody with it means that it expires.
    if (!Object.hasOwn(options.tools, approval.call.tool.name)) return false;
    const principal = await options.principalFor?.(approval);
    if (options.principalFor !== undefined && principal === undefined) return false;
    const outcome = await runs.run(
      id,
      principal === undefined ? { tools: options.tools } : { tools: options.tools, principal },
    );
    await options.onSettled?.({ approval, outcome });
    return outcome.status === 'completed' || outcome.status === 'failed';
  }

  async function tick(): Promise<number> {
    let count = 0;
    for (const { tenant, id } of await runtime.store.system.runnableApprovals(batch)) {
      // One call that cannot run must not keep the others from running.
      if (await runOne(tenant, id).catch(() => false)) count += 1;
    }
    return count;
  }

  return {
    tick,
    async start(signal) {
      while (!signal.aborted) {
        await tick().catch(() => 0);
        await sleep(options.pollMs ?? 500, undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

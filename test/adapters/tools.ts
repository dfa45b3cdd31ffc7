/** The tools of the suite: what they do, and the rule that each framework is given for them by its own means. */
import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { currentLease } from '@countersign/core';
import type { Job } from './harness.ts';

export type ToolName =
  | 'read'
  | 'note'
  | 'deploy'
  | 'wire'
  | 'vault'
  | 'pay'
  | 'unmapped'
  | 'late'
  | 'generate'
  | 'fail'
  | 'linger'
  | 'reveal'
  | 'blurt'
  | 'mcp'
  | 'search';

/** What the frameworks' own means are told about a call. The policy in `installation.ts` says the same. */
export type Rule = 'allow' | 'deny' | 'review';

const rules: Readonly<Record<string, Rule>> = { deploy: 'review', wire: 'review', vault: 'deny', erase: 'deny' };

/** Tools whose rule may say no: they need the framework's means of refusal. */
export function mayBeDenied(name: string): boolean {
  return rules[name] === 'deny' || name === 'pay' || name === 'mcp';
}

export function needsReview(name: string): boolean {
  return rules[name] === 'review';
}

export async function ruleFor({ fault }: Job, name: string, args: unknown): Promise<Rule> {
  if (fault === 'throws') throw new Error('the policy is not reachable');
  if (fault === 'hangs') await new Promise(() => undefined);
  if (name === 'pay') return amountOf(args) > 100 ? 'deny' : 'allow';
  return rules[name] ?? 'allow';
}

export function amountOf(args: unknown): number {
  return Number((args as { amount?: unknown } | null)?.amount);
}

/** The secret that tools need: leased behind the gate, else in the environment, where tools usually find it. */
export const canary = 'canary-5e1f0c6d2b';

export function logOf({ directory }: Pick<Job, 'directory'>): string {
  return join(directory, 'executions.log');
}

/** Every execution is a line `<tool> <amount>`, from whatever process. */
export function executionsIn(log: string): readonly string[] {
  try {
    return readFileSync(log, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}

/** The body of a tool. `signal` is what the framework hands to it. */
export async function runTool(job: Job, name: ToolName, args: unknown, signal?: AbortSignal): Promise<string> {
  const log = logOf(job);
  const amount = amountOf(args);
  appendFileSync(log, `${name} ${amount}\n`);
  if (name === 'fail') throw new Error('the service is down');
  if (name === 'linger') await linger(log, amount, signal);
  if (name === 'reveal') return `signed in with ${secretOf(job)}`;
  if (name === 'blurt') throw new Error(`the service refused ${secretOf(job)}`);
  if (job.overlapMs !== undefined) await othersToo(log, job.overlapMs);
  return `${name} ran with ${amount}`;
}

/** Yields twice; the second value is the result. */
export async function* generateTool(job: Job, args: unknown): AsyncGenerator<string, string, void> {
  yield 'half';
  const result = await runTool(job, 'generate', args);
  yield result;
  return result;
}

function secretOf({ guarded }: Job): string {
  return guarded ? currentLease('mail').secret.reveal() : canary;
}

async function linger(log: string, amount: number, signal?: AbortSignal): Promise<void> {
  await sleep(3_000, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
  if (signal?.aborted === true) appendFileSync(log, `stopped ${amount}\n`);
}

/** Holds a body until another one is in its place too, so that a race does not depend on how fast the machine is. */
async function othersToo(log: string, ms: number): Promise<void> {
  for (let waited = 0; waited < ms && executionsIn(log).length < 2; waited += 25) await sleep(25);
}

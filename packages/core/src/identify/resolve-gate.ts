/**
 * One guarded set of tools can serve every user: the gate is then resolved for each call from server-side context.
 * @module
 */
import type { Gate } from '../gate.ts';
import { within } from '../within-time.ts';
import { ownerOf, type Principal } from './principal.ts';
import { isGate } from './scope.ts';

/** What a resolver may answer. Anything else, a throw and a time-out mean: no principal, deny. */
export type Resolved = Gate | Principal | undefined;

/** Reads who is behind a call from the framework's own server-side context, never from messages or arguments. */
export type GateResolver<Context> = (context: Context) => Resolved | PromiseLike<Resolved>;

export type GateSource<Context> = Gate | GateResolver<Context>;

const resolveTimeoutMs = 5_000;

/** The gate for a call, or `undefined`: the adapter then denies. Never rejects. */
export async function resolveGate<Context>(source: GateSource<Context>, context: Context): Promise<Gate | undefined> {
  if (typeof source !== 'function') return isGate(source) ? source : undefined;
  try {
    const answer = source(context);
    const resolved: unknown = isThenable(answer) ? await within(answer, resolveTimeoutMs) : answer;
    if (isGate(resolved)) return resolved;
    const gate = ownerOf(resolved)?.gateFor(resolved as Principal);
    return isGate(gate) ? gate : undefined;
  } catch {
    return undefined;
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

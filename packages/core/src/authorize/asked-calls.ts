/**
 * What a model asked for, written down when it answers and before anything is decided. For frameworks that keep the answer
 * between model and tools where others can write: what was not written down is a call that nobody made.
 * @module
 */
import type { AskedCall } from '../call.ts';
import { prepareCall, type PreparedCall } from '../execute/prepare-call.ts';
import type { GateContext } from '../gate-context.ts';
import { denied } from '../stop.ts';
import { inTime } from '../store/bounded-store.ts';

/** `known`: at least one of the calls was written down before, or its place is taken by another. */
export type AskedResult = 'recorded' | 'known';

/** @throws StoreError when it is not durable, ArgumentsError for a call that cannot be told apart from others */
export async function recordAsked(context: GateContext, calls: readonly AskedCall[]): Promise<AskedResult> {
  const { store, clock, storeTimeoutMs } = context.runtime;
  const asked = calls.map((call) => prepareAsked(context, call));
  const before = await Promise.all(asked.map(({ facts }) => store.call(facts)));
  if (before.some((known) => known !== undefined)) return 'known';
  // Asked for in one turn of the event loop: a store that commits in groups writes them as one.
  const answers = Promise.all(
    asked.map(({ facts }) =>
      store.observe({
        call: facts,
        origin: 'model',
        verdict: 'allow',
        now: clock.now(),
        maxPendingPerRun: 0,
        maxPendingPerUser: 0,
        records: [],
      }),
    ),
  );
  const observed = await inTime(answers, storeTimeoutMs);
  return observed.every(({ status }) => status === 'observed') ? 'recorded' : 'known';
}

/** @throws Stop when the call was not written down */
export async function requireAsked(context: GateContext, call: AskedCall, callKey: string): Promise<void> {
  const { facts } = prepareAsked(context, call);
  if ((await context.runtime.store.call(facts)) === undefined)
    throw denied('call_never_made', { callKey, detail: 'no recorded answer of a model contains this call' });
}

/** Its step is none of a call that runs: the two never share a slot. */
function prepareAsked(context: GateContext, { tool, callId, step, arguments: args }: AskedCall): PreparedCall {
  return prepareCall(context, {
    tool: { name: tool, source: 'asked' },
    callId,
    step: `asked ${step}`,
    origin: 'model',
    arguments: args,
  });
}

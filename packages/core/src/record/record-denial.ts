/**
 * Writes down the end of a call that ran nothing. A denial stays one when it cannot be recorded.
 * @module
 */
import type { ToolCall } from '../call.ts';
import type { PreparedCall } from '../execute/prepare-call.ts';
import type { GateContext } from '../gate-context.ts';
import type { Stop } from '../stop.ts';
import { callEvent, denialEvent } from './call-events.ts';
import type { RecordEvent } from './record.ts';

const remembered = 1000;
const recordedDenials = new WeakMap<object, Set<string>>();

/** Records a denial once per gate runtime, call key and reason. */
export async function recordDenial(context: GateContext, call: ToolCall | PreparedCall, stop: Stop): Promise<void> {
  const { outcome } = stop;
  if (stop.recorded || outcome.status !== 'denied') return;
  const prepared = isPrepared(call) ? call : undefined;
  if (prepared !== undefined && alreadyRecorded(context.runtime, `${prepared.facts.key}:${outcome.reason}`)) return;
  const base = prepared === undefined ? malformedEvent(context, call) : callEvent(prepared.facts, 'decision', 'deny');
  const event = denialEvent(base, outcome.reason, stop.detail);
  const append = async (): Promise<void> =>
    context.runtime.store.append(context.principal.tenant, [context.draft(event)]);
  await append().catch(() => undefined);
}

function isPrepared(call: ToolCall | PreparedCall): call is PreparedCall {
  return typeof call === 'object' && call !== null && 'facts' in call;
}

function alreadyRecorded(runtime: object, once: string): boolean {
  const known = recordedDenials.get(runtime) ?? new Set<string>();
  recordedDenials.set(runtime, known);
  if (known.has(once)) return true;
  const oldest = known.size >= remembered ? known.values().next().value : undefined;
  if (oldest !== undefined) known.delete(oldest);
  known.add(once);
  return false;
}

/** A call that could not even be digested: only what is short text is written down. */
function malformedEvent(context: GateContext, call: ToolCall | PreparedCall | undefined): RecordEvent {
  const { principal, run } = context;
  const name: unknown = call !== undefined && !isPrepared(call) ? call?.tool?.name : undefined;
  return {
    kind: 'decision',
    event: 'deny',
    tenant: principal.tenant,
    user: principal.user,
    agent: principal.agent,
    delegation: principal.delegation,
    run,
    ...(typeof name === 'string' ? { tool: name.slice(0, 256).toWellFormed() } : {}),
  };
}

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

/** A call whose facts are known. */
type Filed = Pick<PreparedCall, 'facts'>;

const remembered = 1000;
const recordedDenials = new WeakMap<object, Set<string>>();

/** Records a denial, once for each call key and reason of the last few. Never rejects. */
export async function recordDenial(context: GateContext, call: ToolCall | Filed, stop: Stop): Promise<void> {
  const { outcome } = stop;
  if (stop.recorded || outcome.status !== 'denied') return;
  try {
    // The call may be anything that somebody handed to the gate: reading it may throw.
    const filed = isFiled(call) ? call : undefined;
    const once = filed === undefined ? undefined : `${filed.facts.key}:${outcome.reason}`;
    const known = recordedBy(context.runtime);
    if (once !== undefined && known.has(once)) return;
    const base = filed === undefined ? malformedEvent(context, call) : callEvent(filed.facts, 'decision', 'deny');
    await append(context, denialEvent(base, outcome.reason, stop.detail));
    if (once !== undefined) remember(known, once);
  } catch {
    await append(context, denialEvent(malformedEvent(context, undefined), outcome.reason, stop.detail)).catch(
      () => undefined,
    );
  }
}

async function append(context: GateContext, event: RecordEvent): Promise<void> {
  await context.runtime.store.append(context.principal.tenant, [context.draft(event)]);
}

function isFiled(call: ToolCall | Filed): call is Filed {
  return typeof call === 'object' && call !== null && 'facts' in call;
}

function recordedBy(runtime: object): Set<string> {
  const known = recordedDenials.get(runtime) ?? new Set<string>();
  recordedDenials.set(runtime, known);
  return known;
}

function remember(known: Set<string>, once: string): void {
  const oldest = known.size >= remembered ? known.values().next().value : undefined;
  if (oldest !== undefined) known.delete(oldest);
  known.add(once);
}

/** A call that could not even be digested: only what is short text is written down. */
function malformedEvent(context: GateContext, call: ToolCall | Filed | undefined): RecordEvent {
  const { principal, run } = context;
  const name: unknown = call !== undefined && !isFiled(call) ? call?.tool?.name : undefined;
  return {
    kind: 'decision',
    event: 'deny',
    tenant: principal.tenant,
    agent: principal.agent,
    delegation: principal.delegation,
    run,
    ...(typeof name === 'string' ? { tool: name.slice(0, 256).toWellFormed() } : {}),
  };
}

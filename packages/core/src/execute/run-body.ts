/**
 * The execute stage: enters the body once, with its private arguments, inside the ambient context of the call.
 * @module
 */
import type { AskedCall, Decision, Outcome } from '../call.ts';
import type { Leased } from '../lease/lease-for-call.ts';
import { traced, type GateContext } from '../gate-context.ts';
import { redactArguments } from '../record/redact.ts';
import type { ToolSpan } from '../record/telemetry.ts';
import { within } from '../within-time.ts';
import { plainCodec, type ResultCodec } from './codec.ts';
import { noteBegun } from '../authorize/note-result.ts';
import type { PreparedCall } from './prepare-call.ts';
import { settleCompleted, settleFailed, settleSuspended } from './settle.ts';

/** What a guarded tool does. Gets its own, mutable copy of the arguments. */
export type Body<Result> = (args: unknown) => Result | PromiseLike<Result>;

export type StreamBody<Value> = (args: unknown) => AsyncIterable<Value>;

export type Validate = (args: unknown) => void | PromiseLike<void>;

export interface ExecuteOptions<Result> {
  /** How the result is kept for being asked again. Default: plain JSON. */
  readonly codec?: ResultCodec<Result>;
  /** Wait in process for a blocking approval, instead of answering `pending`. */
  readonly wait?: boolean;
  readonly signal?: AbortSignal | undefined;
  /**
   * Checks arguments that an approver edited against the tool's schema, and throws when they do not fit. Without it an
   * edited call is denied.
   */
  readonly validate?: Validate;
  /** Where the call comes from: without a record of it by `gate.recordAsked` the call is denied. */
  readonly asked?: AskedCall | undefined;
  /** Recognises a throw of the body that means "paused": an orchestrating tool without leases may be entered again. */
  readonly isSuspension?: (error: unknown) => boolean;
}

export async function runBody<Result>(
  leased: Leased,
  body: Body<Result>,
  options: ExecuteOptions<Result>,
): Promise<Outcome<Result>> {
  const codec = options.codec ?? (plainCodec as ResultCodec<Result>);
  const span = toolSpan(leased);
  let result: Result;
  try {
    const args = enter(leased);
    // Awaited inside the context: a thenable that begins its work in `then` must find its call there.
    result = await leased.run(() => span.run(async () => await body(args)));
  } catch (error) {
    return finish(leased, span, await ended(leased, error, options));
  }
  const outcome = await settleCompleted(leased, result, codec);
  if (outcome.status === 'completed') span.result(outcome.result);
  return finish(leased, span, outcome);
}

/** The arguments for the body, its own. From here on they may be anywhere. */
function enter({ context, call }: Leased): unknown {
  noteBegun(context, call);
  return call.arguments.copy();
}

/** How a stream came to its end: `left` means that the consumer went away in the middle. */
type StreamEnd =
  | { readonly kind: 'done' }
  | { readonly kind: 'left' }
  | { readonly kind: 'threw'; readonly error: unknown };

/** As {@link runBody} for a body that yields; the ambient context is entered anew for every step of the iterator. */
export async function* streamBody<Value>(
  leased: Leased,
  body: StreamBody<Value>,
  options: ExecuteOptions<Value>,
): AsyncGenerator<Value, Outcome<Value>, void> {
  const span = toolSpan(leased);
  let last: Value | undefined;
  let iterator: AsyncIterator<Value> | undefined;
  let end: StreamEnd = { kind: 'left' };
  let outcome: Outcome<Value>;
  try {
    const args = enter(leased);
    iterator = leased.run(() => span.run(() => body(args)[Symbol.asyncIterator]()));
    for (;;) {
      const source = iterator;
      const step = await leased.run(() => span.run(async () => await source.next()));
      if (step.done === true) break;
      last = leased.scrubber.value(step.value) as Value;
      yield last;
    }
    end = { kind: 'done' };
  } catch (error) {
    end = { kind: 'threw', error };
  } finally {
    // Also when the consumer went away: nothing after the loop would run then.
    if (end.kind !== 'done') await closeBody(leased, iterator);
    outcome = finish(leased, span, await settleStream(leased, end, last as Value, options));
  }
  return outcome;
}

const closeTimeoutMs = 5_000;

/** Lets the body clean up, for a bounded time: its leases end whether it does or not. */
async function closeBody(leased: Leased, iterator: AsyncIterator<unknown> | undefined): Promise<void> {
  const close = async (): Promise<void> => void (await leased.run(async () => await iterator?.return?.()));
  await within(close(), closeTimeoutMs).catch(() => undefined);
}

function settleStream<Value>(
  leased: Leased,
  end: StreamEnd,
  last: Value,
  options: ExecuteOptions<Value>,
): Promise<Outcome<Value>> {
  switch (end.kind) {
    case 'done':
      return settleCompleted(leased, last, options.codec ?? (plainCodec as ResultCodec<Value>));
    case 'threw':
      return ended(leased, end.error, options);
    case 'left':
      return settleFailed(leased, new Error('the consumer stopped reading before the tool had finished'));
    default:
      return settleFailed(leased, end satisfies never);
  }
}

function toolSpan({ context, call, decision, approval, intent }: Leased): ToolSpan {
  const span = context.runtime.telemetry.execute(traced(context, call), shownArguments(context, call, decision));
  const { risk, policyVersion, ruleDigest, verdict } = decision;
  span.annotate({
    ...{ risk, policyVersion, ruleDigest, verdict, records: [intent] },
    ...(decision.capability === undefined ? {} : { capability: decision.capability }),
    ...(approval === undefined ? {} : { approval: approval.id, approvalState: approval.state }),
  });
  return span;
}

/** Spans show no more than records do. */
function shownArguments({ key }: GateContext, call: PreparedCall, { rule }: Decision): unknown {
  const { view } = call.arguments;
  return rule?.redact === undefined ? view : redactArguments(view, { rules: rule.redact, digest: key.digest });
}

/** A failure of the body is an error of the span; its message may quote arguments and stays out. */
function finish<Result>(leased: Leased, span: ToolSpan, outcome: Outcome<Result>): Outcome<Result> {
  if (outcome.status === 'unknown') leased.context.runtime.metrics.record('unknown', 1);
  span.annotate({ outcome: outcome.status });
  if (outcome.status === 'failed') span.fail(outcome.error);
  else span.end();
  return outcome;
}

async function ended<Result>(
  leased: Leased,
  error: unknown,
  options: ExecuteOptions<Result>,
): Promise<Outcome<Result>> {
  const reenterable = leased.rule.orchestrates && leased.plans.length === 0;
  return reenterable && isSuspension(error, options) ? settleSuspended(leased, error) : settleFailed(leased, error);
}

/** An adapter's test that throws did not say yes. */
function isSuspension(error: unknown, options: Pick<ExecuteOptions<never>, 'isSuspension'>): boolean {
  try {
    return options.isSuspension?.(error) === true;
  } catch {
    return false;
  }
}

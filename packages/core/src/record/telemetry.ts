/**
 * OpenTelemetry: spans for decisions, approvals, leases and tool bodies, joined to the application's own trace.
 *
 * Spans are a view and may be lost; the ledger is the record. So telemetry never stops, repeats or fails a call, and
 * costs next to nothing where no SDK records. It needs `@opentelemetry/api` and no more.
 * @module
 */
import { context, diag, isSpanContextValid, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Attributes, Link, MeterProvider, Span, TracerProvider } from '@opentelemetry/api';
import type { ApprovalMode, ApprovalState, Outcome, ReasonCode, Risk, ToolIdentity, Verdict } from '../call.ts';
import { conventional, executeTool, own, spanNames } from './attributes.ts';
import { redactArguments } from './redact.ts';

/** The call that a span is about. */
export interface TracedCall {
  readonly tenant: string;
  readonly agent: string;
  readonly delegation: readonly string[];
  readonly run: string;
  readonly user: string;
  readonly pseudonym: string;
  readonly tool: ToolIdentity;
  readonly callId: string;
  /** Absent for a call that was too malformed to have one. */
  readonly callKey?: string;
  /**
   * Whether the active span is the framework's own span of this tool call. Needed only where its attributes cannot be
   * read; where they can, they decide.
   */
  readonly frameworkSpan?: boolean;
}

/** What a stage found out. Each member is one attribute; see docs/telemetry.md. */
export interface SpanDetails {
  readonly verdict?: Verdict;
  readonly code?: ReasonCode;
  readonly capability?: string;
  readonly risk?: Risk;
  readonly policyVersion?: string;
  readonly ruleDigest?: string;
  readonly approval?: string;
  readonly approvalState?: ApprovalState;
  readonly approvalMode?: ApprovalMode;
  readonly lease?: string;
  readonly service?: string;
  readonly outcome?: Outcome['status'];
  /** Ids of the records that were written. */
  readonly records?: readonly string[];
}

/** Trace and span id of W3C trace context, hexadecimal, as records carry them. */
export interface TraceReference {
  readonly trace?: string;
  readonly span?: string;
}

/** A span that was begun. Every method may be called at any time and never throws. */
export interface StageSpan extends TraceReference {
  /** Also annotates the framework's span of this call, where it is the active one. */
  annotate(details: SpanDetails): void;
  end(details?: SpanDetails): void;
  /** Ends it with an error: for what broke, not for a denial. Only the error's type is written down. */
  fail(error: unknown): void;
}

export interface ToolSpan extends StageSpan {
  /**
   * Runs `action` exactly once, with the span active, and answers or throws what it does. A body that yields enters it
   * for every step.
   */
  run<Value>(action: () => Value): Value;
  /** Writes the result down, redacted, where content is captured. */
  result(value: unknown): void;
}

export interface Telemetry {
  /** Where a record that is written now belongs in the trace; empty without an active span. */
  active(): TraceReference;
  decide(call: TracedCall): StageSpan;
  /** `opened`: the span in which the approval was requested, when it is decided elsewhere or later. */
  approval(call: TracedCall, opened?: TraceReference): StageSpan;
  lease(call: TracedCall, service: string): StageSpan;
  /** For a tool body: the framework's `execute_tool` span if that is the active one, else one of its own. */
  execute(call: TracedCall, args: unknown): ToolSpan;
}

export interface TelemetryOptions {
  /** Sets `user.id`. By default spans name the user by pseudonym only. */
  readonly userId?: boolean;
  /** Sets arguments (redacted) and result (redacted) on the `execute_tool` spans that Countersign makes. */
  readonly captureContent?: boolean;
  /** Default: the one registered globally, also when it is registered later. */
  readonly tracerProvider?: TracerProvider;
  /** Where metrics go. Default: the one registered globally, also when it is registered later. */
  readonly meterProvider?: MeterProvider;
}

const guardrail: Attributes = { [conventional.spanKind]: 'GUARDRAIL' };

export function createTelemetry(options: TelemetryOptions = {}): Telemetry {
  const tracer = (options.tracerProvider ?? trace).getTracer('@countersign/core');

  function startStage(name: string, call: TracedCall, attributes: Attributes, links?: Link[]): StageSpan {
    return (
      attempt(() => {
        const span = tracer.startSpan(name, links === undefined ? {} : { links });
        const frameworkSpan = frameworkSpanOf(call);
        if (!span.isRecording()) return frameworkSpan === undefined ? undefined : annotating(frameworkSpan);
        attempt(() => span.setAttributes({ ...callAttributes(call, options), ...toolAttributes(call), ...attributes }));
        return recordingSpan(span, frameworkSpan);
      }) ?? noSpan
    );
  }

  return {
    active: () => attempt(() => referenceOf(trace.getActiveSpan())) ?? nowhere,
    decide: (call) => startStage(spanNames.decide, call, guardrail),
    approval: (call, opened) => startStage(spanNames.approval, call, guardrail, linkTo(opened)),
    lease: (call, service) => startStage(spanNames.lease, call, { [own.service]: bounded(service) }),
    execute(call, args) {
      const frameworkSpan = attempt(() => frameworkSpanOf(call));
      if (frameworkSpan === undefined) return attempt(() => startExecution(call, args)) ?? noToolSpan;
      attempt(() =>
        frameworkSpan.setAttributes({ ...callAttributes(call, options), [own.toolSource]: call.tool.source }),
      );
      return { ...annotating(frameworkSpan), run: (action) => action(), result: () => undefined };
    },
  };

  /** Operation and tool are set at the start, where samplers look. */
  function startExecution(call: TracedCall, args: unknown): ToolSpan | undefined {
    const toolName = bounded(call.tool.name);
    const attributes = { [conventional.operation]: executeTool, [conventional.toolName]: toolName };
    const span = tracer.startSpan(`${executeTool} ${toolName}`, { kind: SpanKind.INTERNAL, attributes });
    if (!span.isRecording()) return undefined;
    const { captureContent = false } = options;
    attempt(() =>
      span.setAttributes({
        ...callAttributes(call, options),
        [own.toolSource]: bounded(call.tool.source),
        [conventional.toolCallId]: bounded(call.callId),
        [conventional.toolType]: 'function',
        [conventional.spanKind]: 'TOOL',
        ...(captureContent ? { [conventional.toolArguments]: contentOf(args) } : {}),
      }),
    );
    return {
      ...recordingSpan(span, undefined),
      run: (action) => runIn(span, action),
      result(value) {
        if (captureContent) attempt(() => span.setAttribute(conventional.toolResult, contentOf(value)));
      },
    };
  }
}

/** Whatever the context manager does, `action` runs once; its own error comes out, and no other. */
function runIn<Value>(span: Span, action: () => Value): Value {
  let ran: { readonly value: Value } | { readonly error: unknown } | undefined;
  let entered = false;
  function once(): void {
    if (entered) return;
    entered = true;
    try {
      ran = { value: action() };
    } catch (error) {
      ran = { error };
    }
  }
  attempt(() => context.with(trace.setSpan(context.active(), span), once));
  once();
  const settled = ran as { readonly value: Value } | { readonly error: unknown };
  if ('error' in settled) throw settled.error;
  return settled.value;
}

/**
 * The active span, if it is the framework's own span of this very call. A span that can be read says so itself: inside
 * a tool that calls tools, the outer tool's span is active too.
 */
function frameworkSpanOf(call: TracedCall): Span | undefined {
  const span = trace.getActiveSpan();
  if (span === undefined || !span.isRecording()) return undefined;
  const attributes: unknown = 'attributes' in span ? span.attributes : undefined;
  if (typeof attributes !== 'object' || attributes === null) return call.frameworkSpan === true ? span : undefined;
  const read = attributes as Attributes;
  const callId = read[conventional.toolCallId];
  const same =
    read[conventional.operation] === executeTool &&
    read[conventional.toolName] === call.tool.name &&
    (callId === undefined || callId === call.callId);
  return same ? span : undefined;
}

function callAttributes(call: TracedCall, options: TelemetryOptions): Attributes {
  const run = bounded(call.run);
  return {
    [own.tenant]: bounded(call.tenant),
    [own.agent]: bounded(call.agent),
    [conventional.agentId]: bounded(call.agent),
    [conventional.conversation]: run,
    [conventional.session]: run,
    [conventional.pseudonym]: call.pseudonym,
    ...(call.callKey === undefined ? {} : { [own.callKey]: call.callKey }),
    ...(call.delegation.length === 0 ? {} : { [own.delegation]: [...call.delegation] }),
    ...(options.userId === true ? { [conventional.user]: bounded(call.user) } : {}),
  };
}

/** On spans of a stage the conventional tool name is left out: some tools take every span that has it for a tool's. */
function toolAttributes(call: TracedCall): Attributes {
  return { [own.toolName]: bounded(call.tool.name), [own.toolSource]: bounded(call.tool.source) };
}

function detailAttributes(details: SpanDetails): Attributes {
  const attributes: Attributes = {};
  for (const [member, value] of Object.entries(details)) {
    if (!Object.hasOwn(own, member) || value === undefined) continue;
    attributes[own[member as keyof SpanDetails]] = typeof value === 'string' ? bounded(value) : value;
  }
  return attributes;
}

function recordingSpan(span: Span, frameworkSpan: Span | undefined): StageSpan {
  const annotate = (details: SpanDetails): void => {
    attempt(() => {
      const attributes = detailAttributes(details);
      span.setAttributes(attributes);
      frameworkSpan?.setAttributes(attributes);
    });
  };
  return {
    ...(attempt(() => referenceOf(span)) ?? nowhere),
    annotate,
    end(details = {}) {
      annotate(details);
      attempt(() => span.end());
    },
    fail(error) {
      attempt(() => {
        span.setStatus({ code: SpanStatusCode.ERROR });
        span.setAttribute(conventional.errorType, errorType(error));
      });
      attempt(() => span.end());
    },
  };
}

/** Somebody else's span: described, and never ended. */
function annotating(span: Span): StageSpan {
  const annotate = (details: SpanDetails = {}): void =>
    void attempt(() => span.setAttributes(detailAttributes(details)));
  return { ...(attempt(() => referenceOf(span)) ?? nowhere), annotate, end: annotate, fail: () => undefined };
}

const nowhere: TraceReference = {};
const noSpan: StageSpan = { annotate: () => undefined, end: () => undefined, fail: () => undefined };
const noToolSpan: ToolSpan = { ...noSpan, run: (action) => action(), result: () => undefined };

function referenceOf(span: Span | undefined): TraceReference {
  const spanContext = span?.spanContext();
  if (spanContext === undefined || !isSpanContextValid(spanContext)) return nowhere;
  return { trace: spanContext.traceId, span: spanContext.spanId };
}

function linkTo({ trace: traceId, span: spanId }: TraceReference = {}): Link[] | undefined {
  if (traceId === undefined || spanId === undefined) return undefined;
  return [{ context: { traceId, spanId, traceFlags: 1, isRemote: true } }];
}

const maxAttribute = 1024;

function bounded(value: string): string {
  return value.length <= maxAttribute ? value : `${value.slice(0, maxAttribute)}…`;
}

function contentOf(value: unknown): string {
  return JSON.stringify(redactArguments(value));
}

/** A message may quote arguments; a code or a class does not. */
function errorType(error: unknown): string {
  if (!(error instanceof Error)) return '_OTHER';
  const code = 'code' in error ? error.code : undefined;
  return bounded(typeof code === 'string' ? code : error.name);
}

/** Nothing of the application's telemetry may reach a call: not even its errors. */
function attempt<Value>(action: () => Value): Value | undefined {
  try {
    return action();
  } catch (error) {
    try {
      diag.warn('countersign: telemetry failed', error);
    } catch {
      // A logger that throws cannot be told about it.
    }
    return undefined;
  }
}

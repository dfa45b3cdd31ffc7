import { readFile } from 'node:fs/promises';
import { context, diag, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import type { Context, ContextManager, Span, Tracer, TracerProvider } from '@opentelemetry/api';
import { NodeSDK } from '@opentelemetry/sdk-node';
import {
  AlwaysOffSampler,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  TracerProvider as SdkProvider,
} from '@opentelemetry/sdk-trace';
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { conventional, executeTool, own, spanNames } from '../../src/record/attributes.ts';
import { createTelemetry } from '../../src/record/telemetry.ts';
import type { Telemetry, TelemetryOptions, TracedCall } from '../../src/record/telemetry.ts';
import { verifies } from '../../../../test/verifies.ts';

const exporter = new InMemorySpanExporter();
const sdk = new NodeSDK({
  autoDetectResources: false,
  spanProcessors: [new SimpleSpanProcessor({ exporter })],
  metricReaders: [],
  logRecordProcessors: [],
});
beforeAll(() => sdk.start());
afterAll(() => sdk.shutdown());
beforeEach(() => exporter.reset());

const call: TracedCall = {
  tenant: 'acme',
  agent: 'assistant',
  delegation: ['planner'],
  run: 'run-1',
  user: 'ada@example.com',
  pseudonym: 'pseudonym-of-ada',
  tool: { name: 'send_email', source: 'local' },
  callId: 'tc1',
  callKey: 'key-1',
};
const args = { to: 'bob@example.com', password: 'hunter2' };

function exported(): ReadableSpan[] {
  return exporter.getFinishedSpans();
}

function named(name: string): ReadableSpan {
  const span = exported().find((candidate) => candidate.name === name);
  if (span === undefined)
    throw new Error(
      `no span ${name} among ${exported()
        .map((other) => other.name)
        .join(', ')}`,
    );
  return span;
}

/** What the gate does with an allowed call. */
function runCall(telemetry: Telemetry, body: () => unknown = () => 'sent', about: TracedCall = call): unknown {
  const decision = telemetry.decide(about);
  decision.end({
    verdict: 'allow',
    code: 'permitted',
    capability: 'mail:send',
    risk: 'low',
    policyVersion: 'v7',
    records: ['rec_1'],
  });
  const tool = telemetry.execute(about, args);
  try {
    const result = tool.run(body);
    tool.result(result);
    tool.end({ outcome: 'completed', records: ['rec_2'] });
    return result;
  } catch (error) {
    tool.fail(error);
    throw error;
  }
}

const application = trace.getTracer('application');

/** As a framework does that makes its own tool spans. */
function inFrameworkSpan<Value>(attributes: Record<string, string>, action: () => Value): Value {
  return application.startActiveSpan('execute_tool send_email', { attributes }, (span) => {
    try {
      return action();
    } finally {
      span.end();
    }
  });
}
const frameworkAttributes = {
  'gen_ai.operation.name': 'execute_tool',
  'gen_ai.tool.name': 'send_email',
  'gen_ai.tool.call.id': 'tc1',
};

describe('span and attribute names', () => {
  test('are these', () => {
    expect(own).toEqual({
      tenant: 'countersign.tenant',
      agent: 'countersign.agent',
      delegation: 'countersign.delegation',
      toolName: 'countersign.tool.name',
      toolSource: 'countersign.tool.source',
      callKey: 'countersign.call.key',
      verdict: 'countersign.decision',
      code: 'countersign.decision.code',
      capability: 'countersign.capability',
      risk: 'countersign.risk',
      policyVersion: 'countersign.policy.version',
      ruleDigest: 'countersign.rule.digest',
      approval: 'countersign.approval.id',
      approvalState: 'countersign.approval.state',
      approvalMode: 'countersign.approval.mode',
      voteVerdict: 'countersign.approval.verdict',
      approvalChannel: 'countersign.approval.channel',
      recordCount: 'countersign.record.count',
      lease: 'countersign.lease.id',
      service: 'countersign.lease.service',
      leaseStage: 'countersign.lease.stage',
      outcome: 'countersign.outcome',
      records: 'countersign.record.ids',
      recordId: 'countersign.record.id',
      recordKind: 'countersign.record.kind',
      recordEvent: 'countersign.record.event',
      recordWriter: 'countersign.record.writer',
      recordSeq: 'countersign.record.seq',
      recordHash: 'countersign.record.hash',
      recordParent: 'countersign.record.parent',
      recordDamaged: 'countersign.record.damaged',
      durationMs: 'countersign.duration_ms',
      approver: 'countersign.approver',
      detail: 'countersign.detail',
      argumentsDigest: 'countersign.arguments.digest',
      argumentsCommitment: 'countersign.arguments.commitment',
      resultDigest: 'countersign.result.digest',
      resultCommitment: 'countersign.result.commitment',
      sink: 'countersign.outbox.sink',
    });
    expect(conventional).toEqual({
      operation: 'gen_ai.operation.name',
      toolName: 'gen_ai.tool.name',
      toolCallId: 'gen_ai.tool.call.id',
      toolType: 'gen_ai.tool.type',
      toolArguments: 'gen_ai.tool.call.arguments',
      toolResult: 'gen_ai.tool.call.result',
      agentId: 'gen_ai.agent.id',
      conversation: 'gen_ai.conversation.id',
      errorType: 'error.type',
      pseudonym: 'enduser.pseudo.id',
      user: 'user.id',
      session: 'session.id',
      spanKind: 'openinference.span.kind',
    });
    expect([spanNames, executeTool]).toEqual([
      { decide: 'countersign.decide', approval: 'countersign.approval', lease: 'countersign.lease' },
      'execute_tool',
    ]);
  });

  test('each stand in docs/telemetry.md', async () => {
    const page = await readFile(new URL('../../../../docs/telemetry.md', import.meta.url), 'utf8');
    const names = [own, conventional, spanNames].flatMap((table) => Object.values(table));
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('an executed call', () => {
  verifies('AUD-2', 'outside a framework’s span is an execute_tool span in the application’s own trace', () => {
    application.startActiveSpan('request', (span) => {
      runCall(createTelemetry());
      span.end();
    });
    const [request, decide, tool] = [named('request'), named('countersign.decide'), named('execute_tool send_email')];
    for (const child of [decide, tool]) {
      expect(child.spanContext().traceId).toBe(request.spanContext().traceId);
      expect(child.parentSpanContext?.spanId).toBe(request.spanContext().spanId);
    }
    expect(tool.kind).toBe(SpanKind.INTERNAL);
    expect(tool.attributes).toEqual({
      'gen_ai.operation.name': 'execute_tool',
      'gen_ai.tool.name': 'send_email',
      'gen_ai.tool.call.id': 'tc1',
      'gen_ai.tool.type': 'function',
      'gen_ai.agent.id': 'assistant',
      'gen_ai.conversation.id': 'run-1',
      'session.id': 'run-1',
      'enduser.pseudo.id': 'pseudonym-of-ada',
      'openinference.span.kind': 'TOOL',
      'countersign.tenant': 'acme',
      'countersign.agent': 'assistant',
      'countersign.delegation': ['planner'],
      'countersign.tool.source': 'local',
      'countersign.call.key': 'key-1',
      'countersign.outcome': 'completed',
      'countersign.record.ids': ['rec_2'],
    });
  });

  verifies('AUD-2', 'inside the framework’s own span annotates that one and makes no second', () => {
    inFrameworkSpan(frameworkAttributes, () => runCall(createTelemetry({ captureContent: true })));
    expect(exported().map(({ name }) => name)).toEqual(['countersign.decide', 'execute_tool send_email']);
    expect(named('execute_tool send_email').attributes).toMatchObject({
      ...frameworkAttributes,
      'countersign.tenant': 'acme',
      'countersign.decision': 'allow',
      'countersign.capability': 'mail:send',
      'countersign.risk': 'low',
      'countersign.policy.version': 'v7',
      'countersign.call.key': 'key-1',
      'countersign.outcome': 'completed',
      'countersign.record.ids': ['rec_2'],
    });
    expect(named('countersign.decide').parentSpanContext?.spanId).toBe(
      named('execute_tool send_email').spanContext().spanId,
    );
    expect(named('execute_tool send_email').attributes).not.toHaveProperty('gen_ai.tool.call.arguments');
  });

  test('inside the span of another tool, another call or no tool at all gets a span of its own', () => {
    const others = [
      { ...frameworkAttributes, 'gen_ai.tool.name': 'agent_as_tool' },
      { ...frameworkAttributes, 'gen_ai.tool.call.id': 'tc0' },
      { ...frameworkAttributes, 'gen_ai.operation.name': 'invoke_agent' },
      {},
    ];
    for (const attributes of others) {
      exporter.reset();
      inFrameworkSpan(attributes as Record<string, string>, () =>
        runCall(createTelemetry(), undefined, { ...call, frameworkSpan: true }),
      );
      expect(exported()).toHaveLength(3);
      expect(exported().at(-1)?.attributes).not.toHaveProperty('countersign.tenant');
    }
  });

  test('inside a span that cannot be read believes the adapter, and nobody else', () => {
    const set: Record<string, unknown> = {};
    const opaque = {
      isRecording: () => true,
      spanContext: () => ({ traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), traceFlags: 1 }),
      setAttributes: (attributes: object) => Object.assign(set, attributes),
    } as unknown as Span;
    const within = (about: TracedCall): void =>
      void context.with(trace.setSpan(context.active(), opaque), () => runCall(createTelemetry(), undefined, about));
    within(call);
    expect(set).toEqual({});
    expect(exported()).toHaveLength(2);
    exporter.reset();
    within({ ...call, frameworkSpan: true });
    expect(set).toMatchObject({ 'countersign.outcome': 'completed' });
    expect(exported().map(({ name }) => name)).toEqual(['countersign.decide']);
  });

  test('has the spans of its body inside it, through every step of a body that yields', async () => {
    const tool = createTelemetry().execute(call, args);
    await tool.run(async () => {
      await Promise.resolve();
      application.startSpan('inside').end();
    });
    tool.run(() => application.startSpan('next step').end());
    tool.end();
    application.startSpan('after').end();
    const { spanId } = named('execute_tool send_email').spanContext();
    expect([named('inside'), named('next step'), named('after')].map((span) => span.parentSpanContext?.spanId)).toEqual(
      [spanId, spanId, undefined],
    );
  });

  test('that fails is an error with its type and without its message', () => {
    const secret = Object.assign(new TypeError('bad token hunter2'), { code: 'ERR_REMOTE' });
    expect(() => runCall(createTelemetry(), () => { throw secret; })).toThrow(secret); // prettier-ignore
    const tool = named('execute_tool send_email');
    expect(tool.status).toEqual({ code: SpanStatusCode.ERROR });
    expect(tool.attributes['error.type']).toBe('ERR_REMOTE');
    expect(tool.events).toEqual([]);
    expect(JSON.stringify(tool.attributes)).not.toContain('hunter2');
  });
});

describe('a denied or pending call', () => {
  verifies('AUD-2', 'has a decision span, which is no error and no tool span', () => {
    const telemetry = createTelemetry();
    const decision = telemetry.decide(call);
    decision.end({
      verdict: 'deny',
      code: 'capability_missing',
      risk: 'high',
      policyVersion: 'v7',
      ruleDigest: 'd',
      records: ['rec_1'],
    });
    expect(exported()).toHaveLength(1);
    const span = named('countersign.decide');
    expect(span.status).toEqual({ code: SpanStatusCode.UNSET });
    expect(span.attributes).toEqual({
      'openinference.span.kind': 'GUARDRAIL',
      'gen_ai.agent.id': 'assistant',
      'gen_ai.conversation.id': 'run-1',
      'session.id': 'run-1',
      'enduser.pseudo.id': 'pseudonym-of-ada',
      'countersign.tenant': 'acme',
      'countersign.agent': 'assistant',
      'countersign.delegation': ['planner'],
      'countersign.tool.name': 'send_email',
      'countersign.tool.source': 'local',
      'countersign.call.key': 'key-1',
      'countersign.decision': 'deny',
      'countersign.decision.code': 'capability_missing',
      'countersign.risk': 'high',
      'countersign.policy.version': 'v7',
      'countersign.rule.digest': 'd',
      'countersign.record.ids': ['rec_1'],
    });
  });

  test('annotates the framework’s span, where there is one', () => {
    inFrameworkSpan(frameworkAttributes, () => createTelemetry().decide(call).end({ verdict: 'deny' }));
    expect(named('execute_tool send_email').attributes['countersign.decision']).toBe('deny');
    expect(named('execute_tool send_email').status.code).toBe(SpanStatusCode.UNSET);
  });

  verifies('AUD-2', 'links the approval that is decided later to the span that asked for it', () => {
    const telemetry = createTelemetry();
    const opened = telemetry.approval(call);
    opened.end({ approval: 'apr_1', approvalState: 'pending', approvalMode: 'asynchronous', verdict: 'review' });
    const { trace: traceId, span: spanId } = opened;
    telemetry
      .approval(call, { trace: traceId ?? '', span: spanId ?? '' })
      .end({ approval: 'apr_1', approvalState: 'approved' });
    const [first, second] = exported();
    expect(first?.attributes).toMatchObject({
      'countersign.approval.id': 'apr_1',
      'countersign.approval.state': 'pending',
    });
    expect(second?.links.map((link) => link.context.spanId)).toEqual([first?.spanContext().spanId]);
    expect(second?.links[0]?.context.traceId).toBe(first?.spanContext().traceId);
  });

  test('a lease has a span that names the service and holds no credential', () => {
    createTelemetry().lease(call, 'smtp').end({ lease: 'lease_1' });
    expect(named('countersign.lease').attributes).toMatchObject({
      'countersign.lease.service': 'smtp',
      'countersign.lease.id': 'lease_1',
    });
  });
});

describe('content and people', () => {
  const everything = (): string =>
    JSON.stringify(exported().map(({ name, attributes, events, status }) => [name, attributes, events, status]));

  verifies('CRD-7', 'do not stand in any span by default', () => {
    runCall(createTelemetry(), () => ({ reply: 'top secret' }));
    createTelemetry().lease(call, 'smtp').fail(new Error('ada@example.com hunter2'));
    expect(everything()).not.toMatch(/ada@|bob@|hunter2|top secret/);
  });

  test('the user is named when that is asked for', () => {
    runCall(createTelemetry({ userId: true }));
    expect(exported().every(({ attributes }) => attributes['user.id'] === 'ada@example.com')).toBe(true);
  });

  test('arguments and result are captured when that is asked for, redacted and bounded', () => {
    runCall(createTelemetry({ captureContent: true }), () => ({ token: 'hunter2', text: 'x'.repeat(1e6) }));
    const { attributes } = named('execute_tool send_email');
    expect(attributes['gen_ai.tool.call.arguments']).toBe('{"to":"bob@example.com","password":"[redacted]"}');
    expect(String(attributes['gen_ai.tool.call.result']).length).toBeLessThan(1000);
    expect(everything()).not.toContain('hunter2');
  });

  test('a tool name without end does not stand in a span', () => {
    runCall(createTelemetry(), undefined, { ...call, tool: { name: 'x'.repeat(1e6), source: 'local' } });
    expect(everything().length).toBeLessThan(20_000);
  });
});

describe('where a record belongs in the trace', () => {
  test('is the active span, or nowhere', () => {
    const telemetry = createTelemetry();
    expect(telemetry.active()).toEqual({});
    application.startActiveSpan('request', (span) => {
      const { traceId, spanId } = span.spanContext();
      expect(telemetry.active()).toEqual({ trace: traceId, span: spanId });
      span.end();
    });
    const decision = telemetry.decide(call);
    expect([decision.trace, decision.span]).toEqual([
      expect.stringMatching(/^[0-9a-f]{32}$/),
      expect.stringMatching(/^[0-9a-f]{16}$/),
    ]);
    decision.end();
  });
});

describe('telemetry that fails never fails a call:', () => {
  const broken = (): never => {
    throw new Error('telemetry is broken');
  };
  const brokenSpan = new Proxy({} as Span, { get: () => broken });
  const half: Partial<Span> = {
    isRecording: () => true,
    spanContext: broken,
    setAttributes: broken,
    setAttribute: broken,
    setStatus: broken,
    end: broken,
  };
  const processor = (methods: Partial<SpanProcessor>): TracerProvider =>
    new SdkProvider({
      spanProcessors: [{ onStart() {}, onEnd() {}, forceFlush: async () => {}, shutdown: async () => {}, ...methods }],
    });
  const tracing = (startSpan: Tracer['startSpan']): TracerProvider => ({
    getTracer: () => ({ startSpan, startActiveSpan: broken }),
  });
  const providers: Record<string, TracerProvider> = {
    'a processor that throws at the start': processor({ onStart: broken }),
    'a processor that throws at the end': processor({ onEnd: broken }),
    'a tracer that throws': tracing(broken),
    'a tracer that answers nothing': tracing(() => undefined as unknown as Span),
    'spans that throw on every use': tracing(() => brokenSpan),
    'spans that record and then throw': tracing(() => half as Span),
  };
  const options: TelemetryOptions = { captureContent: true, userId: true };

  for (const [title, tracerProvider] of Object.entries(providers)) {
    test(`${title}`, () => {
      const telemetry = createTelemetry({ ...options, tracerProvider });
      let runs = 0;
      expect(runCall(telemetry, () => (runs += 1))).toBe(1);
      expect(runs).toBe(1);
      const own = new Error('of the body');
      expect(() => runCall(telemetry, () => { throw own; })).toThrow(own); // prettier-ignore
      telemetry.approval(call, { trace: 'x', span: 'y' }).fail(undefined);
      telemetry.lease(call, 'smtp').end();
    });
  }

  test('an active span that throws', () => {
    context.with(trace.setSpan(context.active(), brokenSpan), () => {
      expect(createTelemetry().active()).toEqual({});
      expect(runCall(createTelemetry())).toBe('sent');
    });
  });

  test('a diagnostic logger that throws', () => {
    diag.setLogger({ warn: broken, error: broken, info: broken, debug: broken, verbose: broken });
    try {
      expect(runCall(createTelemetry({ tracerProvider: tracing(broken) }))).toBe('sent');
    } finally {
      diag.disable();
    }
  });

  test('a context manager that throws before, after or instead of the body, or runs it twice', () => {
    const managers: ((body: () => unknown) => unknown)[] = [
      broken,
      (body) => [body(), broken()],
      () => undefined,
      (body) => [body(), body()],
    ];
    for (const manager of managers) {
      context.disable();
      const faulty: ContextManager = {
        active: () => ROOT_CONTEXT,
        with: ((_context: Context, body: () => unknown) => manager(body)) as ContextManager['with'],
        bind: (_context, target) => target,
        enable: () => faulty,
        disable: () => faulty,
      };
      context.setGlobalContextManager(faulty);
      let runs = 0;
      let ended = 0;
      const telemetry = createTelemetry({ tracerProvider: processor({ onEnd: () => void (ended += 1) }) });
      expect(runCall(telemetry, () => (runs += 1))).toBe(1);
      expect([runs, ended]).toEqual([1, 2]);
    }
    context.disable();
  });

  test('a malformed call', () => {
    const malformed = { ...call, tool: undefined, delegation: undefined } as unknown as TracedCall;
    expect(runCall(createTelemetry(), () => 'ran', malformed)).toBe('ran');
  });
});

describe('without a recording SDK', () => {
  test('nothing is built: no arguments are read and no attribute is made', () => {
    const reads: string[] = [];
    const watch = <Value extends object>(name: string, value: Value): Value =>
      new Proxy(value, {
        get: (target, key) => (reads.push(`${name}.${String(key)}`), Reflect.get(target, key)),
        ownKeys: (target) => (reads.push(`${name}.*`), Reflect.ownKeys(target)),
      });
    const tracerProvider = new SdkProvider({ sampler: new AlwaysOffSampler() });
    const telemetry = createTelemetry({ captureContent: true, tracerProvider });
    telemetry.decide(watch('call', call)).end(watch('details', { verdict: 'deny' as const }));
    const tool = telemetry.execute(watch('call', call), watch('arguments', args));
    expect(tool.run(() => 'ran')).toBe('ran');
    tool.result(watch('result', {}));
    tool.end();
    expect(reads).toEqual(['call.tool']);
    expect(exported()).toEqual([]);
  });
});

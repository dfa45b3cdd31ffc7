import { describe, expect, test } from 'vitest';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { definePolicy, type OpenedRecord, type PolicyIssue } from '../../src/index.ts';
import { compileRedaction, type RedactionPaths } from '../../src/record/redaction-rules.ts';
import { redactArguments } from '../../src/record/redact.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, document, fixture } from '../support/fixture.ts';

function redact(args: unknown, paths: RedactionPaths): unknown {
  const issues: PolicyIssue[] = [];
  const rules = compileRedaction(paths, '/redact', issues);
  expect(issues).toEqual([]);
  return redactArguments(args, { rules, digest: (text) => `keyed:${text}` });
}

describe('the rules of a tool', () => {
  verifies('AUD-1', 'hide what they name, at its path and nowhere else', () => {
    const args = {
      card: { number: '4111', holder: 'Ada' },
      number: '7',
      items: [{ price: 1, note: 'a' }, { price: 2 }],
    };
    expect(redact(args, { hide: ['/card/number', '/items/*/note'] })).toEqual({
      card: { number: '[redacted]', holder: 'Ada' },
      number: '7',
      items: [{ price: 1, note: '[redacted]' }, { price: 2 }],
    });
    expect(redact(args, { hide: ['/card', '/items/0'] })).toMatchObject({
      card: '[redacted]',
      items: ['[redacted]', { price: 2 }],
    });
  });

  test('digest under a key: equal values look equal, whatever the order of their members', () => {
    const paths = { digest: ['/iban', '/who'] };
    const first = redact({ iban: 'DE1', who: { a: 1, b: 2 } }, paths);
    expect(first).toEqual({ iban: '[digest keyed:"DE1"]', who: '[digest keyed:{"a":1,"b":2}]' });
    expect(redact({ iban: 'DE1', who: { b: 2, a: 1 } }, paths)).toEqual(first);
    const rules = compileRedaction(paths, '', []);
    expect(redactArguments({ iban: 'DE1' }, { rules })).toEqual({ iban: '[redacted]' });
  });

  test('keep what only looks like a secret, but no secret that is known by its form', () => {
    const args = { token_count: 7, password: 'hunter2', session_token: `ghp_${'a'.repeat(36)}` };
    expect(redact(args, { keep: ['/token_count', '/session_token'] })).toEqual({
      token_count: 7,
      password: '[redacted]',
      session_token: '[redacted]',
    });
  });

  test('of two that meet, the stricter holds', () => {
    const args = { a: { b: 'x' } };
    expect(redact(args, { keep: ['/a/b'], digest: ['/a/*'], hide: ['/*/b'] })).toEqual({ a: { b: '[redacted]' } });
    expect(redact(args, { keep: ['/a/b'], digest: ['/a/*'] })).toEqual({ a: { b: '[digest keyed:"x"]' } });
    expect(redact(args, { keep: ['/a/b'], hide: ['/a'] })).toEqual({ a: '[redacted]' });
  });

  test('reach members with any name, and no prototype', () => {
    expect(redact({ 'a/b': 1, 'c~d': 2 }, { hide: ['/a~1b', '/c~0d'] })).toEqual({
      'a/b': '[redacted]',
      'c~d': '[redacted]',
    });
    const odd = JSON.parse('{"__proto__":{"x":1},"constructor":2}') as unknown;
    expect(JSON.stringify(redact(odd, { hide: ['/__proto__'] }))).toBe('{"__proto__":"[redacted]","constructor":2}');
    expect(redact({ a: 1 }, { hide: ['/constructor', '/toString'] })).toEqual({ a: 1 });
  });

  test('that cannot be read are refused with their place', () => {
    const issues: PolicyIssue[] = [];
    compileRedaction({ hide: ['', 'card', '/a~2', '/a'.repeat(20)] }, '/tools/pay/redact', issues);
    expect(issues.map(({ path }) => path)).toEqual([0, 1, 2, 3].map((index) => `/tools/pay/redact/hide/${index}`));
    const { tools } = document;
    const refused = {
      ...document,
      tools: { ...tools, read: { ...tools['read'], redact: { hide: ['card'], show: [] } } },
    };
    expect(() => definePolicy(refused as never)).toThrow(/redact.*path of arguments|unknown key/s);
  });
});

verifies(['AUD-1', 'CRD-7'], 'hold in records and in spans, while the tool gets its arguments whole', async () => {
  const { tools } = document;
  const redacting = {
    capability: 'tickets:ticket:read',
    risk: 'low',
    redact: { hide: ['/note'], digest: ['/iban'] },
  } as const;
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  const key = new Uint8Array(32).fill(5);
  const f = fixture({
    key,
    policy: definePolicy({ ...document, tools: { ...tools, read: redacting } }),
    options: { audit: { key, telemetry: { tracerProvider: provider, captureContent: true } } },
  });
  const args = { note: 'canary-note', iban: 'canary-iban', ticket: 1 };
  let got: unknown;
  await f.gate.execute(callTo('read', args), (given) => (got = given));
  await f.gate.execute(callTo('read', args), () => 'done');
  expect(got).toEqual(args);
  const records: OpenedRecord[] = [];
  for await (const record of f.countersign.ledger.query({ tenant: 'acme', kind: 'decision' })) records.push(record);
  const [first, second] = records.map((record) => record.arguments as Record<string, unknown>);
  expect(first).toMatchObject({ note: '[redacted]', iban: expect.stringMatching(/^\[digest \S{22}\]$/), ticket: 1 });
  expect(second?.['iban']).toBe(first?.['iban']);
  expect(JSON.stringify(records)).not.toContain('canary');
  await provider.forceFlush();
  const spans = exporter.getFinishedSpans().map(({ attributes }) => attributes['gen_ai.tool.call.arguments']);
  expect(spans.some((shown) => typeof shown === 'string' && shown.includes('[redacted]'))).toBe(true);
  expect(JSON.stringify(spans)).not.toContain('canary');
});

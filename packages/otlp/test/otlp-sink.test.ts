import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigurationError, createOutbox, memoryStore, type OutboxReport, type Store } from '@countersign/core';
import { verifies } from '../../../test/verifies.ts';
import { otlpSink, type OtlpSinkOptions } from '../src/index.ts';
import { retryAfterMs } from '../src/retry-after.ts';
import { createReceiver, type Answer, type Receiver } from './support/receiver.ts';
import { appendRecords, draft } from './support/records.ts';

let store: Store;
let receiver: Receiver;
const problems: string[] = [];
beforeEach(async () => {
  store = memoryStore();
  receiver = await createReceiver();
  problems.length = 0;
  const note = (message: string): void => void problems.push(message);
  diag.setLogger({ error: note, warn: note, info: note, debug: note, verbose: note }, DiagLogLevel.WARN);
});
afterEach(async () => {
  diag.disable();
  await receiver.stop();
});

function tick(options: Partial<OtlpSinkOptions> = {}, timeoutMs = 5_000): Promise<OutboxReport> {
  return createOutbox({
    store,
    sink: otlpSink({ endpoint: receiver.url, ...options }),
    timeoutMs,
    lockMs: timeoutMs + 1,
  }).tick();
}

interface Attribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}
type Item = Readonly<Record<string, unknown>> & { readonly attributes: readonly Attribute[] };

/** The spans or log records of the JSON request with this number. */
function items(index = 0): readonly Item[] {
  const body = receiver.requests[index]?.body as Record<string, Record<string, Record<string, unknown[]>[]>[]>;
  const [resource] = Object.values(body)[0] ?? [];
  const [scope] = Object.values(resource ?? {}).find((value) => Array.isArray(value)) ?? [];
  return (Object.values(scope ?? {}).find((value) => Array.isArray(value)) ?? []) as Item[];
}

const attributesOf = ({ attributes }: Item): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));

const live = { trace: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' };

describe('each record', () => {
  verifies(['AUD-2', 'AUD-5'], 'is a span of its own below the live span in which it was written', async () => {
    await store.append('acme', [
      draft({ fields: live, time: 1_795_000_000_123 }),
      draft({ fields: { ...live, kind: 'outcome', event: 'failed', durationMs: 12.5 }, time: 1_795_000_000_123 }),
    ]);
    expect(await tick({ encoding: 'json', signals: ['traces'] })).toMatchObject({ delivered: 2, problems: [] });
    const [decision, outcome] = items();
    expect(decision).toMatchObject({
      name: 'countersign.record.decision',
      traceId: live.trace,
      parentSpanId: live.span,
      startTimeUnixNano: '1795000000123000000',
      endTimeUnixNano: '1795000000123000000',
    });
    expect(outcome).toMatchObject({ startTimeUnixNano: '1795000000110500000', status: { code: 2 } });
    const ids = [decision, outcome].map((span) => span?.['spanId']);
    expect(new Set([...ids, live.span]).size).toBe(3);
    expect(attributesOf(decision ?? ({ attributes: [] } as never))).toMatchObject({
      'countersign.record.kind': 'decision',
      'countersign.record.seq': 1,
      'countersign.decision': 'allow',
      'countersign.risk': 'low',
      'countersign.tool.name': 'read',
      'openinference.span.kind': 'GUARDRAIL',
      'enduser.pseudo.id': 'pseudonym-of-alice',
      'session.id': 'run-1',
      'gen_ai.conversation.id': 'run-1',
    });
  });

  verifies(['AUD-2', 'AUD-5'], 'is a log record in the live span itself', async () => {
    await store.append('acme', [draft({ fields: { ...live, verdict: 'deny', code: 'capability_missing' } })]);
    expect(await tick({ encoding: 'json', signals: ['logs'] })).toMatchObject({ delivered: 1 });
    expect(receiver.requests[0]?.path).toBe('/v1/logs');
    expect(items()[0]).toMatchObject({
      traceId: live.trace,
      spanId: live.span,
      severityText: 'WARN',
      eventName: 'countersign.record.decision',
      body: { stringValue: expect.stringContaining('capability_missing') },
    });
  });

  const noPlace: readonly Record<string, unknown>[] = [
    {},
    { trace: live.trace },
    { trace: '0'.repeat(32), span: live.span },
    { trace: live.trace.toUpperCase(), span: live.span },
    { trace: '<script>', span: '../..' },
  ];
  for (const fields of noPlace) {
    verifies(
      'AUD-5',
      `without a usable live span (${JSON.stringify(fields)}) has ids of its own, the same each time`,
      async () => {
        await store.append('acme', [
          draft({ fields: { ...fields, call: 'one-call' } }),
          draft({ fields: { ...fields, call: 'one-call' } }),
        ]);
        await tick({ encoding: 'json', signals: ['traces'], name: 'first' });
        await tick({ encoding: 'json', signals: ['traces'], name: 'second' });
        const placeOf = (item: Item): unknown => [item['traceId'], item['spanId'], item['parentSpanId']];
        expect(items(1).map(placeOf)).toEqual(items(0).map(placeOf));
        const [one, other] = items();
        expect(one?.['traceId']).toMatch(/^[0-9a-f]{32}$/);
        expect(one?.['spanId']).toMatch(/^[0-9a-f]{16}$/);
        expect(one).not.toHaveProperty('parentSpanId', expect.anything());
        expect(other?.['traceId']).toBe(one?.['traceId']);
        expect(other?.['spanId']).not.toBe(one?.['spanId']);
      },
    );
  }

  for (const encoding of ['protobuf', 'json'] as const)
    for (const compression of ['none', 'gzip'] as const)
      verifies('AUD-5', `arrives as span and as log record in ${encoding}, compression ${compression}`, async () => {
        const ids = await appendRecords(store, 700);
        expect(await tick({ encoding, compression, headers: { 'x-api-key': 'k' } })).toMatchObject({ delivered: 700 });
        expect(receiver.requests.map(({ path }) => path)).toEqual(['/v1/traces', '/v1/logs', '/v1/traces', '/v1/logs']);
        expect(receiver.requests.every(({ headers }) => headers['x-api-key'] === 'k')).toBe(true);
        const missing = ids.filter((id) => receiver.taken.get(id) !== 2);
        expect([receiver.taken.size, missing]).toEqual([700, []]);
      });
});

describe('a receiver that', () => {
  const later: Readonly<Record<string, readonly [Answer, number]>> = {
    'is busy (429 with Retry-After)': [{ status: 429, headers: { 'retry-after': '7' } }, 7_000],
    'is busy (503)': [{ status: 503 }, 0],
    'is behind a broken gateway (502)': [{ status: 502 }, 0],
    'asks to be left alone for ever': [{ status: 503, headers: { 'retry-after': '99999999999' } }, 300_000],
    'asks for a time that has passed': [
      { status: 503, headers: { 'retry-after': 'Wed, 21 Oct 2015 07:28:00 GMT' } },
      0,
    ],
    'asks for nonsense': [{ status: 429, headers: { 'retry-after': '-5' } }, 0],
    'does not know us (401)': [{ status: 401 }, 0],
    'does not know the path (404)': [{ status: 404 }, 0],
    'has an internal error (500)': [{ status: 500, headers: { 'retry-after': '9' } }, 0],
    'redirects elsewhere': [{ status: 307, headers: { location: '/v1/elsewhere' } }, 0],
    'answers 200 with a page': [{ status: 200, body: '<html>sign in</html>' }, 0],
    'answers 200 with broken JSON': [
      { status: 200, headers: { 'content-type': 'application/json' }, body: '{"parti' },
      0,
    ],
    'answers 200 with a list': [{ status: 200, headers: { 'content-type': 'application/json' }, body: '[]' }, 0],
    'answers 200 with a cut message': [
      { status: 200, headers: { 'content-type': 'application/x-protobuf' }, body: '\u000a\u007f' },
      0,
    ],
    'counts nonsense': [
      {
        status: 200,
        headers: { 'content-type': 'application/json' },
        body: '{"partialSuccess":{"rejectedSpans":"-3"}}',
      },
      0,
    ],
    'answers without an end': [
      { status: 200, headers: { 'content-type': 'application/json' }, body: ' '.repeat(200_000) },
      0,
    ],
    'answers 202': [{ status: 202 }, 0],
    'breaks the connection': ['reset', 0],
    'refuses everything (400)': [{ status: 400 }, 0],
    'finds everything too large (413)': [{ status: 413 }, 0],
  };
  for (const [name, [answer, afterMs]] of Object.entries(later)) {
    verifies('AUD-5', `${name} is not taken for one that has the records`, async () => {
      await appendRecords(store, 3);
      receiver.answer = () => answer;
      expect(await tick()).toMatchObject({
        delivered: 0,
        refused: 0,
        backlog: 3,
        retryAfterMs: afterMs,
        problems: [expect.any(String)],
      });
      expect(receiver.requests.every(({ path }) => path === '/v1/traces')).toBe(true);
      receiver.answer = () => undefined;
      expect(await tick()).toMatchObject({ delivered: 3, backlog: 0 });
    });
  }

  verifies('AUD-5', 'hangs is given up', async () => {
    await appendRecords(store, 3);
    receiver.answer = () => 'hang';
    expect(await tick({}, 100)).toMatchObject({ delivered: 0, backlog: 3 });
  });

  verifies('AUD-5', 'is not there is waited for', async () => {
    await appendRecords(store, 3);
    await receiver.stop();
    expect(await tick()).toMatchObject({ delivered: 0, backlog: 3 });
  });

  verifies('AUD-5', 'speaks no HTTP is no receiver', async () => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.write('220 mail.example ESMTP\r\n', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await appendRecords(store, 3);
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    expect(await tick({ endpoint })).toMatchObject({ delivered: 0, backlog: 3 });
    await new Promise((resolve) => server.close(resolve));
  });

  for (const encoding of ['protobuf', 'json'] as const)
    verifies(
      'AUD-5',
      `rejects a part (partial_success, ${encoding}) has the rest, and the part is set aside in writing`,
      async () => {
        const ids = await appendRecords(store, 60);
        const rejects = [ids[7] ?? '', ids[59] ?? ''];
        receiver.answer = () => ({ rejects, message: 'attribute\u001b[2J too long' });
        expect(await tick({ encoding, signals: ['traces'] })).toMatchObject({ delivered: 58, refused: 2, backlog: 0 });
        expect(new Set(receiver.taken.keys())).toEqual(new Set(ids.filter((id) => !rejects.includes(id))));
        const [notice, ...more] = await store.entries('acme', 'notice');
        expect(more).toEqual([]);
        expect(JSON.parse(notice?.value ?? '')).toMatchObject({
          refused: [
            { from: 8, to: 8 },
            { from: 60, to: 60 },
          ],
        });
        expect(problems.join()).not.toContain('\u001b');
        expect(problems.some((text) => text.includes('refuses records 8 to 8'))).toBe(true);
      },
    );

  verifies('AUD-5', 'rejects log records and takes spans, is not done with them', async () => {
    const ids = await appendRecords(store, 4);
    receiver.answer = ({ path }) => (path === '/v1/logs' ? { rejects: ids } : undefined);
    expect(await tick()).toMatchObject({ delivered: 0, refused: 0, backlog: 4 });
  });

  verifies('AUD-5', 'only warns (partial_success with nothing rejected) has everything', async () => {
    await appendRecords(store, 4);
    receiver.answer = () => ({ rejects: [], message: 'deprecated field' });
    expect(await tick({ encoding: 'json' })).toMatchObject({ delivered: 4, backlog: 0 });
    expect(problems.join()).toContain('deprecated field');
  });

  verifies('CRD-7', 'redirects does not get our key at another address', async () => {
    const other = await createReceiver();
    await appendRecords(store, 1);
    receiver.answer = () => ({ status: 308, headers: { location: `${other.url}/v1/traces` } });
    await tick({ headers: { authorization: 'Bearer hunter2' } });
    expect(other.requests).toEqual([]);
    await other.stop();
  });
});

test('an endpoint that is none, or holds a password, is refused without repeating it', () => {
  for (const endpoint of ['', 'collector:4318', 'ftp://collector', 'https://user:hunter2@collector', 'http://'])
    expect(() => otlpSink({ endpoint })).toThrow(ConfigurationError);
  expect(() => otlpSink({ endpoint: 'https://user:hunter2@collector' })).not.toThrow(/hunter2/);
  expect(() => otlpSink({ endpoint: 'http://collector', signals: [] })).toThrow(ConfigurationError);
  expect(() => otlpSink({ endpoint: 'http://collector', signals: ['metrics' as never] })).toThrow(ConfigurationError);
});

test('Retry-After is seconds or a date (RFC 9110), and nothing else', () => {
  const now = Date.parse('2026-01-31T12:00:00Z');
  expect(retryAfterMs('120', now)).toBe(120_000);
  expect(retryAfterMs(' 0 ', now)).toBe(0);
  expect(retryAfterMs('Sat, 31 Jan 2026 12:01:00 GMT', now)).toBe(60_000);
  for (const header of [null, '', 'soon', '1.5', '-1', '2026-01-31']) expect(retryAfterMs(header, now)).toBeUndefined();
});

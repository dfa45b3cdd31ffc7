import { readFile } from 'node:fs/promises';
import { metrics as api, type MeterProvider } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider as SdkProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { createApprovals, createOutbox, memoryStore, type Store } from '../../src/index.ts';
import { createMetrics, instruments } from '../../src/record/metrics.ts';
import { fakeSink } from '../deliver/fake-sink.ts';
import { fakeProvider } from '../lease/fake-provider.ts';
import { callTo, fixture, type FixtureOptions } from '../support/fixture.ts';

let exporter: InMemoryMetricExporter;
let provider: SdkProvider;
beforeEach(() => {
  exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  provider = new SdkProvider({
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 })],
  });
});
afterEach(async () => {
  api.disable();
  await provider.shutdown();
});

/** Each series as `name {attributes}`, with its value, or how many values a histogram has. */
async function series(): Promise<Readonly<Record<string, number>>> {
  exporter.reset();
  await provider.forceFlush();
  const found: Record<string, number> = {};
  for (const { scopeMetrics } of exporter.getMetrics())
    for (const { metrics } of scopeMetrics)
      for (const { descriptor, dataPoints } of metrics)
        for (const { attributes, value } of dataPoints)
          found[`${descriptor.name} ${JSON.stringify(attributes)}`] = typeof value === 'number' ? value : value.count;
  return found;
}

const broken = (): never => {
  throw new Error('the service is down');
};
const failingProvider = (of: 'get' | 'revoke') =>
  fakeProvider({ services: ['tickets'], now: Date.now, ...(of === 'get' ? { before: broken } : { revoke: broken }) });

function world(options: FixtureOptions['options'] = {}, store: Store = memoryStore()) {
  const key = new Uint8Array(32).fill(3);
  return fixture({ store, key, options: { audit: { key, telemetry: { meterProvider: provider } }, ...options } });
}

describe('metrics', () => {
  verifies('AUD-2', 'count decisions by verdict, risk and code, denials by code, and time the gate', async () => {
    const { gate } = world();
    await gate.execute(callTo('read'), () => 'done');
    await gate.execute(callTo('vault'), () => 'never');
    await gate.execute(callTo('note'), () => 'never');
    await gate.check(callTo('vault'));
    expect(await series()).toEqual({
      'countersign.approval.opened {"countersign.risk":"medium","countersign.approval.mode":"asynchronous"}': 1,
      'countersign.decisions {"countersign.decision":"allow","countersign.risk":"low","countersign.decision.code":"permitted"}': 1,
      'countersign.decisions {"countersign.decision":"deny","countersign.risk":"low","countersign.decision.code":"capability_missing"}': 2,
      'countersign.decisions {"countersign.decision":"review","countersign.risk":"medium","countersign.decision.code":"risk_requires_approval"}': 1,
      'countersign.denials {"countersign.decision.code":"capability_missing"}': 2,
      'countersign.gate.duration {"countersign.outcome":"admitted"}': 1,
      'countersign.gate.duration {"countersign.outcome":"denied"}': 1,
      'countersign.gate.duration {"countersign.outcome":"pending"}': 1,
    });
  });

  verifies(
    'AUD-2',
    'count calls whose outcome is not known, and credentials that could not be issued or revoked',
    async () => {
      const inner = memoryStore();
      const { gate } = world({}, { ...inner, settle: () => Promise.reject(new Error('the disk is full')) });
      expect(await gate.execute(callTo('read'), () => 'done')).toMatchObject({ status: 'unknown' });
      const failing = world({ credentials: [failingProvider('get')] });
      expect(await failing.gate.execute(callTo('secret'), () => 'never')).toMatchObject({ status: 'failed' });
      const stuck = world({ credentials: [failingProvider('revoke')] });
      expect(await stuck.gate.execute(callTo('secret'), () => 'done')).toMatchObject({ status: 'completed' });
      expect(await series()).toMatchObject({
        'countersign.calls.unknown {}': 1,
        'countersign.lease.failures {"countersign.lease.stage":"issue"}': 1,
        'countersign.lease.failures {"countersign.lease.stage":"revoke"}': 1,
      });
    },
  );

  verifies('AUD-2', 'measure how long people took, or that nobody did', async () => {
    let now = 1_000_000_000;
    const store = memoryStore();
    const key = new Uint8Array(32).fill(3);
    const { gate, options, countersign } = fixture({
      store,
      key,
      now: () => now,
      options: { audit: { key, telemetry: { meterProvider: provider } } },
    });
    const approvals = createApprovals({
      store,
      signingKey: new Uint8Array(32).fill(9),
      approvers: { authenticate: () => ({ tenant: 'acme', id: 'carol' }) },
      audit: { key, meterProvider: provider },
      now: () => now,
    });
    expect(options.store).toBe(store);
    for (const verdict of ['approve', 'reject', 'expire'] as const) {
      const filed = await gate.execute(callTo('deploy', { verdict }), () => 'never');
      if (filed.status !== 'pending') throw new Error(filed.status);
      now += 42_000;
      if (verdict === 'expire') continue;
      const { digest } = await approvals.show('x', filed.approval);
      await approvals.decide('x', { id: filed.approval, verdict, digest });
    }
    now += 48 * 3_600_000;
    await countersign.maintain();
    const wait = (state: string): string =>
      `countersign.approval.wait {"countersign.approval.state":"${state}","countersign.risk":"high","countersign.approval.mode":"blocking"}`;
    expect(await series()).toMatchObject({ [wait('approved')]: 1, [wait('rejected')]: 1, [wait('expired')]: 1 });
  });

  verifies(['AUD-2', 'APR-11'], 'count what people are asked, and how fast each of them votes', async () => {
    let now = 1_000_000_000;
    const key = new Uint8Array(32).fill(3);
    const { gate, store } = fixture({
      key,
      now: () => now,
      options: { audit: { key, telemetry: { meterProvider: provider } } },
    });
    const approvals = createApprovals({
      store,
      signingKey: new Uint8Array(32).fill(9),
      approvers: { authenticate: () => ({ tenant: 'acme', id: 'carol' }) },
      audit: { key, meterProvider: provider },
      now: () => now,
    });
    for (const verdict of ['approve', 'reject', 'approve'] as const) {
      const call = callTo('deploy', { verdict });
      const filed = await gate.execute(call, () => 'never');
      if (filed.status !== 'pending') throw new Error(filed.status);
      await gate.check({ ...call, origin: 'resume' });
      now += 1_000;
      const { digest } = await approvals.show('x', filed.approval);
      await approvals.decide('x', { id: filed.approval, verdict, digest });
      const again = { id: filed.approval, verdict, digest };
      await expect(approvals.decide('x', again)).rejects.toMatchObject({ code: 'ERR_APPROVAL_CONFLICT' });
    }
    const vote = (verdict: string): string =>
      `countersign.approval.vote {"countersign.approval.verdict":"${verdict}","countersign.risk":"high"}`;
    expect(await series()).toMatchObject({
      'countersign.approval.opened {"countersign.risk":"high","countersign.approval.mode":"blocking"}': 3,
      [vote('approve')]: 2,
      [vote('reject')]: 1,
    });
  });

  verifies(
    ['AUD-2', 'AUD-5'],
    'show what the outbox delivered, what was refused, what waits and how often it failed',
    async () => {
      const store = memoryStore();
      const { gate } = fixture({ store });
      await gate.execute(callTo('read'), () => 'done');
      const sink = fakeSink();
      const outbox = createOutbox({ store, sink, meterProvider: provider });
      sink.answer = () => ({ status: 'later', reason: 'busy' });
      await outbox.tick();
      const of = (name: string): string => `countersign.outbox.${name} {"countersign.outbox.sink":"fake"}`;
      expect(await series()).toMatchObject({ [of('backlog')]: 3, [of('failures')]: 1, [of('delivered')]: 0 });
      sink.answer = (records) => ({
        status: 'accepted',
        refused: records.slice(2).map(({ seq }) => ({ seq, reason: 'no' })),
      });
      await outbox.tick();
      expect(await series()).toMatchObject({
        [of('backlog')]: 0,
        [of('failures')]: 1,
        [of('delivered')]: 2,
        [of('refused')]: 1,
      });
    },
  );

  verifies('AUD-2', 'name no tenant, user, agent, tool, run or id', async () => {
    const { gate } = world({ credentials: [failingProvider('get')] });
    for (const tool of ['read', 'vault', 'note', 'deploy', 'secret', 'no-such-tool'])
      await gate.execute(callTo(tool), () => 1);
    const keys = Object.keys(await series()).flatMap((name) =>
      Object.keys(JSON.parse(name.slice(name.indexOf('{'))) as object),
    );
    expect([...new Set(keys)].toSorted()).toEqual([
      'countersign.approval.mode',
      'countersign.decision',
      'countersign.decision.code',
      'countersign.lease.stage',
      'countersign.outcome',
      'countersign.risk',
    ]);
  });

  test('go to a provider that is registered later, and to the next one', async () => {
    const metrics = createMetrics();
    metrics.record('unknown', 1);
    api.setGlobalMeterProvider(provider);
    metrics.record('unknown', 1);
    expect(await series()).toEqual({ 'countersign.calls.unknown {}': 1 });
  });

  const hostile: Readonly<Record<string, unknown>> = {
    'a provider that throws': {
      getMeter: () => {
        throw new Error('no');
      },
    },
    'a provider without meters': { getMeter: () => undefined },
    'instruments that throw': {
      getMeter: () =>
        new Proxy(
          {},
          {
            get: () => () => ({
              add: () => {
                throw new Error('no');
              },
              record: () => {
                throw new Error('no');
              },
            }),
          },
        ),
    },
  };
  for (const [name, hostileProvider] of Object.entries(hostile)) {
    verifies(['AUD-2', 'REL-1'], `${name} changes nothing for a call`, async () => {
      const key = new Uint8Array(32).fill(3);
      const { gate } = fixture({
        options: { audit: { key, telemetry: { meterProvider: hostileProvider as MeterProvider } } },
        key,
      });
      expect(await gate.execute(callTo('read'), () => 'done')).toMatchObject({ status: 'completed', result: 'done' });
      expect(await gate.execute(callTo('vault'), () => 'never')).toMatchObject({ status: 'denied' });
    });
  }

  test('each stand in docs/telemetry.md with their unit', async () => {
    const page = await readFile(new URL('../../../../docs/telemetry.md', import.meta.url), 'utf8');
    const missing = Object.values(instruments).filter(
      ({ name, unit }) =>
        !page.split('\n').some((line) => line.includes(`\`${name}\``) && line.includes(`\`${unit}\``)),
    );
    expect(missing).toEqual([]);
  });
});

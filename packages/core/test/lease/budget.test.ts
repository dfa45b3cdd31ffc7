import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { definePolicy, memoryStore, PolicyError, reportSpend, type Store } from '../../src/index.ts';
import { createBudgets, microsOf, type BudgetRequest, type BudgetRule } from '../../src/lease/budget.ts';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { callTo, document, fixture } from '../support/fixture.ts';
import { fakeProvider } from './fake-provider.ts';
import { spendInProcess, type SpenderInput } from './spender.ts';

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const day = Date.parse('2026-11-26T12:00:00Z');
const rule: BudgetRule = { limit: 10_000_000, cost: 1_000_000, currency: 'USD', window: 'day', per: 'tenant' };
const request = (more: Partial<BudgetRequest> = {}): BudgetRequest => ({
  ...{ tenant: 'acme', agent: 'bot', service: 'openai', budget: rule },
  ...more,
});

function setUp(store: Store = memoryStore()) {
  const state = { now: day };
  const budgets = createBudgets({ store, clock: () => state.now });
  const used = async (): Promise<number> => {
    const [entry] = await store.entries('acme', 'budget');
    return (JSON.parse(entry?.value ?? '{"used":0}') as { used: number }).used / 1e6;
  };
  return { store, state, budgets, used };
}

describe('a budget', () => {
  verifies('CRD-4', 'lets through what fits the limit and no more, however many ask at once', async () => {
    const { budgets, used } = setUp();
    const all = await Promise.all(Array.from({ length: 50 }, () => budgets.reserve(request())));
    expect(all.filter((one) => one !== undefined)).toHaveLength(10);
    expect(await used()).toBe(10);
  });

  verifies('CRD-4', 'attack: two processes that read the same counter do not both spend what is left', async () => {
    const { store, used } = setUp();
    // Each reads at its own pace, as over a network.
    const entry: Store['entry'] = async (...place) => {
      const read = await store.entry(...place);
      await sleep(Math.random() * 4);
      return read;
    };
    const both = [1, 2, 3].map(() => setUp({ ...store, entry }).budgets);
    const all = await Promise.all(both.flatMap((one) => Array.from({ length: 10 }, () => one.reserve(request()))));
    expect(all.filter((one) => one !== undefined)).toHaveLength(10);
    expect(await used()).toBe(10);
  });

  verifies('CRD-4', 'attack: a report beyond all bounds stops its window and not the ones after it', async () => {
    const { budgets, state, used } = setUp();
    const greedy = await budgets.reserve(request());
    for (const _time of [1, 2, 3]) greedy?.spend(9_007_199_254);
    await greedy?.settle();
    expect(await used()).toBeGreaterThan(10);
    expect(await budgets.reserve(request())).toBeUndefined();
    state.now += 86_400_000;
    expect(await budgets.reserve(request())).toBeDefined();
  });

  verifies('CRD-4', 'counts what was reported, and everything where nothing was', async () => {
    const { budgets, used } = setUp();
    const [silent, modest, greedy, unused] = await Promise.all([1, 2, 3, 4].map(() => budgets.reserve(request())));
    await silent?.settle();
    modest?.spend(0.1);
    modest?.spend(0.2);
    await modest?.settle();
    await modest?.settle();
    greedy?.spend(3.5);
    await greedy?.settle();
    await unused?.cancel();
    await unused?.cancel();
    expect(await used()).toBeCloseTo(1 + 0.3 + 3.5, 6);
    expect(() => greedy?.spend(1)).toThrow('has ended');
    for (const amount of [-1, NaN, Infinity, '1' as never, undefined as never]) {
      expect(() => silent?.spend(amount)).toThrow(/expected an amount|has ended/);
    }
  });

  verifies('CRD-4', 'what a body spent above its reservation stops the next calls', async () => {
    const { budgets, used } = setUp();
    const one = await budgets.reserve(request());
    one?.spend(50);
    await one?.settle();
    expect(await used()).toBe(50);
    expect(await budgets.reserve(request())).toBeUndefined();
  });

  test('begins anew with its window, and not before; a late giving back does not enlarge the new one', async () => {
    const { budgets, state, used } = setUp();
    const held = await budgets.reserve(request());
    for (let count = 1; count < 10; count += 1) await budgets.reserve(request());
    state.now = Date.parse('2026-11-26T23:59:59.999Z');
    expect(await budgets.reserve(request())).toBeUndefined();
    state.now += 1;
    expect(await budgets.reserve(request())).toBeDefined();
    held?.spend(0);
    await held?.settle();
    expect(await used()).toBe(1);
    // A process whose clock is behind does not bring the old window back.
    state.now = day;
    for (let count = 1; count < 10; count += 1) expect(await budgets.reserve(request())).toBeDefined();
    expect(await budgets.reserve(request())).toBeUndefined();
  });

  test('of a month, of each agent, of another tenant or service is one of its own', async () => {
    const { budgets, state } = setUp();
    const month = { ...rule, limit: 1_000_000, window: 'month' } as const;
    expect(await budgets.reserve(request({ budget: month }))).toBeDefined();
    state.now = Date.parse('2026-11-30T23:00:00Z');
    expect(await budgets.reserve(request({ budget: month }))).toBeUndefined();
    state.now = Date.parse('2026-12-01T00:00:00Z');
    expect(await budgets.reserve(request({ budget: month }))).toBeDefined();
    const each = { ...rule, limit: 1_000_000, per: 'agent' } as const;
    expect(await budgets.reserve(request({ budget: each, agent: 'a' }))).toBeDefined();
    expect(await budgets.reserve(request({ budget: each, agent: 'b' }))).toBeDefined();
    expect(await budgets.reserve(request({ budget: each, agent: 'a' }))).toBeUndefined();
    const one = { ...rule, limit: 1_000_000 };
    expect(await budgets.reserve(request({ budget: one, agent: 'a' }))).toBeDefined();
    expect(await budgets.reserve(request({ budget: one, agent: 'b' }))).toBeUndefined();
    expect(await budgets.reserve(request({ budget: one, tenant: 'globex' }))).toBeDefined();
    expect(await budgets.reserve(request({ budget: one, service: 'anthropic' }))).toBeDefined();
  });

  verifies(['CRD-4', 'REL-3'], 'whose counter is damaged, or whose store fails, spends nothing', async () => {
    const { budgets, store } = setUp();
    await budgets.reserve(request());
    const [entry] = await store.entries('acme', 'budget');
    for (const value of ['', '{}', '{"window":"2026-11-26","used":-5}', '{"window":"2026-11-26","used":1e999}']) {
      const stored = await store.entry('acme', 'budget', entry?.id ?? '');
      const place = { tenant: 'acme', kind: 'budget', id: entry?.id ?? '', now: day, records: [] } as const;
      await store.putEntry({ ...place, expected: stored?.version, value });
      await expect(budgets.reserve(request())).rejects.toThrow('damaged');
    }
    const down = { ...memoryStore(), putEntry: () => Promise.reject(new Error('disk full')) };
    await expect(setUp(down).budgets.reserve(request())).rejects.toThrow('disk full');
  });

  test('counts in millionths, without the errors of binary fractions', () => {
    expect([0.1, 0.000001, 123.456789, 1e9].map(microsOf)).toEqual([100_000, 1, 123_456_789, 1e15]);
    expect([0.0000001, -1, NaN, Infinity].map(microsOf)).toEqual([undefined, undefined, undefined, undefined]);
  });
});

describe('several processes on one budget', () => {
  const folder = (): string => {
    const made = mkdtempSync(join(tmpdir(), 'countersign-budget-'));
    folders.push(made);
    return made;
  };
  const inChild = async (input: SpenderInput): Promise<string> => {
    const file = join(import.meta.dirname, 'spender.ts');
    const child = spawn(process.execPath, [file, JSON.stringify(input)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
    await once(child, 'close');
    return child.signalCode ?? output;
  };
  const usedIn = async (place: string): Promise<number> => {
    const store = sqliteStore({ path: join(place, 'store.sqlite') });
    const used = await setUp(store).used();
    await store.close();
    return used;
  };

  verifies(
    'CRD-4',
    'together spend no more than the limit',
    async () => {
      const place = folder();
      const allowed = await Promise.all([1, 2, 3].map(() => inChild({ folder: place, calls: 15, killAt: 'never' })));
      expect(allowed.reduce((sum, text) => sum + Number(text), 0)).toBe(20);
      expect(await usedIn(place)).toBe(20);
    },
    { timeout: 60_000 },
  );

  verifies(
    ['CRD-4', 'REL-2'],
    'kill -9 before or in the body: what was reserved stays counted, and the limit holds for the others',
    async () => {
      for (const killAt of ['before-lease', 'in-body', 'after-report'] as const) {
        const place = folder();
        expect(await inChild({ folder: place, calls: 1, killAt })).toBe('SIGKILL');
        expect(await usedIn(place)).toBe(1);
        expect(await spendInProcess({ folder: place, calls: 30, killAt: 'never' })).toBe(19);
      }
    },
    { timeout: 60_000 },
  );
});

describe('in a guarded call', () => {
  const budget = { limit: 2, currency: 'USD', window: 'month', cost: 1 } as const;
  const policyWith = (entry: object) => {
    const secret = {
      ...document.tools['secret'],
      credentials: [{ service: 'tickets', budget: { ...budget, ...entry } }],
    };
    return definePolicy({ ...document, tools: { ...document.tools, secret } } as typeof document);
  };

  verifies(
    ['CRD-4', 'AUD-1'],
    'the call that would pass the limit is denied before any provider is asked',
    async () => {
      const provider = fakeProvider({ now: Date.now, services: ['tickets'], maxLifetimeMs: 300_000 });
      const f = fixture({ policy: policyWith({}), options: { credentials: [provider] } });
      expect(await f.gate.execute(callTo('secret'), () => reportSpend('tickets', 0.5))).toMatchObject({
        status: 'completed',
      });
      expect(await f.gate.execute(callTo('secret'), () => 2)).toMatchObject({ status: 'completed' });
      const refused = callTo('secret');
      let ran = false;
      expect(await f.gate.execute(refused, () => (ran = true))).toMatchObject({
        status: 'denied',
        reason: 'budget_exceeded',
      });
      expect([ran, provider.requests.length, provider.live.size]).toEqual([false, 2, 0]);
      const records = await f.store.records('acme', { limit: 100 });
      expect(records.slice(-2).map(({ kind, event }) => `${kind}:${event}`)).toEqual([
        'outcome:released',
        'decision:deny',
      ]);
      expect(await f.store.system.openLeases(Date.now() + 1e9, 10)).toEqual([]);
    },
  );

  verifies('CRD-4', 'a body that was not entered has cost nothing', async () => {
    const provider = fakeProvider({
      ...{ now: Date.now, services: ['tickets'], maxLifetimeMs: 300_000 },
      before: () => Promise.reject(new Error('vault sealed')),
    });
    const f = fixture({ policy: policyWith({}), options: { credentials: [provider] } });
    for (let count = 0; count < 5; count += 1) {
      expect(await f.gate.execute(callTo('secret'), () => 1)).toMatchObject({ status: 'failed' });
    }
    const [entry] = await f.store.entries('acme', 'budget');
    expect(entry?.value).toContain('"used":0');
  });

  test('a body that failed has cost what it reported, or all of it', async () => {
    const provider = fakeProvider({ now: Date.now, services: ['tickets'], maxLifetimeMs: 300_000 });
    const f = fixture({ policy: policyWith({ limit: 100 }), options: { credentials: [provider] } });
    await f.gate.execute(callTo('secret'), () => {
      reportSpend('tickets', 0.25);
      throw new Error('half way');
    });
    await f.gate.execute(callTo('secret'), () => Promise.reject(new Error('no report')));
    const [entry] = await f.store.entries('acme', 'budget');
    expect(entry?.value).toContain('"used":1250000');
    expect(() => reportSpend('tickets', 1)).toThrow('no guarded call');
    const none = await f.gate.execute(callTo('read'), () => reportSpend('tickets', 1));
    expect(none).toMatchObject({ status: 'failed' });
  });

  test('is refused by the policy where it could not be kept', () => {
    expect(() => policyWith({ cost: 3 })).toThrow('can never run');
    expect(() => policyWith({ cost: 0.0000001 })).toThrow('six decimals');
    expect(() => policyWith({ limit: 0 })).toThrow(PolicyError);
    expect(() => policyWith({ currency: 'dollars' })).toThrow('USD');
    const entry = (limit: number) => ({
      ...document.tools['secret'],
      credentials: [{ service: 'tickets', budget: { ...budget, limit } }],
    });
    const two = { ...document, tools: { one: entry(2), two: entry(3) } };
    expect(() => definePolicy(two as typeof document)).toThrow('one and the same');
  });
});

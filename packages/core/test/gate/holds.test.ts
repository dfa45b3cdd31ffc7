import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { afterAll, describe, expect, test } from 'vitest';
import { sqliteStore } from '../../src/store/sqlite.ts';
import { verifies } from '../../../../test/verifies.ts';
import { callTo, counted, fixture, type Fixture } from '../support/fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-holds-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const order = { tenant: 'acme', by: 'olga' } as const;
const run = async (f: Fixture, gate = f.gate) => {
  const { body, runs } = counted('done');
  const outcome = await gate.execute(callTo('read'), body);
  return {
    status: outcome.status,
    runs: runs.length,
    ...(outcome.status === 'denied' ? { reason: outcome.reason } : {}),
  };
};
const stopped = { status: 'denied', reason: 'held', runs: 0 };
const goesOn = { status: 'completed', runs: 1 };
const gateOf = (f: Fixture, tenant: string, user: string, agent: string) =>
  f.countersign.gate({ tenant, user, agent, run: f.countersign.newRun() });

describe('a hold', () => {
  verifies('AUD-7', 'on a user, an agent or the tenant stops exactly what it names', async () => {
    const targets = [
      [{ user: 'alice' }, { alice: stopped, bob: goesOn, helper: stopped, globex: goesOn }],
      [{ agent: 'helper' }, { alice: goesOn, bob: goesOn, helper: stopped, globex: goesOn }],
      [{ agent: 'support' }, { alice: stopped, bob: stopped, helper: stopped, globex: goesOn }],
      [{}, { alice: stopped, bob: stopped, helper: stopped, globex: goesOn }],
    ] as const;
    for (const [target, expected] of targets) {
      const f = fixture();
      await f.countersign.hold({ ...order, ...target });
      const found = {
        alice: await run(f),
        bob: await run(f, gateOf(f, 'acme', 'bob', 'support')),
        helper: await run(f, f.gate.delegate('helper')),
        globex: await run(f, gateOf(f, 'globex', 'alice', 'support')),
      };
      expect({ target, ...found }).toEqual({ target, ...expected });
      expect(await f.countersign.release({ ...order, ...target })).toBe(true);
      expect(await run(f)).toEqual(goesOn);
    }
  });

  verifies('AUD-7', 'also stops what was approved before it', async () => {
    const f = fixture();
    const call = callTo('deploy');
    const pending = await f.gate.execute(call, () => 'done');
    if (pending.status !== 'pending') throw new Error(pending.status);
    await f.decide(pending.approval, 'approve');
    await f.countersign.hold({ ...order, user: 'alice' });
    const resumed = { ...call, origin: 'resume' } as const;
    expect(await f.gate.execute(resumed, () => 'done')).toMatchObject({ status: 'denied', reason: 'held' });
    await f.countersign.release({ ...order, user: 'alice' });
    expect(await f.gate.execute(resumed, () => 'done')).toMatchObject({ status: 'completed' });
  });

  verifies('AUD-7', 'ordered in another process counts at once', async () => {
    const path = join(folder, 'shared.db');
    const key = new Uint8Array(32).fill(7);
    const f = fixture({ store: sqliteStore({ path }), key });
    expect(await run(f)).toEqual(goesOn);
    const elsewhere = `
      import { openHolds } from ${JSON.stringify(new URL('../../src/index.ts', import.meta.url).href)};
      import { sqliteStore } from ${JSON.stringify(new URL('../../src/store/sqlite.ts', import.meta.url).href)};
      const store = sqliteStore({ path: ${JSON.stringify(path)} });
      await openHolds({ store, key: new Uint8Array(32).fill(7) }).hold({ tenant: 'acme', agent: 'support', by: 'olga' });
      await store.close();`;
    const child = spawn(process.execPath, [
      '--disable-warning=ExperimentalWarning',
      '--input-type=module',
      '-e',
      elsewhere,
    ]);
    expect(await once(child, 'exit')).toEqual([0, null]);
    expect(await run(f)).toEqual(stopped);
    await f.countersign.close();
  });

  verifies(['AUD-7', 'AUD-1'], 'and its release say who and why, and are recorded', async () => {
    const f = fixture();
    await f.countersign.hold({ ...order, user: 'alice', reason: 'strange calls' });
    await f.countersign.hold({ ...order, user: 'alice', reason: 'stranger calls' });
    expect(await f.countersign.holds('acme')).toMatchObject([
      { tenant: 'acme', user: 'alice', by: 'olga', reason: 'stranger calls', since: expect.any(Number) },
    ]);
    await f.countersign.release({ ...order, user: 'alice', reason: 'looked at' });
    expect(await f.countersign.holds('acme')).toEqual([]);
    expect(await f.countersign.release({ ...order, user: 'alice' })).toBe(false);
    const records = [];
    for await (const record of f.countersign.ledger.query({ tenant: 'acme', kind: 'administration' }))
      records.push(record);
    expect(records.map(({ event, approver, detail }) => [event, approver, detail])).toEqual([
      ['held', 'olga', 'user alice: strange calls'],
      ['held', 'olga', 'user alice: stranger calls'],
      ['released', 'olga', 'user alice: looked at'],
    ]);
    const entries = await f.store.entries('acme', 'hold');
    expect(JSON.stringify(entries)).not.toMatch(/alice|olga|strange/);
  });

  test('cannot be ordered or released through a gate', () => {
    const f = fixture();
    const reachable = new Set<string>();
    for (let object: object | null = f.gate; object !== null && object !== Object.prototype;) {
      for (const name of Reflect.ownKeys(object)) reachable.add(String(name));
      object = Object.getPrototypeOf(object) as object | null;
    }
    expect(reachable).toContain('execute');
    expect([...reachable].filter((name) => /hold|release|ledger|store|prune|erase|archive/i.test(name))).toEqual([]);
  });

  test('of nobody, by nobody, or of two at once is refused', async () => {
    const { countersign } = fixture();
    for (const request of [
      { tenant: 'acme', by: '' },
      { tenant: '../x', by: 'olga' },
      { tenant: 'acme', by: 'olga', agent: 'a b' },
      { tenant: 'acme', by: 'olga', agent: 'a', user: 'b' } as never,
    ]) {
      await expect(countersign.hold(request)).rejects.toMatchObject({ code: /ERR_(IDENTIFIER|LEDGER)/ });
    }
    expect(await countersign.holds('acme')).toEqual([]);
  });

  test('under a wrong master key is refused: it would name nobody', async () => {
    const f = fixture();
    await run(f);
    const other = fixture({ store: f.store });
    await expect(other.countersign.hold({ ...order, user: 'alice' })).rejects.toMatchObject({ code: 'ERR_KEY' });
  });
});

import { expect, test } from 'vitest';
import { verifies } from '../../../../test/verifies.ts';
import { takeLock } from '../../src/store/lock.ts';
import { memoryStore } from '../../src/store/memory.ts';

function setUp() {
  const store = memoryStore();
  let time = 1000;
  const take = () => takeLock(store, { tenant: 'acme', id: 'rotation', ttlMs: 100, now: () => time });
  return { store, take, pass: (ms: number) => void (time += ms) };
}

test('one of many takes the lock, and the next when it is released', async () => {
  const { take } = setUp();
  const taken = (await Promise.all([take(), take(), take()])).filter((lock) => lock !== undefined);
  expect(taken).toHaveLength(1);
  expect(await take()).toBeUndefined();
  await taken[0]?.release();
  expect(await take()).toBeDefined();
});

test('a holder that renews keeps it; one that does not loses it, and cannot take it back or away', async () => {
  const { take, pass } = setUp();
  const first = await take();
  pass(90);
  expect(await first?.renew()).toBe(true);
  pass(90);
  expect(await take()).toBeUndefined();
  pass(10);
  const second = await take();
  expect(second).toBeDefined();
  expect(await first?.renew()).toBe(false);
  await first?.release();
  expect(await take()).toBeUndefined();
  expect(await second?.renew()).toBe(true);
});

test('a holder that renews twice at once keeps it', async () => {
  const { take } = setUp();
  const lock = await take();
  expect(await Promise.all([lock?.renew(), lock?.renew()])).toEqual([true, true]);
  await lock?.release();
  expect(await take()).toBeDefined();
});

test('a lock whose value somebody damaged has ended', async () => {
  const { store, take } = setUp();
  const damaged = { tenant: 'acme', kind: 'lock', id: 'rotation', expected: undefined, value: 'for ever' } as const;
  await store.putEntry({ ...damaged, now: 1, records: [] });
  expect(await take()).toBeDefined();
});

const minute = 60_000;

for (const value of ['Infinity', '1e300', String(Date.UTC(9999, 0))])
  verifies('REL-3', `a lock that somebody planted until ${value} holds nobody up`, async () => {
    const { store, take } = setUp();
    const planted = { tenant: 'acme', kind: 'lock', id: 'rotation', expected: undefined, value } as const;
    await store.putEntry({ ...planted, now: 1, records: [] });
    const lock = await take();
    expect(await lock?.renew()).toBe(true);
    expect(await take()).toBeUndefined();
  });

verifies('REL-3', 'a lock taken while a clock was a year ahead is free as soon as the clock is right', async () => {
  const { take, pass } = setUp();
  const year = 365 * 24 * 60 * minute;
  pass(year);
  const wrong = await take();
  pass(-year);
  expect(await take()).toBeDefined();
  expect(await wrong?.renew()).toBe(false);
});

test('a lock that is held for long is respected by who would hold it for less, and by who would for as long', async () => {
  const { store } = setUp();
  const take = (id: string, ttlMs: number) => takeLock(store, { tenant: 'acme', id, ttlMs, now: () => 1000 });
  await take('nine', 9 * minute);
  expect(await take('nine', 100)).toBeUndefined();
  await take('hour', 60 * minute);
  expect(await take('hour', 60 * minute)).toBeUndefined();
});

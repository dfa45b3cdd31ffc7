import { expect, test } from 'vitest';
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

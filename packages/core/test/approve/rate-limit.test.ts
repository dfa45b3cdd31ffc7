import { describe, expect, test } from 'vitest';
import { createRateLimit } from '../../src/approve/rate-limit.ts';
import { verifies } from '../../../../test/verifies.ts';

function limit(options: { points?: number; perMs?: number; maxKeys?: number } = {}) {
  let now = 1_000;
  const { points = 5, perMs = 60_000, ...more } = options;
  const limiter = createRateLimit({ points, perMs, ...more, elapsed: () => now });
  const many = (key: string, count: number): number =>
    Array.from({ length: count }, () => limiter.take(key)).filter(({ allowed }) => allowed).length;
  return { limiter, many, pass: (ms: number) => void (now += ms) };
}

describe('a rate limit', () => {
  verifies('APR-6', 'lets through as many as it has points, and says when to come back', () => {
    for (const points of [1, 3, 7, 60, 1_000]) {
      const { limiter, many } = limit({ points });
      expect(many('carol', points + 50)).toBe(points);
      const refused = limiter.take('carol');
      expect(refused).toMatchObject({ allowed: false, remaining: 0 });
      expect(refused.retryAfterMs).toBeGreaterThan(0);
      expect(refused.retryAfterMs).toBeLessThanOrEqual(Math.ceil(60_000 / points));
    }
  });

  test('counts down what remains', () => {
    const { limiter } = limit({ points: 3 });
    expect([1, 2, 3, 4].map(() => limiter.take('carol').remaining)).toEqual([2, 1, 0, 0]);
  });

  verifies('APR-6', 'after the time it names exactly one more is let through', () => {
    const { limiter, many, pass } = limit();
    many('carol', 5);
    pass(limiter.take('carol').retryAfterMs - 1);
    expect(limiter.take('carol').allowed).toBe(false);
    pass(1);
    expect(many('carol', 5)).toBe(1);
    pass(60_000);
    expect(many('carol', 50)).toBe(5);
  });

  test('over a long time it lets through no more than its rate, and never twice its points in one window', () => {
    const { many, pass } = limit({ points: 5, perMs: 1_000 });
    let all = 0;
    for (let step = 0; step < 1_000; step += 1) {
      all += many('carol', 10);
      pass(10);
    }
    expect(all).toBeLessThanOrEqual(5 + 50);
    expect(all).toBeGreaterThanOrEqual(50);
  });

  verifies('APR-6', 'one who floods leaves the points of the others alone', () => {
    const { many } = limit();
    expect(many('mallory', 1_000)).toBe(5);
    expect(many('carol', 5)).toBe(5);
  });

  verifies('APR-6', 'a flood of made-up keys neither grows the memory nor gives a known key new points', () => {
    const { limiter, many } = limit({ maxKeys: 10 });
    expect(many('mallory', 10)).toBe(5);
    let through = 0;
    for (let key = 0; key < 10_000; key += 1) through += limiter.take(`made-up-${key}`).allowed ? 1 : 0;
    expect(through).toBe(9 + 5);
    expect(limiter.take('mallory').allowed).toBe(false);
  });

  test('keys whose points are back make room', () => {
    const { limiter, pass } = limit({ maxKeys: 2 });
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) limiter.take(key);
    expect(limiter.take('h').allowed).toBe(false);
    pass(60_000);
    expect(limiter.take('h')).toMatchObject({ allowed: true, remaining: 4 });
  });

  test('what was given back can be taken again, and nobody has more than all', () => {
    const { limiter, many } = limit();
    many('carol', 5);
    limiter.giveBack('carol');
    expect(many('carol', 5)).toBe(1);
    for (let count = 0; count < 100; count += 1) limiter.giveBack('carol');
    expect(many('carol', 100)).toBe(5);
    for (let count = 0; count < 100; count += 1) limiter.giveBack('nobody');
    expect(many('nobody', 100)).toBe(5);
  });

  verifies('APR-6', 'who gives back what they never took of the shared points buys nobody another try', () => {
    const { limiter, many, pass } = limit({ maxKeys: 1 });
    limiter.take('alice');
    pass(60_000);
    // Makes room for itself: the point of alice is back, and she is not kept any more.
    limiter.take('bob');
    expect(Array.from({ length: 9 }, (_, n) => many(`made-up-${n}`, 1)).filter((count) => count === 1)).toHaveLength(5);
    for (let count = 0; count < 100; count += 1) {
      limiter.giveBack('alice');
      limiter.giveBack('nobody');
    }
    expect(many('made-up-9', 1)).toBe(0);
  });

  verifies('APR-6', 'of the shared points each gives back what they took, and no more, and not when it is back', () => {
    const { limiter, many, pass } = limit({ maxKeys: 1 });
    many('alice', 5);
    expect([many('carol', 2), many('dave', 9)]).toEqual([2, 3]);
    for (let count = 0; count < 100; count += 1) limiter.giveBack('carol');
    expect([many('erin', 9), many('dave', 9)]).toEqual([2, 0]);
    // The points of dave and erin are back, as are those of alice, who still needs her place.
    pass(60_000);
    many('alice', 5);
    expect(many('carol', 9)).toBe(5);
    for (let count = 0; count < 100; count += 1) limiter.giveBack('dave');
    expect(many('carol', 9)).toBe(0);
  });

  test('names of built-in members are keys as any other', () => {
    const { many } = limit();
    for (const key of ['__proto__', 'constructor', '', 'toString']) expect(many(key, 9)).toBe(5);
  });

  test('no limit at all is a mistake', () => {
    for (const points of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createRateLimit({ points, perMs: 1_000 })).toThrow('points');
    }
    for (const perMs of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => createRateLimit({ points: 1, perMs })).toThrow('perMs');
    }
  });
});

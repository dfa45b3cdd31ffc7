import { describe, expect, test } from 'vitest';
import { createClock } from '../../src/record/clock.ts';

describe('the clock', () => {
  test('follows the machine’s clock in whole milliseconds', () => {
    let wall = 1000.7;
    const clock = createClock(
      () => wall,
      () => 0,
    );
    expect(clock.now()).toBe(1000);
    wall = 2000;
    expect(clock.now()).toBe(2000);
  });

  test('set back, it does not go back, and does not stand still either: grants go on expiring', () => {
    let wall = 1_000_000;
    let elapsed = 50;
    const clock = createClock(
      () => wall,
      () => elapsed,
    );
    expect(clock.now()).toBe(1_000_000);
    wall = 400_000;
    expect(clock.now()).toBe(1_000_000);
    elapsed = 350;
    expect(clock.now()).toBe(1_000_300);
    wall = 1_000_200;
    elapsed = 400;
    expect(clock.now()).toBe(1_000_350);
    wall = 2_000_000;
    expect(clock.now()).toBe(2_000_000);
  });

  test('set back twice, it still never goes back', () => {
    const walls = [1000, 500, 1001, 900, 950, 2000, 0];
    let at = 0;
    let elapsed = 0;
    const clock = createClock(
      () => walls[at] ?? 0,
      () => (elapsed += 3),
    );
    const read = walls.map((_, index) => {
      at = index;
      return clock.now();
    });
    expect(read).toEqual(read.toSorted((left, right) => left - right));
  });

  test('starts no earlier than the newest record, after a restart with the clock set back', () => {
    const clock = createClock(
      () => 500,
      () => 0,
    );
    clock.advanceTo(9000.5);
    expect(clock.now()).toBe(9001);
    clock.advanceTo(100);
    expect(clock.now()).toBe(9001);
  });

  test('that answers nonsense is an error, not a time before every expiry', () => {
    for (const bad of [Number.NaN, -1, Number.POSITIVE_INFINITY, 9e15]) {
      expect(() => createClock(() => bad).now()).toThrow(expect.objectContaining({ code: 'ERR_CONFIGURATION' }));
      expect(() => createClock().advanceTo(bad)).toThrow(expect.objectContaining({ code: 'ERR_LEDGER' }));
    }
  });
});

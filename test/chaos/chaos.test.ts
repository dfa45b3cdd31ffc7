/**
 * Approvals under chaos, at a size for every run of the tests. `npm run chaos` does the same with 500 of them.
 */
import { expect } from 'vitest';
import { verifies } from '../verifies.ts';
import { runChaos } from './run.ts';

const approvals = 30;
const patienceMs = 40_000;

verifies(
  ['APR-2', 'APR-3', 'APR-6', 'REL-2', 'REL-3'],
  'while channels, processes and the store fail at random, nothing runs without two people, nothing twice, and everybody hears of each end',
  async () => {
    const seed = Date.now() % 1_000_000;
    const result = await runChaos({ store: 'sqlite', approvals, seed, patienceMs }).catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
    expect(result.breaches, `seed ${seed}`).toEqual([]);
    expect(result.decidedOn, `seed ${seed}`).toBeGreaterThan(approvals / 2);
    expect(result.reported, `seed ${seed}`).toMatchObject({
      completed: expect.any(Number) as number,
      denied: expect.any(Number) as number,
    });
    expect(Object.keys(result.ways).length, `seed ${seed}`).toBeGreaterThan(3);
    expect(Object.keys(result.faults).length, `seed ${seed}`).toBeGreaterThan(3);
  },
  { timeout: 300_000 },
);

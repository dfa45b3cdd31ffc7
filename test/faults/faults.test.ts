/** A short run on each store; `npm run faults` makes long ones. */
import { expect } from 'vitest';
import { withPostgres } from '../support/postgres.ts';
import { verifies } from '../verifies.ts';
import { runFaults, type RunResult } from './run.ts';

const timeout = 240_000;
const short = { faults: 40, seed: 20_261_126, workers: 3 };

function expectSound({ breaches, effects, records, told }: RunResult): void {
  expect(breaches).toEqual([]);
  // A run in which nothing happened would hold every invariant.
  expect(effects).toBeGreaterThan(50);
  expect(records).toBeGreaterThan(effects * 2);
  expect(told['completed']).toBeGreaterThan(20);
}

verifies(
  ['REL-1', 'REL-2', 'REL-3'],
  'several processes on one SQLite file, killed, paused, locked out and out of space: no invariant breaks',
  async () => expectSound(await runFaults({ ...short, store: 'sqlite' })),
  { timeout },
);

verifies(
  ['REL-1', 'REL-2', 'REL-3'],
  'several processes on one PostgreSQL, killed, paused, cut off and restarted: no invariant breaks',
  async () => expectSound(await runFaults({ ...short, store: 'postgres' })),
  { timeout, using: withPostgres },
);

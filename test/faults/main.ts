/**
 * `npm run faults -- --store sqlite --faults 1000 --seed 1`: prints what happened, and ends with 1 when an invariant was
 * broken.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { invariantNames } from './invariants.ts';
import type { StoreName } from './place.ts';
import { runFaults } from './run.ts';

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'sqlite' },
    faults: { type: 'string', default: '1000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    workers: { type: 'string', default: '3' },
  },
});
if (values.store !== 'sqlite' && values.store !== 'postgres') throw new Error('--store is sqlite or postgres');
const store: StoreName = values.store;
const [seed, faults, workers] = [values.seed, values.faults, values.workers].map(Number) as [number, number, number];
if (![seed, faults, workers].every((value) => Number.isSafeInteger(value)) || faults < 1 || workers < 1) {
  throw new Error('--seed, --faults and --workers are whole numbers, the latter two at least 1');
}
process.stdout.write(`store ${store}, ${values.faults} faults, ${values.workers} workers, seed ${seed}\n`);
const result = await runFaults({
  ...{ store, seed, faults, workers },
  onFault: (number, name) => {
    if (number % 50 === 0) process.stdout.write(`${number} ${name}\n`);
  },
});
process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
const kept = invariantNames.length - result.breaches.length;
process.stdout.write(`${kept} of ${invariantNames.length} invariants hold\n`);
process.exit(result.breaches.length === 0 ? 0 : 1);

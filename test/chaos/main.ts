/**
 * `npm run chaos -- --store sqlite --approvals 500 --seed 1`: prints what happened, and ends with 1 when an invariant was
 * broken.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { chaosInvariantNames } from './invariants.ts';
import { runChaos } from './run.ts';

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'sqlite' },
    approvals: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const { store } = values;
if (store !== 'sqlite' && store !== 'postgres') throw new Error('--store is sqlite or postgres');
const [seed, approvals] = [Number(values.seed), Number(values.approvals)];
if (![seed, approvals].every(Number.isSafeInteger) || approvals < 1) {
  throw new Error('--seed and --approvals are whole numbers, the latter at least 1');
}
process.stdout.write(`store ${store}, ${approvals} approvals, seed ${seed}\n`);
const result = await runChaos({ store, approvals, seed });
process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
const kept = chaosInvariantNames.length - result.breaches.length;
process.stdout.write(`${kept} of ${chaosInvariantNames.length} invariants hold\n`);
process.exit(result.breaches.length === 0 ? 0 : 1);

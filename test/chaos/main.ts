/**
 * `npm run chaos -- --store sqlite --approvals 500 --seed 1 --minutes 6`: prints what happened, and ends with 1 when an invariant was
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
    // For people to be through with them; what is not decided then expires.
    minutes: { type: 'string', default: '6' },
  },
});
const { store } = values;
if (store !== 'sqlite' && store !== 'postgres') throw new Error('--store is sqlite or postgres');
const [seed, approvals, minutes] = [Number(values.seed), Number(values.approvals), Number(values.minutes)];
if (![seed, approvals].every(Number.isSafeInteger) || approvals < 1 || !(minutes > 0)) {
  throw new Error('--seed and --approvals are whole numbers, the latter at least 1; --minutes is above 0');
}
process.stdout.write(`store ${store}, ${approvals} approvals, seed ${seed}\n`);
const result = await runChaos({ store, approvals, seed, patienceMs: minutes * 60_000 });
process.stdout.write(`${JSON.stringify(result, undefined, 2)}\n`);
const kept = chaosInvariantNames.length - result.breaches.length;
process.stdout.write(`${kept} of ${chaosInvariantNames.length} invariants hold\n`);
process.exit(result.breaches.length === 0 ? 0 : 1);

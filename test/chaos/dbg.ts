import { runChaos } from './run.ts';
const t = setInterval(() => process.stderr.write('.'), 5000);
const r = await runChaos({ store: 'sqlite', approvals: Number(process.argv[2] ?? 40), seed: 1, patienceMs: 25_000 });
clearInterval(t);
console.log(JSON.stringify(r, undefined, 1));
process.exit(0);

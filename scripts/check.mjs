// Every static check, all of them even when one fails, so that one run names everything that is wrong.
import { spawnSync } from 'node:child_process';
import process from 'node:process';

const checks = [
  ['types', 'tsc', '--noEmit'],
  ['declarations', 'tsc', '--noEmit', '--project', 'packages'],
  ['lint', 'oxlint', '--type-aware', '--deny-warnings'],
  ['format', 'oxfmt', '--check'],
  ['dead code', 'knip'],
];

const failed = checks.filter(([name, command, ...args]) => {
  process.stdout.write(`\n${name}: ${[command, ...args].join(' ')}\n`);
  return spawnSync(command, args, { stdio: 'inherit', shell: process.platform === 'win32' }).status !== 0;
});

const names = failed.map(([name]) => name);
process.stdout.write(`\n${names.length === 0 ? 'All checks passed' : `Failed: ${names.join(', ')}`}\n`);
process.exitCode = names.length === 0 ? 0 : 1;

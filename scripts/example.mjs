// Runs one example by its name: npm run example -- quickstart
import { existsSync, readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import process from 'node:process';

const [name = '', ...args] = process.argv.slice(2);
const main = (folder) => new URL(`../examples/${folder}/main.ts`, import.meta.url).pathname;
const names = readdirSync(new URL('../examples', import.meta.url)).filter((folder) => existsSync(main(folder)));
if (!names.includes(name)) {
  const problem = name === '' ? 'Name an example' : `There is no example ${JSON.stringify(name)}`;
  process.stderr.write(`${problem}. There are: ${names.join(', ')}\n`);
  process.exit(2);
}
process.exitCode = spawnSync(process.execPath, [main(name), ...args], { stdio: 'inherit' }).status ?? 1;

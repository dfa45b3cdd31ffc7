// Runs one command of this workspace on a machine that has only Node >= 20 and npm: installs what the lockfile
// asks for when it is missing, then starts the command under the Node release that the workspace pins.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const modules = join(root, 'node_modules');
const pinnedNode = join(modules, 'node', 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
const { devEngines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const pnpm = ['npx', '--yes', `pnpm@${devEngines.packageManager.version}`];

const [command, ...args] = process.argv.slice(2);
if (command === undefined) fail('usage: node scripts/run.mjs <command> [arguments]');
if (Number.parseInt(process.versions.node, 10) < 20) fail(`Node >= 20 is needed, this is ${process.version}`);

if (command !== 'pnpm' || !['install', 'add', 'update', 'remove', 'dedupe'].includes(args[0])) ensureInstalled();
run(command === 'pnpm' ? [...pnpm, ...args] : [command, ...args]);

function ensureInstalled() {
  const stamp = join(modules, '.countersign-installed');
  const wanted = createHash('sha256')
    .update(`${process.platform} ${process.arch}\n`)
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .update(readFileSync(join(root, 'pnpm-workspace.yaml')))
    .digest('hex');
  if (existsSync(stamp) && existsSync(pinnedNode) && readFileSync(stamp, 'utf8') === wanted) return;
  process.stderr.write('Installing dependencies …\n');
  const [program, ...rest] = pnpm;
  const installed = spawnSync(program, [...rest, 'install', '--frozen-lockfile'], {
    cwd: root,
    // Everything the installer prints goes to stderr: stdout belongs to the command.
    stdio: ['ignore', 2, 2],
    shell: process.platform === 'win32',
  });
  if (installed.status !== 0)
    fail(`the installation failed: ${installed.error?.message ?? `exit code ${installed.status}`}`);
  if (!existsSync(pinnedNode)) fail('the installation brought no Node: is `node: true` in allowBuilds?');
  writeFileSync(stamp, wanted);
}

function run([program, ...rest]) {
  const path = [join(modules, 'node', 'bin'), join(modules, '.bin'), process.env.PATH].join(delimiter);
  const child = spawn(program, rest, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, PATH: path },
    shell: process.platform === 'win32',
  });
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  // A terminal sends Ctrl+C to both: passing it on would count as a second one.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'));
  child.on('error', (error) => fail(`${program}: ${error.message}`, 127));
  child.on('exit', (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

function fail(message, code = 1) {
  process.stderr.write(`${message}\n`);
  process.exit(code);
}

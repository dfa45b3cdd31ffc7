// Builds and packs every publishable package, then checks the tarballs: what users would install, not the sources.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const packed = join(root, '.packed');
const problems = [];

rmSync(packed, { recursive: true, force: true });
mkdirSync(packed);
const packages = readdirSync(join(root, 'packages'))
  .map((name) => join(root, 'packages', name))
  .filter((folder) => existsSync(join(folder, 'package.json')))
  .map((folder) => ({ folder, manifest: JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) }))
  .filter(({ manifest }) => !manifest.private);

for (const { folder } of packages) rmSync(join(folder, 'dist'), { recursive: true, force: true });
if (!runs('build', process.execPath, ['scripts/run.mjs', 'pnpm', '--recursive', 'run', 'build'])) finish();

for (const { folder, manifest } of packages) {
  const before = new Set(readdirSync(packed));
  const pack = ['scripts/run.mjs', 'pnpm', '--dir', folder, 'pack', '--pack-destination', packed];
  if (!runs(`pack ${manifest.name}`, process.execPath, pack)) continue;
  const tarball = join(
    packed,
    readdirSync(packed).find((name) => !before.has(name)),
  );
  runs(`publint ${basename(tarball)}`, 'publint', ['run', tarball, '--strict']);
  // A command has no entry point for types to describe.
  if (manifest.exports !== undefined) runs(`attw ${basename(tarball)}`, 'attw', [tarball, '--profile', 'esm-only']);
}
finish();

function runs(name, command, args) {
  process.stdout.write(`\n${name}\n`);
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) problems.push(name);
  return status === 0;
}

function finish() {
  const verdict = problems.length === 0 ? `${packages.length} packages verified` : `Failed: ${problems.join(', ')}`;
  process.stdout.write(`\n${verdict}\n`);
  process.exit(problems.length === 0 ? 0 : 1);
}

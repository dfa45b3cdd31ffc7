/** A real PostgreSQL server for one test file, on a free port of this machine. */
import { spawn, spawnSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { part, type Register } from './parts.ts';

export interface Postgres {
  readonly url: string;
  stop(): Promise<void>;
}

const binaries = findBinaries();

/** Registers tests that need the server. */
export const withPostgres: Register = part(
  'PostgreSQL',
  binaries !== undefined,
  'neither in PATH nor under /usr/lib/postgresql',
);

export const hasPostgres = binaries !== undefined;

export async function startPostgres(): Promise<Postgres> {
  if (binaries === undefined) throw new Error('no PostgreSQL server on this machine');
  const directory = mkdtempSync(join(tmpdir(), 'countersign-postgres-'));
  const user = serverUser();
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const options = { ...user, env: { PATH: process.env['PATH'], LC_ALL: 'C' }, cwd: directory };
  const made = spawnSync(join(binaries, 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync'], options);
  if (made.status !== 0) throw new Error(`initdb failed: ${String(made.stderr)}`);
  const port = await freePort();
  const settings = ['-h', '127.0.0.1', '-p', String(port), '-k', directory];
  const server = spawn(join(binaries, 'postgres'), ['-D', data, ...settings], { ...options, stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  const ready = (): boolean =>
    spawnSync(join(String(binaries), 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
      .status === 0;
  for (let attempt = 0; !ready(); attempt += 1) {
    if (attempt === 200 || server.exitCode !== null) throw new Error('the PostgreSQL server did not start');
    await sleep(50);
  }
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    async stop() {
      server.kill('SIGINT');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function findBinaries(): string | undefined {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian)
    ? readdirSync(debian).toSorted((left, right) => Number(right) - Number(left))
    : [];
  const folders = [
    ...versions.map((version) => join(debian, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return folders.find((folder) => ['initdb', 'postgres', 'pg_isready'].every((name) => existsSync(join(folder, name))));
}

/** The server refuses to run as root. */
function serverUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout);
  return { uid: id('-u'), gid: id('-g') };
}

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  return port;
}

/** A real PostgreSQL server for one test file, on a free port of this machine. */
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { appendFileSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { part, type Register } from './parts.ts';

export interface Postgres {
  /** Of the superuser, to the database `postgres`. */
  readonly url: string;
  readonly port: number;
  /** Ends the server at once, and every connection with it; the data stay. `crash`: as if it were killed. */
  halt(how?: 'fast' | 'crash'): Promise<void>;
  /** Starts it again, with settings of `postgresql.conf` changed for good. */
  start(settings?: Readonly<Record<string, string>>): Promise<void>;
  /** It only recovers then, and can be read, until it is promoted: `SELECT pg_promote()`. */
  restartAsStandby(): Promise<void>;
  /** Ends the server and removes its data. */
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

export async function startPostgres(settings: Readonly<Record<string, string>> = {}): Promise<Postgres> {
  if (binaries === undefined) throw new Error('no PostgreSQL server on this machine');
  const directory = mkdtempSync(join(tmpdir(), 'countersign-postgres-'));
  const user = serverUser();
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, 'data');
  const options = { ...user, env: { PATH: process.env['PATH'], LC_ALL: 'C' }, cwd: directory };
  const made = spawnSync(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
    options,
  );
  if (made.status !== 0) throw new Error(`initdb failed: ${String(made.stderr)}`);
  const port = await freePort();
  const server = createServerProcess({ binaries, data, directory, port, options });
  const configure = (values: Readonly<Record<string, string>>): void =>
    appendFileSync(
      join(data, 'postgresql.conf'),
      Object.entries(values)
        .map(([name, value]) => `${name} = '${value}'\n`)
        .join(''),
    );
  configure(settings);
  await server.start();
  return {
    url: `postgresql://postgres@127.0.0.1:${port}/postgres`,
    port,
    halt: (how) => server.halt(how),
    async start(changed = {}) {
      configure(changed);
      await server.start();
    },
    async restartAsStandby() {
      await server.halt();
      const signal = join(data, 'standby.signal');
      writeFileSync(signal, '');
      if (user !== undefined) chownSync(signal, user.uid, user.gid);
      await server.start();
    },
    async stop() {
      // Its data are not needed any more: no last checkpoint.
      await server.halt('crash');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface ServerProcess {
  start(): Promise<void>;
  halt(how?: 'fast' | 'crash'): Promise<void>;
}

interface ServerFiles {
  readonly binaries: string;
  readonly data: string;
  readonly directory: string;
  readonly port: number;
  readonly options: SpawnOptions;
}

function createServerProcess({ binaries: folder, data, directory, port, options }: ServerFiles): ServerProcess {
  const settings = ['-h', '127.0.0.1', '-p', String(port), '-k', directory];
  let running: { readonly child: ChildProcess; readonly ended: Promise<void> } | undefined;
  const ready = (): boolean =>
    spawnSync(join(folder, 'pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' }).status === 0;
  return {
    async start() {
      const child = spawn(join(folder, 'postgres'), ['-D', data, ...settings], { ...options, stdio: 'ignore' });
      running = { child, ended: new Promise<void>((resolve) => child.once('exit', () => resolve())) };
      for (let attempt = 0; !ready(); attempt += 1) {
        if (attempt === 200 || child.exitCode !== null) throw new Error('the PostgreSQL server did not start');
        await sleep(50);
      }
    },
    async halt(how = 'fast') {
      // SIGQUIT ends it without a checkpoint: the next start recovers from the log, as after a crash.
      running?.child.kill(how === 'fast' ? 'SIGINT' : 'SIGQUIT');
      await running?.ended;
      running = undefined;
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

/** The shared store: one, two and four processes on one server, against bare inserts by as many processes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Client } from 'pg';
import { migrate } from '@countersign/postgres';
import { hasPostgres, startPostgres, type Postgres } from '../test/support/postgres.ts';
import { estimate, interval, printSection, type Line } from './measure.ts';
import type { Mode, Work } from './postgres-process.ts';

const script = fileURLToPath(new URL('postgres-process.ts', import.meta.url));
const modes: readonly Mode[] = ['guarded', 'inserts', 'batched inserts'];
const counts = [1, 2, 4] as const;

export async function benchPostgres(quick: boolean): Promise<void> {
  if (!hasPostgres) {
    process.stdout.write('\nPostgreSQL: skipped, there is no server on this machine\n');
    return;
  }
  const server = await startPostgres();
  try {
    const lines: Line[] = [];
    for (const callers of [1, 50]) lines.push(...(await compare(await prepare(server), callers, quick)));
    printSection('Shared store (PostgreSQL): calls per second, two durable writes each', lines);
  } finally {
    await server.stop();
  }
}

interface Urls {
  readonly runtime: string;
  readonly bare: string;
}

async function prepare({ url }: Postgres): Promise<Urls> {
  await execute(url, 'DROP DATABASE IF EXISTS bench');
  await execute(url, 'CREATE DATABASE bench');
  const owner = url.replace(/postgres$/, 'bench');
  await migrate({ connectionString: owner });
  await execute(
    owner,
    `DO $$ BEGIN CREATE ROLE bench LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
     GRANT countersign_runtime TO bench;
     CREATE TABLE bare (seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, hash text NOT NULL, body text NOT NULL);
     GRANT INSERT ON bare TO bench`,
  );
  const login = owner.replace('postgres@', 'bench@');
  return { runtime: login, bare: login };
}

export async function execute(connectionString: string, text: string): Promise<void> {
  const client = new Client({ connectionString });
  await client.connect();
  await client.query(text);
  await client.end();
}

/** Every round runs each mode with each number of processes once. */
async function compare({ runtime, bare }: Urls, callers: number, quick: boolean): Promise<Line[]> {
  const perSecond = new Map<string, number[]>();
  const milliseconds = quick ? 1_000 : 3_000;
  for (let round = 0; round < (quick ? 3 : 7); round += 1) {
    for (const processes of counts) {
      for (const mode of modes) {
        const work = { mode, url: mode === 'guarded' ? runtime : bare, callers, milliseconds };
        const name = `${mode} ${processes}`;
        perSecond.set(name, [
          ...(perSecond.get(name) ?? []),
          (await runProcesses(work, processes)) / (milliseconds / 1e3),
        ]);
      }
    }
  }
  const of = (mode: Mode, processes: number): readonly number[] => perSecond.get(`${mode} ${processes}`) ?? [];
  const against = (mode: Mode, processes: number) =>
    estimate(of('guarded', processes).map((each, round) => each / (of(mode, processes)[round] ?? Number.NaN)));
  return counts.flatMap((processes): Line[] => [
    {
      what: `${processes} × ${callers} callers: guarded, inserts, batched inserts`,
      measured: modes.map((mode) => `${estimate(of(mode, processes)).median.toFixed(0)} /s`).join(', '),
    },
    { what: '  guarded / inserts', measured: interval(against('inserts', processes)) },
    { what: '  guarded / batched inserts', measured: interval(against('batched inserts', processes)) },
  ]);
}

async function runProcesses(work: Work, processes: number): Promise<number> {
  const children = Array.from({ length: processes }, () => {
    const child = spawn(process.execPath, ['--no-warnings', script, JSON.stringify(work)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines = createInterface({ input: child.stdout });
    return { child, lines, ended: once(child, 'close') };
  });
  await Promise.all(children.map(({ lines }) => once(lines, 'line')));
  const counted = children.map(async ({ lines }) => Number((await once(lines, 'line'))[0]));
  for (const { child } of children) child.stdin.write('go\n');
  const done = await Promise.all(counted);
  await Promise.all(children.map(({ ended }) => ended));
  return done.reduce((sum, each) => sum + each, 0);
}

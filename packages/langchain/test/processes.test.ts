/** Pause in one process, resume in others, over a checkpointer in a real PostgreSQL. */
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect } from 'vitest';
import { startPostgres, withPostgres, type Postgres } from '../../../test/support/postgres.ts';
import { verifies } from '../../../test/verifies.ts';
import type { Job, JobResult } from './support/agent-process.ts';
import { fixture, type Fixture } from './support/fixture.ts';

const script = fileURLToPath(new URL('support/agent-process.ts', import.meta.url));
let postgres: Postgres | undefined;

beforeAll(async () => {
  postgres = await startPostgres().catch(() => undefined);
});
afterAll(() => postgres?.stop());

interface Scene {
  readonly f: Fixture;
  readonly run: (job: Partial<Job>) => Promise<JobResult | undefined>;
  readonly runs: () => readonly string[];
}

function scene(native: boolean): Scene {
  const f = fixture();
  const log = join(f.shared.directory, 'runs.log');
  const base: Job = { shared: f.shared, url: String(postgres?.url), thread: randomUUID(), native, resume: false, log };
  return {
    f,
    runs: () => (existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : []),
    run: (job) =>
      new Promise((resolve, reject) => {
        execFile(
          process.execPath,
          [script, JSON.stringify({ ...base, ...job })],
          { timeout: 50_000 },
          (error, stdout, stderr) => {
            if (error === null) resolve(JSON.parse(stdout) as JobResult);
            else if (error.code === 9) resolve(undefined);
            else reject(new Error(stderr, { cause: error }));
          },
        );
      }),
  };
}

const using = { using: withPostgres, timeout: 60_000 };

verifies(
  ['APR-8', 'APR-5', 'APR-4'],
  'paused in one process, resumed at the same time in two others: the body runs once',
  async () => {
    const { f, run, runs } = scene(false);
    expect(await run({})).toEqual({ interrupts: 1, results: [] });
    expect(await run({ resume: true })).toEqual({ interrupts: 1, results: [] });
    expect(runs()).toEqual([]);
    await f.decideAll('approve');
    const both = await Promise.all([run({ resume: true }), run({ resume: true })]);
    expect(both).toEqual([1, 2].map(() => ({ interrupts: 0, results: ['c_0_0 success send 1 ok'] })));
    expect(runs()).toEqual(['send:1']);
  },
  using,
);

verifies(
  'ADP-3',
  'by itself the framework runs it in both',
  async () => {
    const { run, runs } = scene(true);
    await run({});
    await Promise.all([run({ resume: true }), run({ resume: true })]);
    expect(runs()).toEqual(['send:1', 'send:1']);
  },
  using,
);

verifies(
  'REL-2',
  'killed in the body: the next process does not run it again and says that the outcome is unknown',
  async () => {
    const { f, run, runs } = scene(false);
    await run({});
    await f.decideAll('approve');
    expect(await run({ resume: true, crash: true })).toBeUndefined();
    const after = await run({ resume: true });
    expect(after?.results).toEqual([expect.stringContaining('its outcome is not known')]);
    expect(runs()).toEqual(['send:1']);
  },
  using,
);

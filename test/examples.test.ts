import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { openLedger, readKeyFile } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { problemsOf } from '../examples/demo/check.ts';
import { createChildren } from '../examples/demo/children.ts';
import { frameworkNames } from '../examples/demo/frameworks/framework.ts';
import { createPlace } from '../examples/demo/place.ts';
import type { CallRow, Summary } from '../examples/demo/report.ts';
import { hasBao, withBao } from './support/bao.ts';
import { part } from './support/parts.ts';
import { withPostgres } from './support/postgres.ts';
import { repositoryRoot } from './support/repository.ts';
import { verifies } from './verifies.ts';

const timeout = 120_000;
let temporary: string;
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'countersign-examples-'));
});
afterEach(() => rmSync(temporary, { recursive: true, force: true }));

interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** With no key in the environment, and a folder of its own for whatever it leaves behind. */
function start(
  command: string,
  args: readonly string[],
): { readonly child: ChildProcess; readonly ended: Promise<Ran> } {
  const child = spawn(command, args, {
    cwd: repositoryRoot,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: temporary, TMPDIR: temporary },
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text));
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
  return { child, ended };
}

const demo = (...args: string[]): ReturnType<typeof start> =>
  start(process.execPath, ['examples/demo/main.ts', ...args]);

function example(name: string, ...args: string[]): Promise<Ran> {
  return start(process.execPath, [`examples/${name}/main.ts`, ...args]).ended;
}

function expectWholeStory({ code, stdout, stderr }: Ran): void {
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toMatch(/tickets_read +low +allow +- +completed +1 x/);
  expect(stdout).toMatch(/tickets_comment +medium +review +approved by carol +completed +1 x/);
  expect(stdout).toMatch(/customers_delete +high +deny +- +not run +0 x/);
  expect(stdout).toMatch(/deploy_production +high +review +approved by carol +completed +1 x/);
  // Nobody had decided; then a person had; then the same state came once more.
  expect([...stdout.matchAll(/deployments seen so far: (\d)/g)].map(([, count]) => count)).toEqual(['0', '1', '1']);
  expect(stdout).toMatch(/ledger verified: \d+ records/);
  expect(stdout).toMatch(/leases: 3 issued, 3 revoked/);
  // oxlint-disable-next-line no-control-regex
  expect(stdout).not.toMatch(/\u001b/);
}

/** Processes that were started for this test and are still there. */
function leftovers(): readonly string[] {
  const processes = execFileSync('ps', ['-eo', 'pid,args', '-ww'], { encoding: 'utf8' }).split('\n');
  return processes.filter((line) => line.includes(temporary));
}

verifies(
  ['CRD-2', 'CRD-3'],
  'the Vault example leaves no role in the database',
  async () => {
    // The database server runs as a user of its own, below this folder.
    chmodSync(temporary, 0o711);
    const ran = await example('vault');
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringContaining('As promised') as string });
  },
  { using: hasBao ? withPostgres : withBao, timeout },
);

test(
  'the quickstart does what the README says',
  async () => {
    const ran = await example('quickstart');
    expect(ran).toMatchObject({ code: 0, stderr: expect.not.stringContaining('Error') });
    expect(ran.stdout).toContain('ledger verified');
  },
  timeout,
);

test(
  'the approvals example waits for a person, and runs once they have approved',
  async () => {
    const ran = await example('approvals');
    expect(ran).toMatchObject({ code: 0, stderr: expect.not.stringContaining('Error') });
    expect(ran.stdout).toContain('deployed 1.4.2');
  },
  timeout,
);

describe('the demo', () => {
  verifies(
    ['OPS-4', 'APR-1', 'APR-8', 'APR-10', 'REL-1'],
    'tells its whole story with no account and no key, in processes of their own, and leaves nothing behind',
    async () => {
      expectWholeStory(await example('demo', '--scripted'));
      expect(leftovers()).toEqual([]);
      expect(readdirSync(temporary)).toEqual([]);
    },
    { timeout },
  );

  verifies(
    ['OPS-4', 'ADP-2', 'ADP-3', 'APR-5', 'APR-8'],
    'tells the same story on the OpenAI Agents SDK and on LangChain: each resumes in a new process, and deploys once',
    async () => {
      const others = frameworkNames.filter((name) => name !== 'ai-sdk');
      expect(others).toEqual(['openai-agents', 'langchain']);
      const told = await Promise.all(others.map((name) => example('demo', '--scripted', '--framework', name)));
      for (const [index, ran] of told.entries()) {
        expectWholeStory(ran);
        expect(ran.stdout).toContain(`Countersign demo: ${others[index]}`);
      }
      expect(leftovers()).toEqual([]);
      expect(readdirSync(temporary)).toEqual([]);
    },
    { timeout },
  );

  verifies('AUD-1', 'writes down what was only counted of a flood of guesses before it ends', async () => {
    const place = createPlace();
    onTestFinished(() => rmSync(place.folder, { recursive: true, force: true }));
    const children = createChildren(place.moduleCache);
    onTestFinished(() => children.endAll());
    const { ready } = await children.serve('approvals', place.folder);
    const headers = { authorization: 'Bearer guess' };
    for (let guesses = 0; guesses < 15; guesses += 1) {
      expect((await fetch(`${String(ready['url'])}/approvals`, { headers })).status).toBe(401);
    }
    await children.endAll();
    const store = sqliteStore({ path: place.store });
    const counts: number[] = [];
    const ledger = openLedger({ store, key: readKeyFile(place.auditKey) });
    for await (const { event, count = 1 } of ledger.query({ tenant: 'acme' }))
      if (event === 'refused') counts.push(count);
    await store.close();
    expect(counts).toEqual([...Array.from({ length: 10 }, () => 1), 5]);
  });

  verifies('APR-2', 'approves nothing where there is nobody to ask, and starts nothing', async () => {
    for (const args of [[], ['--framework', 'constructor', '--scripted'], ['--approve']]) {
      const ran = await demo(...args).ended;
      expect(ran).toMatchObject({ code: 2, stdout: '' });
      expect(ran.stderr).toContain('--scripted');
    }
    expect(readdirSync(temporary)).toEqual([]);
  });

  verifies(
    ['APR-1', 'APR-2'],
    'asks a person in the terminal: what they reject does not run',
    async () => {
      const command = `'${process.execPath}' examples/demo/main.ts`;
      const { child, ended } = start('script', ['--quiet', '--return', '--command', command, '/dev/null']);
      // Answers typed before their question count for nothing.
      const answers = ['approve\n', 'reject\n', 'not on a Friday\n'];
      let shown = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        shown += chunk.toString();
        if (!/(?:decides nothing\)|Reason): $/.test(shown)) return;
        shown = '';
        child.stdin?.write(answers.shift() ?? '');
      });
      const { code, stdout } = await ended;
      expect(stdout).toMatch(/tickets_comment +medium +review +approved by carol +completed +1 x/);
      expect(stdout).toMatch(/deploy_production +high +review +rejected by carol +not run +0 x/);
      expect(code).toBe(0);
    },
    { timeout, using: part('script', hasScript(), 'no util-linux `script` to make a terminal with') },
  );

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(
      `ended by ${signal} in the middle, it ends its processes and removes its state`,
      async () => {
        const { child, ended } = demo('--scripted');
        await said(child, /1\. The agent/);
        child.kill(signal);
        expect(await ended).toMatchObject({ code: signal === 'SIGINT' ? 130 : 143 });
        expect(leftovers()).toEqual([]);
        expect(readdirSync(temporary)).toEqual([]);
      },
      timeout,
    );
  }

  test(
    'killed without a chance to clean up, it leaves no process behind',
    async () => {
      const { child, ended } = demo('--scripted');
      await said(child, /1\. The agent/);
      child.kill('SIGKILL');
      await ended;
      await expect.poll(leftovers, { timeout: 15_000 }).toEqual([]);
    },
    timeout,
  );
});

describe('the demo finds', () => {
  const row = (tool: string, risk: string, decision: string, vote: string, outcome: string, seen: number): CallRow => ({
    tool,
    risk,
    decision,
    vote,
    outcome,
    seen,
  });
  const calls = [
    row('tickets_read', 'low', 'allow', '-', 'completed', 1),
    row('tickets_comment', 'medium', 'review', 'approved by carol', 'completed', 1),
    row('customers_delete', 'high', 'deny', '-', 'not run', 0),
    row('deploy_production', 'high', 'review', 'approved by carol', 'completed', 1),
  ];
  const good: Summary = {
    calls,
    leases: { issued: 3, revoked: 3 },
    spans: [],
    service: [1, 2, 3].map((count) => ({ operation: `/${count}`, status: 200 })),
    verification: { ok: true, records: 9, writers: [], problems: [], heads: [] },
    story: {
      run: 'run_1',
      scriptedModel: true,
      scriptedApprover: true,
      suspended: true,
      deployments: { claimed: 0, resumed: 1, replayed: 1 },
      worker: [1, 0],
      withoutToken: 401,
      console: 200,
    },
  };
  const withCall = (index: number, change: Partial<CallRow>): Partial<Summary> => ({
    calls: calls.map((call, at) => (at === index ? { ...call, ...change } : call)),
  });
  const withStory = (change: Partial<Summary['story']>): Partial<Summary> => ({ story: { ...good.story, ...change } });

  test('nothing when everything happened as it must', () => {
    expect(problemsOf(good)).toEqual([]);
  });

  test.each<[string, Partial<Summary>]>([
    ['a ledger that does not verify', { verification: { ...good.verification, ok: false } }],
    ['an empty ledger', { verification: { ...good.verification, records: 0 } }],
    ['a lease that was not revoked', { leases: { issued: 3, revoked: 2 } }],
    ['a call that reached the service twice', withCall(3, { seen: 2 })],
    ['a denied call that ran', withCall(2, { outcome: 'completed', seen: 1 })],
    ['a call that ran without its vote', withCall(3, { vote: '-' })],
    ['an approved call that did not run', withCall(1, { outcome: 'not run', seen: 0 })],
    ['a high risk that was allowed', withCall(3, { decision: 'allow', vote: '-' })],
    ['a call that is missing', { calls: calls.slice(1) }],
    ['an effect that the ledger does not know', { service: [...good.service, { operation: '/4', status: 200 }] }],
    ['a deployment on the word of the chat', withStory({ deployments: { claimed: 1, resumed: 1, replayed: 1 } })],
    ['a replay that deployed', withStory({ deployments: { claimed: 0, resumed: 1, replayed: 2 } })],
    ['a worker that ran a call twice', withStory({ worker: [1, 1] })],
    ['a run that was not suspended', withStory({ suspended: false })],
    ['a service that serves anybody', withStory({ withoutToken: 200 })],
    ['a console that does not answer', withStory({ console: 500 })],
  ])('%s', (_, change) => {
    expect(problemsOf({ ...good, ...change })).not.toEqual([]);
  });
});

function said(child: ChildProcess, pattern: RegExp): Promise<void> {
  let text = '';
  return new Promise((resolve) => {
    child.stdout?.on('data', (chunk: string) => {
      text += chunk;
      if (pattern.test(text)) resolve();
    });
  });
}

function hasScript(): boolean {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux');
  } catch {
    return false;
  }
}

test('every example is run here', () => {
  const names = readdirSync(join(repositoryRoot, 'examples'), { withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  );
  const own = readFileSync(join(repositoryRoot, 'test', 'examples.test.ts'), 'utf8');
  expect(names.filter(({ name }) => !own.includes(`example('${name}'`)).map(({ name }) => name)).toEqual([]);
});

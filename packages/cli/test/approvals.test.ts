import { execFile, execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { RequestListener, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { part } from '../../../test/support/parts.ts';
import { verifies } from '../../../test/verifies.ts';
import { commandFile, countersign, createWorld, hostile, listen, type World } from './support/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());

const digestOf = async (id: string): Promise<string> => {
  const { stdout } = await countersign(['approvals', 'show', id, ...world.asCarol, '--json']);
  return (JSON.parse(stdout) as { digest: string }).digest;
};
const stateOf = async (id: string): Promise<string> => {
  const { stdout } = await countersign(['approvals', 'show', id, ...world.asCarol, '--json']);
  return (JSON.parse(stdout) as { state: string }).state;
};

describe('approvals', () => {
  verifies(['APR-9', 'OPS-2'], 'are shown with where each argument came from', async () => {
    const id = await world.request();
    const shown = await countersign(['approvals', 'show', id, ...world.asCarol]);
    expect(shown.stdout).toContain('  came from  NOT TRUSTED the model: "/version"\n');
    const json = await countersign(['approvals', 'show', id, ...world.asCarol, '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({
      provenance: [{ pointer: '/version', origin: 'model', trusted: false }],
    });
  });

  verifies(['OPS-2', 'APR-6'], 'are listed, shown, approved with the digest that was shown, and final', async () => {
    const id = await world.request();
    const listed = await countersign(['approvals', 'list', ...world.asCarol]);
    expect(listed).toMatchObject({ code: 0, stderr: '' });
    expect(listed.stdout).toContain(id);
    const shown = await countersign(['approvals', 'show', id, ...world.asCarol]);
    expect(shown.stdout).toContain('{"version":"1.2.3"}');
    const digest = await digestOf(id);
    const approve = ['approvals', 'approve', id, ...world.asCarol, '--digest', digest, '--reason', 'release day'];
    expect(await countersign(approve)).toMatchObject({ code: 0, stdout: `approved: ${id}\n` });
    expect(await countersign(approve)).toMatchObject({ code: 4, stdout: '' });
    expect(await countersign(['approvals', 'reject', id, ...world.asCarol])).toMatchObject({ code: 4 });
    expect((await countersign(['approvals', 'show', id, ...world.asCarol])).stdout).toContain('approved by carol');
    expect((await countersign(['approvals', 'list', '--state', 'approved', ...world.asCarol])).stdout).toContain(id);
  });

  verifies('OPS-2', 'are listed as far as asked, and what is left out is said', async () => {
    for (const version of ['a', 'b']) await world.request({ version });
    const list = (...more: string[]) => countersign(['approvals', 'list', ...world.asCarol, ...more]);
    expect((await list('--limit', '1')).stdout).toMatch(/there are more than these 1: see --limit\n$/);
    expect((await list()).stdout).not.toContain('there are more');
    const { stdout } = await list('--limit', '1', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ approvals: [{ tool: 'deploy' }], more: true });
    expect((await list('--run', 'run-1')).stdout).toContain('deploy');
    expect(await list('--run', 'run-2')).toMatchObject({ code: 0, stdout: 'no pending approvals\n' });
    for (const limit of ['0', '-1', '1e3', '10001', ''])
      expect(await list('--limit', limit)).toMatchObject({ code: 2 });
  });

  verifies(['APR-7', 'OPS-2'], 'are edited: new arguments, a new digest, and nothing approved', async () => {
    const id = await world.request();
    const before = await digestOf(id);
    writeFileSync(world.path('edited.json'), '{ "version": "1.2.4" }');
    const edit = ['approvals', 'edit', id, ...world.asCarol, '--arguments-file', world.path('edited.json')];
    const edited = await countersign([...edit, '--digest', before]);
    expect(edited.code).toBe(0);
    expect(edited.stdout).toContain('{"version":"1.2.4"}');
    expect(edited.stdout).toContain('model sent {"version":"1.2.3"}');
    expect(await stateOf(id)).toBe('pending');
    expect(await countersign([...edit, '--digest', before])).toMatchObject({ code: 4 });
    expect(await countersign(['approvals', 'approve', id, ...world.asCarol, '--digest', before])).toMatchObject({
      code: 4,
    });
    writeFileSync(world.path('edited.json'), '{ "version": ');
    expect(await countersign(edit)).toMatchObject({ code: 4, stdout: '' });
  });

  test('are printed as JSON in a shape that scripts can rely on', async () => {
    const id = await world.request();
    const { stdout } = await countersign(['approvals', 'list', ...world.asCarol, '--json']);
    const { approvals } = JSON.parse(stdout) as { approvals: Record<string, unknown>[] };
    const [approval] = approvals.filter((candidate) => candidate['id'] === id);
    expect(Object.keys(approval ?? {}).toSorted()).toEqual(
      [
        ...[
          'agent',
          'arguments',
          'capability',
          'consumed',
          'createdAt',
          'delegation',
          'digest',
          'expiresAt',
          'id',
          'mode',
        ],
        ...[
          'policyVersion',
          'provenance',
          'requester',
          'risk',
          'rule',
          'run',
          'slot',
          'source',
          'state',
          'tenant',
          'tool',
          'votes',
        ],
      ].toSorted(),
    );
    const rejected = await countersign([
      'approvals',
      'reject',
      id,
      ...world.asCarol,
      '--reason',
      'not today',
      '--json',
    ]);
    expect(JSON.parse(rejected.stdout)).toMatchObject({
      id,
      state: 'rejected',
      votes: [{ approver: 'carol', verdict: 'reject', reason: 'not today', time: expect.any(Number) }],
    });
  });

  test('take address and token from the environment too', async () => {
    const token = execFileSync('cat', [world.tokenFiles.carol], { encoding: 'utf8' }).trim();
    const environment = { COUNTERSIGN_URL: world.url, COUNTERSIGN_APPROVER_TOKEN: token };
    expect(await countersign(['approvals', 'list'], environment)).toMatchObject({ code: 0 });
    expect(await countersign(['approvals', 'list'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--url'),
    });
    expect(await countersign(['approvals', 'list', '--url', world.url])).toMatchObject({ code: 2 });
  });
});

describe('nothing is approved', () => {
  verifies(
    ['APR-2', 'APR-9'],
    'blindly: without a digest where nobody can be asked, or with the digest of another request',
    async () => {
      const id = await world.request({ version: 'mine' });
      const other = await digestOf(await world.request({ version: 'other' }));
      const approve = ['approvals', 'approve', id, ...world.asCarol];
      expect(await countersign(approve)).toMatchObject({ code: 2, stdout: '' });
      expect(await countersign([...approve, '--digest', other])).toMatchObject({ code: 4, stdout: '' });
      expect(await countersign([...approve, '--digest', ''])).toMatchObject({ code: 4, stdout: '' });
      expect(await countersign(['approvals', 'review', ...world.asCarol])).toMatchObject({ code: 2 });
      expect(await stateOf(id)).toBe('pending');
    },
  );

  verifies(
    'APR-6',
    'by a stranger, by another tenant, by the requester, or with a token file that others can read',
    async () => {
      const id = await world.request();
      const digest = await digestOf(id);
      for (const who of ['stranger', 'gus', 'alice', 'readable'] as const) {
        const ran = await countersign([
          'approvals',
          'approve',
          id,
          '--url',
          world.url,
          '--token-file',
          world.tokenFiles[who],
          '--digest',
          digest,
        ]);
        expect({ who, ...ran }).toMatchObject({ who, code: 4, stdout: '' });
      }
      const ran = await countersign([
        'approvals',
        'list',
        '--url',
        world.url,
        '--token-file',
        world.tokenFiles.readable,
      ]);
      expect(ran.stderr).toMatch(/mode 0600, got 0644/);
      expect(await stateOf(id)).toBe('pending');
    },
  );

  const typing = part('script', hasScript(), 'no util-linux `script` to make a terminal with');
  for (const [typed, code, state] of [
    ['approve', 0, 'approved'],
    ['yes', 4, 'pending'],
    ['', 4, 'pending'],
  ] as const) {
    verifies(
      'APR-2',
      `in a terminal where a person types "${typed}": ${state}`,
      async () => {
        const id = await world.request({ typed });
        expect(await inTerminal(['approvals', 'approve', id, ...world.asCarol], `${typed}\n`)).toMatchObject({ code });
        expect(await stateOf(id)).toBe(state);
      },
      { using: typing },
    );
  }
});

describe('hostile arguments', () => {
  verifies(
    ['APR-9', 'REL-4'],
    'of a call reach neither the terminal nor JSON as control characters, in no command',
    async () => {
      const id = await world.request({ version: hostile });
      // oxlint-disable-next-line no-control-regex
      const interpreted = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/u;
      for (const command of [
        ['list', '--state', 'all'],
        ['show', id],
        ['show', id, '--json'],
        ['approve', id],
        ['show', hostile],
        [`--${hostile}`],
      ]) {
        const { stdout, stderr } = await countersign(['approvals', ...command, ...world.asCarol]);
        expect(`${stdout}${stderr}`).not.toBe('');
        expect(`${stdout}${stderr}`).not.toMatch(interpreted);
      }
      const { stdout } = await countersign(['approvals', 'show', id, ...world.asCarol, '--json']);
      const { arguments: text } = JSON.parse(stdout) as { arguments: string };
      expect(JSON.parse(text)).toEqual({ version: hostile });
    },
  );
});

describe('a service that is not well', () => {
  const strange: readonly [string, RequestListener, RegExp][] = [
    ['answers no JSON', (_, response) => void response.end('<html>'), /not an approvals service/],
    [
      'answers other JSON',
      (_, response) => void response.end('{"approvals": [{"id": 1}]}'),
      /not an approvals service/,
    ],
    ['answers null', (_, response) => void response.end('null'), /not an approvals service/],
    ['redirects', (_, response) => void response.writeHead(307, { location: '/elsewhere' }).end(), /redirect/],
    ['hangs up', (request) => void request.socket.destroy(), /did not answer/],
    ['is broken', (_, response) => void response.writeHead(500).end('{}'), /500/],
    ['never stops answering', (_, response) => pour(response), /longer than/],
  ];
  for (const [name, listener, message] of strange) {
    test(`and ${name} is exit code 3, with nothing on stdout`, async () => {
      const server = await listen(listener);
      const ran = await countersign(['approvals', 'list', '--url', server.url, '--token-file', world.tokenFiles.carol]);
      await server.close();
      expect(ran).toMatchObject({ code: 3, stdout: '', stderr: expect.stringMatching(message) });
    });
  }

  test('shows another approval than the one asked for: nothing is decided', async () => {
    const id = await world.request({ version: 'wanted' });
    const { stdout } = await countersign([
      'approvals',
      'show',
      await world.request({ version: 'swapped' }),
      ...world.asCarol,
      '--json',
    ]);
    const server = await listen((_, response) => void response.end(stdout));
    const { digest } = JSON.parse(stdout) as { digest: string };
    const args = [
      'approvals',
      'approve',
      id,
      '--url',
      server.url,
      '--token-file',
      world.tokenFiles.carol,
      '--digest',
      digest,
    ];
    expect(await countersign(args)).toMatchObject({ code: 3, stdout: '' });
    await server.close();
  });

  test('or is not there is exit code 3; as JSON the error says so on stderr', async () => {
    const gone = await listen((_request, response) => response.end());
    await gone.close();
    const args = ['approvals', 'list', '--url', gone.url, '--token-file', world.tokenFiles.carol, '--json'];
    const ran = await countersign(args);
    expect(ran).toMatchObject({ code: 3, stdout: '' });
    expect(JSON.parse(ran.stderr)).toEqual({
      error: { code: 'unreachable', message: expect.stringContaining('127.0.0.1') },
    });
  });

  test('a token goes over plain http to this machine only, and never elsewhere', async () => {
    for (const url of [
      'http://approvals.example',
      'http://127.0.0.1.evil.example',
      'ftp://127.0.0.1',
      'approvals',
      'http://localhost.evil.example',
    ]) {
      const ran = await countersign(['approvals', 'list', '--url', url, '--token-file', world.tokenFiles.carol]);
      expect({ url, ...ran }).toMatchObject({ url, code: 2, stdout: '' });
    }
  });

  test('a token file that holds no token is refused before anything is sent', async () => {
    writeFileSync(world.path('odd.token'), 'a\r\nX-Evil: 1', { mode: 0o600 });
    const ran = await countersign(['approvals', 'list', '--url', world.url, '--token-file', world.path('odd.token')]);
    expect(ran).toMatchObject({ code: 4, stdout: '' });
    expect(ran.stderr).not.toContain('Evil');
  });
});

describe('approvals load', () => {
  verifies(['APR-11', 'OPS-2'], 'says from the store what approvals ask of people, as text and as JSON', async () => {
    const own = await createWorld();
    try {
      const ids = [await own.request(), await own.request(), await own.request()];
      const asCarol = ['--url', own.url, '--token-file', own.tokenFiles.carol];
      await countersign(['approvals', 'reject', ids[0] ?? '', ...asCarol]);
      const args = ['approvals', 'load', '--store', own.store, '--key-file', own.keyFile, '--tenant', 'acme'];
      const { stdout, code } = await countersign([...args, '--window', '24h', '--json']);
      expect(code).toBe(0);
      const [tool] = (JSON.parse(stdout) as { tools: unknown[] }).tools;
      expect(JSON.parse(stdout)).toMatchObject({
        ...{ tenant: 'acme', requests: 3, approved: 0, rejected: 1, pending: 2, perHour: 3 / 24, votes: 1 },
        ...{ approvers: [{ approver: 'carol', votes: 1, approvals: 0 }], complete: true, unreadEdits: 0 },
      });
      expect(tool).toMatchObject({ tool: 'deploy', source: 'local', requests: 3, rejected: 1, pending: 2 });
      const shown = await countersign(args);
      expect(shown).toMatchObject({ code: 0, stderr: '' });
      expect(shown.stdout).toContain('3 requests, 0.02 an hour');
      expect(shown.stdout).toContain('0 approved, 1 rejected, 0 expired');
      expect(shown.stdout).toMatch(/carol +1 +0 %/);
      const past = await countersign([...args, '--until', '2020-01-01']);
      expect(past.stdout).toContain('0 requests, 0.00 an hour');
      expect(past.stdout).toContain('approve rate -');
      const other = [...args.slice(0, -1), 'globex', '--json'];
      expect(JSON.parse((await countersign(other)).stdout)).toMatchObject({ requests: 0, approvers: [] });
    } finally {
      await own.close();
    }
  });

  test('a window that is none, and a key of another store, are refused', async () => {
    const args = ['approvals', 'load', '--store', world.store, '--tenant', 'acme'];
    for (const window of ['0h', '-1h', '1', 'h', '367d', '1e3h', '99999999d']) {
      const ran = await countersign([...args, '--key-file', world.keyFile, '--window', window]);
      expect({ window, ...ran }).toMatchObject({ window, code: 2, stdout: '' });
    }
    const ran = await countersign([...args, '--key-file', world.path('votes.key')]);
    expect([ran.code === 0, ran.stdout]).toEqual([false, '']);
  });
});

function pour(response: ServerResponse): void {
  const timer = setInterval(() => response.write(Buffer.alloc(1_000_000, 32)), 1);
  response.once('close', () => clearInterval(timer));
}

function hasScript(): boolean {
  try {
    return execFileSync('script', ['--version'], { encoding: 'utf8' }).includes('util-linux');
  } catch {
    return false;
  }
}

/** Runs the command on a terminal of its own, where `typed` is typed. */
async function inTerminal(args: readonly string[], typed: string): Promise<{ readonly code: number }> {
  const command = [process.execPath, commandFile, ...args].map((word) => `'${word}'`).join(' ');
  const running = promisify(execFile)('script', ['--quiet', '--return', '--command', command, '/dev/null']);
  running.child.stdin?.end(typed);
  return running.then(
    () => ({ code: 0 }),
    (error: unknown) => ({ code: (error as { code: number }).code }),
  );
}

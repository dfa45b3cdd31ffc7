import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { createReceiver, type Receiver } from '../../otlp/test/support/receiver.ts';
import { commandFile, countersign, createWorld, type World } from './support/world.ts';

let world: World;
let receiver: Receiver;
beforeAll(async () => {
  world = await createWorld();
  await world.call('read', { ticket: 'from bob@example.com' });
});
afterAll(() => world.close());
beforeEach(async () => {
  receiver = await createReceiver();
});
afterEach(() => receiver.stop());

const run = (name: string, ...more: string[]): readonly string[] => [
  ...['outbox', 'run', '--store', world.store, '--endpoint', receiver.url, '--name', name, ...more],
];

describe('outbox run', () => {
  verifies(['AUD-5', 'OPS-2'], 'delivers what there is, once, and says how much', async () => {
    expect(await countersign(run('a', '--once'))).toEqual({ code: 0, stdout: '3 delivered, 0 waiting\n', stderr: '' });
    expect(await countersign(run('a', '--once'))).toMatchObject({ code: 0, stdout: '0 delivered, 0 waiting\n' });
    expect([receiver.taken.size, new Set(receiver.taken.values())]).toEqual([3, new Set([2])]);
  });

  verifies(['AUD-5', 'AUD-1'], 'sends what was sealed only with the audit key', async () => {
    const sent = async (...more: string[]): Promise<string> => {
      await countersign(run(`disclose-${more.length}`, '--once', '--encoding', 'json', '--signals', 'traces', ...more));
      return JSON.stringify(receiver.requests.at(-1)?.body);
    };
    expect(await sent()).not.toContain('alice');
    expect(await sent('--disclose-with', world.keyFile)).toContain('"alice"');
    const wrong = await countersign(run('b', '--once', '--disclose-with', world.tokenFiles.readable));
    expect(wrong).toMatchObject({ code: 4, stdout: '' });
  });

  verifies(['AUD-5', 'OPS-2'], 'ends with 3 when the receiver does not take it, and drops nothing', async () => {
    receiver.answer = () => ({ status: 503 });
    const ran = await countersign(run('c', '--once', '--json'));
    expect(ran.code).toBe(3);
    expect(JSON.parse(ran.stdout)).toMatchObject({
      delivered: 0,
      backlog: 3,
      problems: [expect.stringContaining('503')],
    });
    receiver.answer = () => undefined;
    expect(await countersign(run('c', '--once'))).toMatchObject({ code: 0, stdout: '3 delivered, 0 waiting\n' });
  });

  verifies('CRD-7', 'takes keys of the receiver from a private file, and repeats none', async () => {
    writeFileSync(world.path('headers'), 'Authorization: Bearer hunter2\nx-scope: acme\n', { mode: 0o600 });
    writeFileSync(world.path('broken'), 'hunter2\n', { mode: 0o600 });
    writeFileSync(world.path('shown'), 'authorization: hunter2\n', { mode: 0o644 });
    expect(await countersign(run('d', '--once', '--headers-file', world.path('headers')))).toMatchObject({ code: 0 });
    expect(receiver.requests[0]?.headers).toMatchObject({ authorization: 'Bearer hunter2', 'x-scope': 'acme' });
    for (const [file, code] of [
      ['broken', 2],
      ['shown', 4],
    ] as const) {
      const ran = await countersign(run('e', '--once', '--headers-file', world.path(file)));
      expect(ran.code).toBe(code);
      expect(ran.stdout + ran.stderr).not.toContain('hunter2');
    }
  });

  verifies(['AUD-5', 'OPS-2'], 'goes on until it is told to end, and then ends at once', async () => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', commandFile, ...run('f')], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve) => child.stdout.once('data', () => resolve()));
    const before = receiver.taken.size;
    await world.call('read', { ticket: 2 });
    await expect.poll(() => receiver.taken.size, { timeout: 20_000 }).toBeGreaterThan(before);
    const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve([code, signal])));
    child.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  });
});

describe('outbox status and outbox forget', () => {
  verifies(['AUD-5', 'OPS-2'], 'show who is behind, and end a receiver that is used no more', async () => {
    receiver.answer = () => ({ status: 503 });
    await countersign(run('gone', '--once'));
    const status = await countersign(['outbox', 'status', '--store', world.store, '--json']);
    const { receivers } = JSON.parse(status.stdout) as { receivers: readonly { sink: string; waiting: number }[] };
    expect(receivers.find(({ sink }) => sink === 'gone')?.waiting).toBeGreaterThan(0);
    expect((await countersign(['outbox', 'status', '--store', world.store])).stdout).toMatch(/acme +gone +\d+ +0/);
    const forget = ['outbox', 'forget', '--store', world.store, '--name', 'gone'];
    expect(await countersign(forget)).toMatchObject({ code: 0 });
    expect(await countersign(forget)).toMatchObject({ code: 1 });
    expect((await countersign(['outbox', 'status', '--store', world.store])).stdout).not.toContain('gone');
  });
});

import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { sqliteStore } from '@countersign/core/sqlite';
import { verifies } from '../../../test/verifies.ts';
import { createReceiver, type Answer, type Receiver } from './support/receiver.ts';
import { appendRecords } from './support/records.ts';

const batch = 128;
const total = 100_000;

let folder: string;
let receiver: Receiver;
let child: ChildProcess | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-outbox-'));
  receiver = await createReceiver();
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await receiver.stop();
  rmSync(folder, { recursive: true, force: true });
});

function startOutbox(path: string): ChildProcess {
  return fork(join(import.meta.dirname, 'support', 'outbox-process.ts'), [path, receiver.url, String(batch)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
}

async function killed(process: ChildProcess): Promise<void> {
  const exited = new Promise<void>((resolve) => process.once('exit', () => resolve()));
  process.kill('SIGKILL');
  await exited;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}

/** Requests that meet one of these, one after the other. */
const faults: readonly Answer[] = [
  'lost',
  { status: 429, headers: { 'retry-after': '0' } },
  { status: 503 },
  { status: 200, body: '<html>Please sign in</html>' },
  { status: 200, headers: { 'content-type': 'application/x-protobuf' }, body: '\u000a\u007f' },
  'reset',
  'hang',
];

describe('with a collector that is down for a while, answers nonsense, and an outbox that is killed twice', () => {
  verifies(
    'AUD-5',
    `each of ${total} records arrives, also what is written meanwhile`,
    async () => {
      const path = join(folder, 'store.sqlite');
      const [first, second] = [sqliteStore({ path }), sqliteStore({ path })];
      const expected = [...(await appendRecords(first, total / 2)), ...(await appendRecords(second, total / 4))];
      const every = Math.ceil(total / batch / (2 * faults.length));
      receiver.answer = (_received, count) =>
        count % every === 0 ? faults[(count / every - 1) % faults.length] : undefined;

      child = startOutbox(path);
      await until(() => receiver.taken.size > total * 0.2);
      await killed(child);
      expected.push(...(await appendRecords(first, total / 8)));
      child = startOutbox(path);
      await until(() => receiver.taken.size > total * 0.4);
      await receiver.stop();
      expected.push(...(await appendRecords(first, total / 8)));
      await sleep(500);
      await receiver.start();
      await until(() => receiver.taken.size > total * 0.6);
      await killed(child);
      child = startOutbox(path);
      await until(() => receiver.taken.size >= total);

      expect(new Set(receiver.taken.keys())).toEqual(new Set(expected));
      const twice = [...receiver.taken.values()].reduce((sum, count) => sum + count - 1, 0);
      // At most what was in flight when something happened: a batch for each of the faults and kills.
      expect(twice).toBeGreaterThan(0);
      expect(twice).toBeLessThanOrEqual(batch * (receiver.requests.length / every + 3));
      // The numbers in docs/reliability.md.
      process.stdout.write(`${total} records, ${receiver.requests.length} requests, ${twice} again\n`);
      await Promise.all([first.close(), second.close()]);
    },
    { timeout: 300_000 },
  );
});

/** Suspended in one process, approved in another, resumed in a third: nothing but the store and the signed state is shared. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { sqliteStore } from '@countersign/core/sqlite';
import { describe, expect, onTestFinished } from 'vitest';
import { verifies } from '../../../test/verifies.ts';
import { fixture, serve } from './support/fixture.ts';

const script = fileURLToPath(new URL('support/chat-process.ts', import.meta.url));

function request(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on('error', reject);
    child.on('exit', () => resolve(output));
  });
}

describe('several processes', () => {
  verifies(
    ['ADP-2', 'APR-8'],
    'a run that waits survives its process; resumed twice and at the same time, the tool runs once',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'countersign-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      const database = join(folder, 'store.db');
      const state = join(folder, 'state');
      const log = join(folder, 'log');
      const served = await serve([
        { calls: [{ name: 'deploy', id: 'c1', args: { amount: 50 } }] },
        'done',
        'done',
        'done',
        'done',
      ]);
      const f = fixture({ store: sqliteStore({ path: database }) });
      onTestFinished(() => f.countersign.close());
      const args = [database, served.model.baseURL, state, log, f.approvals.publicKey.replaceAll('\n', '\\n')];
      expect(JSON.parse(await request(args))).toEqual({ interruptions: 1 });
      await request(args);
      expect(existsSync(log)).toBe(false);
      await f.decide('approve');
      await Promise.all([request(args), request(args)]);
      await request(args);
      expect(readFileSync(log, 'utf8')).toBe('{"amount":50}\n');
    },
    { timeout: 60_000 },
  );
});

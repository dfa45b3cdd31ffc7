/** A server program for one test file: started on a free port, waited for, and stopped with everything it wrote. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { repositoryRoot } from './repository.ts';

export interface ServerProcess {
  /** Everything it has printed so far. */
  output(): string;
  stop(): Promise<void>;
}

/** Where `scripts/provision` puts the programs that come from PyPI. */
export const pythonPrograms: string = join(repositoryRoot, '.venv', 'bin');

export async function startServerProcess(input: {
  readonly program: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Answers 2xx as soon as the server is there. */
  readonly readyUrl: string;
}): Promise<ServerProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'countersign-server-'));
  const env = { PATH: process.env['PATH'], HOME: directory, ...input.env };
  const child = spawn(input.program, input.args, { cwd: directory, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    const killer = setTimeout(() => child.kill('SIGKILL'), 5_000);
    await ended;
    clearTimeout(killer);
    rmSync(directory, { recursive: true, force: true });
  };
  for (let attempt = 0; !(await answers(input.readyUrl)); attempt += 1) {
    if (attempt === 300 || child.exitCode !== null) {
      await stop();
      throw new Error(`${input.program} did not start: ${output.slice(-2000)}`);
    }
    await sleep(100);
  }
  return { output: () => output, stop };
}

async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(1_000) })).ok;
  } catch {
    return false;
  }
}

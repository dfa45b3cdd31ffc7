/** The AWS API as moto serves it, for one test file, on a free port. It keeps state and enforces no policy. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { part, type Register } from './parts.ts';
import { freePort } from './postgres.ts';
import { pythonPrograms, startServerProcess } from './server-process.ts';

export interface Moto {
  readonly endpoint: string;
  stop(): Promise<void>;
}

const program = join(pythonPrograms, 'moto_server');

export const hasMoto: boolean = existsSync(program);

/** Registers tests that need the server. */
export const withMoto: Register = part('moto', hasMoto, 'no .venv/bin/moto_server; scripts/provision installs it');

export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await startServerProcess({
    program,
    args: ['-H', '127.0.0.1', '-p', String(port)],
    readyUrl: `${endpoint}/moto-api/`,
  });
  return { endpoint, stop: () => server.stop() };
}

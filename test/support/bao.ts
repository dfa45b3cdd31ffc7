/** A real OpenBao server (API-compatible with HashiCorp Vault) for one test file, in memory, on a free port. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { part, type Register } from './parts.ts';
import { freePort } from './postgres.ts';
import { pythonPrograms, startServerProcess } from './server-process.ts';

export interface Bao {
  readonly address: string;
  readonly rootToken: string;
  /** Opens it again after `sys/seal`. */
  readonly unsealKey: string;
  /** One request as root. Answers the body; throws for a status of 400 and above. */
  admin(method: string, path: string, body?: unknown, namespace?: string): Promise<Record<string, unknown>>;
  stop(): Promise<void>;
}

const program = join(pythonPrograms, 'bao');

export const hasBao: boolean = existsSync(program);

/** Registers tests that need the server. */
export const withBao: Register = part(
  'OpenBao',
  existsSync(program),
  'no .venv/bin/bao; scripts/provision installs it',
);

export async function startBao(): Promise<Bao> {
  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  const rootToken = 'root-token-of-a-test-server';
  const server = await startServerProcess({
    program,
    args: ['server', '-dev', `-dev-root-token-id=${rootToken}`, `-dev-listen-address=127.0.0.1:${port}`],
    readyUrl: `${address}/v1/sys/health`,
  });
  // Printed when everything is mounted, which is after the first healthy answer.
  const find = (): string | undefined => /^Unseal Key: (\S+)$/m.exec(server.output())?.[1];
  for (let attempt = 0; find() === undefined && attempt < 100; attempt += 1) await sleep(50);
  const unsealKey = find();
  if (unsealKey === undefined) throw new Error('the OpenBao server printed no unseal key');
  return {
    address,
    rootToken,
    unsealKey,
    async admin(method, path, body, namespace) {
      const response = await fetch(`${address}/v1/${path}`, {
        method,
        headers: { 'X-Vault-Token': rootToken, ...(namespace === undefined ? {} : { 'X-Vault-Namespace': namespace }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      if (response.status >= 400) throw new Error(`${method} ${path}: ${response.status} ${text}`);
      return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
    },
    stop: () => server.stop(),
  };
}

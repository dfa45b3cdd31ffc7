import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { memoryStore } from '@countersign/core';
import { sqliteStore } from '@countersign/core/sqlite';
import { verifies } from '../../../test/verifies.ts';
import { startAuthorizationServer, type TestServer } from './support/authorization-server.ts';
import { live, operation, tenants, type Installation, type Lived } from './support/population.ts';
import { baseUrl } from './support/world.ts';

let server: TestServer;
beforeEach(async () => {
  server = await startAuthorizationServer({ redirectUris: [`${baseUrl}/callback/calendar`] });
  let issued = 0;
  // With a minute of margin, every third access token has to be refreshed at its next use.
  Object.defineProperty(server.lifetimes, 'access', { get: () => ((issued += 1) % 3 === 0 ? 60 : 3_600) });
});
afterEach(() => server.close());

const refreshTokens = (): (string | null)[] =>
  server.tokenRequests
    .filter(({ grant }) => grant === 'refresh_token')
    .map(({ parameters }) => parameters.get('refresh_token'));

/** What a run must have been, to show anything. */
function expectIsolated(lived: Lived, operations: number): void {
  expect(lived.wrong).toEqual([]);
  expect(lived.completed).toBeGreaterThan(operations / 2);
  expect(lived.consents).toBeGreaterThan(10);
  expect(lived.failed).toBeLessThan(operations / 20);
  const used = refreshTokens();
  expect(new Set(used).size).toBe(used.length);
}

describe('20 users with 5 agents in 3 tenants, at once, with refreshes, withdrawals and disconnections', () => {
  verifies(
    ['CRD-5', 'CAP-8'],
    'no call ever gets a token of another user, tenant or agent, and no refresh token is used twice',
    async () => {
      const installation: Installation = {
        store: memoryStore(),
        key: randomBytes(32),
        issuer: server.issuer,
        signingKey: server.signingKey,
      };
      await fc.assert(
        fc.asyncProperty(fc.array(operation, { minLength: 150, maxLength: 150 }), async (operations) => {
          expectIsolated(await live(installation, operations, 16), operations.length);
        }),
        { numRuns: 3, endOnFailure: true },
      );
      expect(refreshTokens().length).toBeGreaterThan(10);
    },
    { timeout: 180_000 },
  );

  verifies(
    ['CRD-5', 'CAP-8'],
    'the same in two processes on one SQLite store',
    async () => {
      const directory = mkdtempSync(join(tmpdir(), 'countersign-oauth-'));
      const path = join(directory, 'store.sqlite');
      await sqliteStore({ path }).close();
      const key = randomBytes(32).toString('hex');
      const count = 150;
      const lives = await Promise.all(
        [1, 2].map((seed) => inProcess([path, key, server.issuer, String(seed), String(count)])),
      );
      for (const lived of lives) expectIsolated(lived, count);
      expect(refreshTokens().length).toBeGreaterThan(10);
      const store = sqliteStore({ path });
      for (const tenant of tenants) expect((await store.records(tenant, { limit: 1 })).length).toBe(1);
      await store.close();
      rmSync(directory, { recursive: true });
    },
    { timeout: 180_000 },
  );
});

const script = fileURLToPath(new URL('support/population-process.ts', import.meta.url));

async function inProcess(args: readonly string[]): Promise<Lived> {
  const child = spawn(process.execPath, ['--no-warnings', script, ...args], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(server.signingKey.export({ type: 'pkcs8', format: 'pem' }));
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  await once(child, 'close');
  return JSON.parse(Buffer.concat(chunks).toString()) as Lived;
}
